"""Progress: what a visitor can do next, as a value that is computed without writing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_flashcall.calls.progress import Progress, progress_of
from django_flashcall.choices import AttemptStatus, Channel, VerificationStatus
from django_flashcall.models import Verification, VerificationAttempt
from tests.constants import NOON
from tests.factories import AttemptFactory, VerificationFactory

pytestmark = pytest.mark.django_db


def called(**fields: Any) -> VerificationAttempt:
    """Return a flash call that was accepted at noon."""
    verification = VerificationFactory(created_at=NOON)
    return AttemptFactory(verification=verification, created_at=NOON, **fields)


def look(attempt: VerificationAttempt, *, after: timedelta = timedelta()) -> Progress:
    """Return the progress some time after noon."""
    verification = Verification.objects.select_related("phone").get(pk=attempt.verification_id)
    attempts = list(verification.attempts.all())
    return progress_of(verification, attempts=attempts, now=NOON + after)


class TestPending:
    def test_expects_the_code_until_it_expires(self) -> None:
        progress = look(called())
        assert progress.state == "pending"
        assert progress.expects_code
        assert progress.code_until == NOON + timedelta(minutes=5)
        assert not progress.can_restart

    def test_offers_every_channel_once_the_cooldown_is_over(self, settings: Any) -> None:
        progress = look(called())
        assert list(progress.channels) == [Channel.FLASH_CALL, Channel.VOICE, Channel.SMS]
        assert set(progress.channels.values()) == {NOON + timedelta(minutes=1)}
        assert progress.retry_at == NOON + timedelta(minutes=1)
        assert (progress.must_wait, progress.wait_seconds, progress.is_soon) == (True, 60, True)

    def test_offers_them_at_once_after_the_cooldown(self) -> None:
        progress = look(called(), after=timedelta(minutes=2))
        assert not progress.must_wait
        assert progress.wait_seconds == 0
        assert progress.has_other_channel

    def test_waits_for_an_answer_that_can_still_arrive(self) -> None:
        progress = look(called(status=AttemptStatus.REQUESTED, code=""))
        assert progress.expects_code

    def test_expects_no_code_of_a_call_that_was_refused(self) -> None:
        progress = look(called(status=AttemptStatus.REJECTED, code=""))
        assert not progress.expects_code
        assert progress.channels

    def test_offers_no_call_that_could_not_be_used_in_time(self) -> None:
        attempt = called()
        progress = look(attempt, after=timedelta(minutes=9, seconds=30))
        assert progress.channels == {}

    def test_is_over_without_a_code_and_without_attempts(self) -> None:
        attempt = called(status=AttemptStatus.REJECTED, code="")
        Verification.objects.update(attempt_count=3)
        progress = look(attempt)
        assert progress.channels == {}
        assert progress.can_restart


class TestEnded:
    def test_can_be_restarted_when_it_has_expired(self) -> None:
        progress = look(called(), after=timedelta(minutes=11))
        assert (progress.state, progress.expects_code) == ("expired", False)
        assert progress.can_restart
        assert progress.retry_at == NOON + timedelta(minutes=11)

    def test_can_be_restarted_when_its_checks_are_used_up(self) -> None:
        attempt = called()
        Verification.objects.update(checks=3)
        progress = look(attempt)
        assert (progress.state, progress.can_restart) == ("exhausted", True)
        assert progress.retry_at == NOON + timedelta(minutes=1)

    def test_has_no_restart_when_it_was_canceled(self) -> None:
        attempt = called()
        Verification.objects.update(status=VerificationStatus.CANCELED)
        progress = look(attempt)
        assert (progress.state, progress.can_restart) == ("canceled", False)


class TestComputing:
    @pytest.mark.parametrize("after", [timedelta(), timedelta(minutes=11)])
    def test_writes_nothing(self, after: timedelta) -> None:
        attempt = called(status=AttemptStatus.REQUESTED, code="")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            look(attempt, after=after)
        assert {query["sql"].split()[0] for query in queries} == {"SELECT"}
