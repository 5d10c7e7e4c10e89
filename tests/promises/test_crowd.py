"""A provider that crawls does not take the site down: benchmarks/slow_provider.py in small."""

from __future__ import annotations

import pytest

from django_flashcall.models import Phone, VerificationAttempt
from tests.crowd import CROWD, THREADS, measure

pytestmark = pytest.mark.django_db(transaction=True)


class TestSlowProviders:
    def test_other_pages_stay_fast_while_all_concurrent_calls_run(self) -> None:
        measured = measure(calls=4, delay=1.5)
        assert measured.slowest_page < 0.75
        assert (measured.called, measured.refused) == (4, CROWD - 4)
        # Who is refused has lost nothing: there is no call, and no number that was called just now.
        assert VerificationAttempt.objects.count() == Phone.objects.count() == 4

    def test_with_a_call_for_each_thread_they_would_wait_for_the_provider(self) -> None:
        measured = measure(calls=THREADS, delay=1.5)
        assert measured.slowest_page > 0.75
