"""Tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command

from django_flashcall import alarms
from django_flashcall.choices import VerificationStatus
from django_flashcall.models import Verification
from django_flashcall.operations.conversion import MIN_SAMPLE
from tests.constants import NOON
from tests.factories import VerificationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


AN_HOUR_AGO, YESTERDAY = NOON - timedelta(minutes=40), NOON - timedelta(days=1)


def happened(at: datetime, *, approved: int, others: int, **fields: Any) -> None:
    """Record ``approved`` and ``others`` verifications at one time."""
    row = {"created_at": at, "expires_at": at + timedelta(minutes=10), **fields}
    done = {"status": VerificationStatus.APPROVED, "approved_at": at, "checks": 1}
    VerificationFactory.create_batch(approved, **row, **done)
    VerificationFactory.create_batch(others, **row)


def alarm(caplog: pytest.LogCaptureFixture) -> str:
    call_command("flashcall_sweep", verbosity=0)
    return caplog.text


class TestConversion:
    def test_an_hour_that_approves_half_as_many_as_the_week_is_an_alarm(
        self,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        happened(YESTERDAY, approved=8, others=2)
        happened(AN_HOUR_AGO, approved=12, others=MIN_SAMPLE - 12)
        assert (
            "Only 40% of the 30 verifications in the last hour were approved, "
            "compared with 80% in the last week." in alarm(caplog)
        )

    @pytest.mark.parametrize(
        ("approved", "others", "fields"),
        [
            (13, MIN_SAMPLE - 13, {}),
            (0, MIN_SAMPLE - 1, {}),  # too few to say
            (0, MIN_SAMPLE, {"is_decoy": True}),
        ],
    )
    def test_other_hours_are_none(
        self, approved: int, others: int, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        happened(YESTERDAY, approved=8, others=2)
        happened(AN_HOUR_AGO, approved=approved, others=others, **fields)
        assert "alarm=" not in alarm(caplog)

    def test_a_right_code_counts_as_approved_although_it_logged_nobody_in(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The alarm is about calls that do not arrive. A failed sign-up has its own."""
        happened(YESTERDAY, approved=8, others=2)
        refused = {"consumed_at": AN_HOUR_AGO, "refusal_code": "staff"}
        happened(AN_HOUR_AGO, approved=MIN_SAMPLE, others=0)
        Verification.objects.filter(created_at=AN_HOUR_AGO).update(**refused)
        assert "alarm=" not in alarm(caplog)

    def test_what_is_still_open_is_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        happened(YESTERDAY, approved=8, others=2)
        happened(NOON - timedelta(minutes=9), approved=0, others=MIN_SAMPLE)
        assert "alarm=" not in alarm(caplog)

    def test_the_first_hour_of_a_site_is_none(self, caplog: pytest.LogCaptureFixture) -> None:
        happened(AN_HOUR_AGO, approved=0, others=MIN_SAMPLE)
        assert "alarm=" not in alarm(caplog)

    def test_processes_that_cron_starts_again_and_again_send_the_alarm_once_an_hour(
        self,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        happened(YESTERDAY, approved=8, others=2)
        happened(AN_HOUR_AGO, approved=0, others=MIN_SAMPLE)
        for _ in range(3):
            alarms.sounded.clear()
            cache.clear()
            heard = alarm(caplog)
        assert heard.count("alarm=conversion") == 1
