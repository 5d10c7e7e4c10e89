"""What a visitor can do next, as a value."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_flashcall.calls.claims import MIN_TIME_LEFT
from django_flashcall.calls.progress import RESTARTABLE, Progress, progress_of
from django_flashcall.choices import AttemptStatus, Channel, ErrorCode, VerificationStatus
from django_flashcall.models import Verification
from tests.constants import NOON
from tests.factories import AttemptFactory, VerificationFactory

pytestmark = pytest.mark.django_db

#: The first cooldown of a number, and the lifetimes of the factories.
COOLDOWN = timedelta(seconds=60)
CODE_LIFETIME = timedelta(minutes=5)
LIFETIME = timedelta(minutes=10)

APPROVED = {"status": VerificationStatus.APPROVED, "approved_at": NOON, "checks": 1}
USED = APPROVED | {"consumed_at": NOON}
REFUSED = USED | {"refusal_code": "staff"}
CANCELED = {"status": VerificationStatus.CANCELED}
EXPIRED = {"created_at": NOON - LIFETIME}
EXHAUSTED = {"checks": 3}


def called(*, attempt: dict[str, Any] | None = None, **fields: Any) -> Verification:
    """Return a verification that was called when it began, at ``NOON`` by default."""
    row = {"created_at": NOON, **fields}
    verification: Verification = VerificationFactory(**row)
    AttemptFactory(verification=verification, **{"created_at": row["created_at"]} | (attempt or {}))
    return verification


def progress(verification: Verification, *, now: datetime = NOON) -> Progress:
    """Return the progress with the attempts that the database has."""
    attempts = list(verification.attempts.order_by("pk"))
    return progress_of(verification, attempts=attempts, now=now)


class TestStates:
    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({}, "pending"),
            (EXPIRED, "expired"),
            (EXHAUSTED, "exhausted"),
            (APPROVED, "approved"),
            (USED, "used"),
            (REFUSED, "refused"),
            (CANCELED, "canceled"),
        ],
    )
    def test_are_those_of_the_verification(self, fields: dict[str, Any], state: str) -> None:
        verification = called(**fields)
        assert progress(verification).state == state == verification.state(now=NOON)

    @pytest.mark.parametrize("fields", [EXPIRED, EXHAUSTED, APPROVED, USED, CANCELED])
    def test_other_than_pending_expect_no_code_and_offer_no_call(
        self, fields: dict[str, Any]
    ) -> None:
        found = progress(called(**fields))
        assert found.code_until is None
        assert not found.expects_code
        assert found.channels == {}
        assert not found.has_other_channel

    def test_hold_the_latest_attempt(self) -> None:
        verification = called(created_at=NOON - timedelta(minutes=2))
        latest = AttemptFactory(verification=verification, channel=Channel.VOICE, created_at=NOON)
        found = progress(verification)
        assert found.attempt == latest
        assert found.now == NOON


class TestCodes:
    def test_are_expected_until_the_last_one_expires(self) -> None:
        verification = called(created_at=NOON - timedelta(minutes=2))
        AttemptFactory(verification=verification, channel=Channel.VOICE, created_at=NOON)
        assert progress(verification).code_until == NOON + CODE_LIFETIME

    def test_are_expected_of_a_call_that_is_not_placed_yet(self) -> None:
        row = {"status": AttemptStatus.REQUESTED, "sent_at": None, "code": ""}
        assert progress(called(attempt=row)).code_until == NOON + CODE_LIFETIME

    @pytest.mark.parametrize("status", [AttemptStatus.REJECTED, AttemptStatus.UNKNOWN])
    def test_are_not_expected_of_a_call_that_carries_none(self, status: str) -> None:
        found = progress(called(attempt={"status": status, "code": ""}))
        assert found.state == "pending"
        assert found.code_until is None

    def test_are_not_expected_after_they_expired(self) -> None:
        verification = called()
        last = NOON + CODE_LIFETIME - timedelta(microseconds=1)
        assert progress(verification, now=last).expects_code
        assert not progress(verification, now=NOON + CODE_LIFETIME).expects_code


class TestChannels:
    def test_have_the_times_from_which_they_are_possible(self) -> None:
        found = progress(called())
        rested = NOON + COOLDOWN
        expected = {Channel.FLASH_CALL: rested, Channel.VOICE: rested, Channel.SMS: rested}
        assert list(found.channels.items()) == list(expected.items())
        assert found.has_other_channel
        assert (found.retry_at, found.wait_seconds) == (rested, 60)
        assert found.must_wait
        assert found.is_soon

    def test_are_possible_at_once_after_the_cooldown(self) -> None:
        now = NOON + COOLDOWN
        found = progress(called(), now=now)
        assert set(found.channels.values()) == {now}
        assert (found.retry_at, found.wait_seconds, found.must_wait) == (now, 0, False)

    def test_include_an_sms_only_after_a_call_with_a_code(self) -> None:
        found = progress(called(attempt={"status": AttemptStatus.REJECTED, "code": ""}))
        assert set(found.channels) == {Channel.FLASH_CALL, Channel.VOICE}

    def test_end_with_the_attempts(self) -> None:
        found = progress(called(attempt_count=3))
        assert found.channels == {}
        assert found.expects_code
        assert not found.can_restart

    def test_leave_out_what_would_come_too_late(self) -> None:
        found = progress(called(expires_at=NOON + COOLDOWN + MIN_TIME_LEFT))
        assert found.channels == {}
        in_time = called(expires_at=NOON + COOLDOWN + MIN_TIME_LEFT + timedelta(seconds=1))
        assert set(progress(in_time).channels) == {*Channel}

    def test_leave_out_one_that_is_held_for_spam(self) -> None:
        row = {
            "status": AttemptStatus.REJECTED,
            "error_code": ErrorCode.NUMBER_IN_SPAM_LIST,
            "code": "",
        }
        found = progress(called(attempt=row))
        assert set(found.channels) == {Channel.VOICE}
        assert found.has_other_channel

    def test_without_another_one_repeat_the_latest(self, flashcall: Any) -> None:
        flashcall(CHANNELS=["flash_call"])
        found = progress(called())
        assert set(found.channels) == {Channel.FLASH_CALL}
        assert not found.has_other_channel


class TestRestarting:
    @pytest.mark.parametrize(
        ("fields", "can_restart"),
        [
            ({}, False),
            (EXPIRED, True),
            (EXHAUSTED, True),
            (APPROVED, True),
            (USED, False),
            (CANCELED, False),
        ],
    )
    def test_is_possible_when_it_ended_without_a_login(
        self, fields: dict[str, Any], can_restart: bool
    ) -> None:
        found = progress(called(**fields))
        assert found.can_restart is can_restart
        assert not found.can_restart or found.state in RESTARTABLE

    def test_is_possible_when_nothing_else_is(self) -> None:
        row = {"status": AttemptStatus.REJECTED, "code": ""}
        found = progress(called(attempt_count=3, attempt=row))
        assert (found.state, found.can_restart) == ("pending", True)

    def test_waits_for_the_cooldown(self) -> None:
        found = progress(called(**EXHAUSTED))
        assert found.retry_at == NOON + COOLDOWN
        assert found.must_wait

    def test_is_possible_at_once_after_the_cooldown(self) -> None:
        found = progress(called(**EXPIRED))
        assert (found.retry_at, found.must_wait) == (NOON, False)

    def test_waits_for_the_checks_that_a_new_one_needs(self, flashcall: Any) -> None:
        flashcall(DAILY_FAILED_CHECKS=3)
        found = progress(called(**EXHAUSTED))
        assert found.can_restart
        assert found.retry_at > NOON + timedelta(hours=23)
        assert not found.is_soon


class TestReading:
    @pytest.mark.parametrize("fields", [{}, EXPIRED, EXHAUSTED, APPROVED, USED, CANCELED])
    def test_writes_nothing(self, fields: dict[str, Any]) -> None:
        verification = called(**fields)
        attempts = list(verification.attempts.all())
        with CaptureQueriesContext(connection) as captured:
            progress_of(verification, attempts=attempts, now=NOON)
        statements = [query["sql"].split()[0] for query in captured.captured_queries]
        assert set(statements) <= {"SELECT"}
        assert statements or verification.state(now=NOON) in ("used", "canceled")

    def test_takes_the_same_queries_whatever_the_number_of_attempts(
        self, django_assert_num_queries: Any
    ) -> None:
        one = called()
        with CaptureQueriesContext(connection) as captured:
            progress(one)
        more = called()
        AttemptFactory(verification=more, channel=Channel.VOICE, created_at=NOON)
        with django_assert_num_queries(len(captured)):
            progress(more)

    def test_rounds_the_seconds_up(self) -> None:
        found = progress(called(), now=NOON + timedelta(milliseconds=100))
        assert found.wait_seconds == 60
