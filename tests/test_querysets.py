"""Conditional updates of numbers, verifications and attempts."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from django_flashcall.choices import AttemptStatus, Channel, VerificationStatus
from django_flashcall.models import Verification, VerificationAttempt
from django_flashcall.querysets import APPROVAL_LIFETIME
from tests.constants import NOON
from tests.factories import AttemptFactory, PhoneFactory, UserFactory, VerificationFactory
from tests.rows import MINUTE, SECOND, fresh, only

pytestmark = pytest.mark.django_db


#: What ends a verification, each in its own way, seen at ``NOON``.
ENDED = pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"status": VerificationStatus.CANCELED}, id="canceled"),
        pytest.param({"status": VerificationStatus.APPROVED, "approved_at": NOON}, id="approved"),
        pytest.param({"expires_at": NOON}, id="expired"),
        pytest.param({"checks": 3}, id="exhausted"),
    ],
)


def make_verification(**fields: Any) -> Verification:
    verification: Verification = VerificationFactory(created_at=NOON - MINUTE, **fields)
    return verification


class TestClaimingACheck:
    def test_counts_it(self) -> None:
        verification = make_verification(checks=1)

        assert only(verification).claim_check(now=NOON)
        assert fresh(verification).checks == 2

    def test_works_as_often_as_checks_are_allowed(self) -> None:
        verification = make_verification(max_checks=3)

        claims = [only(verification).claim_check(now=NOON) for _ in range(5)]

        assert claims == [True, True, True, False, False]
        assert fresh(verification).checks == 3

    @ENDED
    def test_is_refused_once_the_verification_has_ended(self, fields: dict[str, Any]) -> None:
        verification = make_verification(**fields)

        assert not only(verification).claim_check(now=NOON)
        assert fresh(verification).checks == verification.checks


class TestClaimingAnAttempt:
    def test_counts_it(self) -> None:
        verification = make_verification(attempt_count=1)

        assert only(verification).claim_attempt(now=NOON, time_left=MINUTE)
        assert fresh(verification).attempt_count == 2

    def test_works_as_often_as_attempts_are_allowed(self) -> None:
        verification = make_verification(attempt_count=1, max_attempts=3)

        claims = [only(verification).claim_attempt(now=NOON, time_left=MINUTE) for _ in range(4)]

        assert claims == [True, True, False, False]

    @pytest.mark.parametrize(("left", "claimed"), [(MINUTE, False), (MINUTE + SECOND, True)])
    def test_needs_time_enough_to_use_the_call(self, left: timedelta, claimed: bool) -> None:
        verification = make_verification(expires_at=NOON + left)

        assert only(verification).claim_attempt(now=NOON, time_left=MINUTE) is claimed

    @ENDED
    def test_is_refused_once_the_verification_has_ended(self, fields: dict[str, Any]) -> None:
        verification = make_verification(**fields)

        assert not only(verification).claim_attempt(now=NOON, time_left=timedelta(0))
        assert fresh(verification).attempt_count == 1


class TestApproving:
    def test_works_once(self) -> None:
        verification = make_verification()

        approvals = [only(verification).approve(now=NOON) for _ in range(2)]

        assert approvals == [True, False]
        assert fresh(verification).status == VerificationStatus.APPROVED
        assert fresh(verification).approved_at == NOON

    def test_works_after_the_last_check_was_counted(self) -> None:
        """The last check may be the right one."""
        verification = make_verification(checks=3)

        assert only(verification).approve(now=NOON)

    @pytest.mark.parametrize(
        "fields", [{"status": VerificationStatus.CANCELED}, {"expires_at": NOON}]
    )
    def test_is_refused_once_the_verification_has_ended(self, fields: dict[str, Any]) -> None:
        verification = make_verification(**fields)

        assert not only(verification).approve(now=NOON)
        assert fresh(verification).approved_at is None


class TestConsuming:
    @staticmethod
    def consume(verification: Verification, *, purpose: str = "login") -> bool:
        consumed: bool = only(verification).consume(now=NOON, purpose=purpose)
        return consumed

    @staticmethod
    def approved(**fields: Any) -> Verification:
        approval = {"status": VerificationStatus.APPROVED, "approved_at": NOON}
        return make_verification(**{**approval, **fields})

    def test_works_once(self) -> None:
        verification = self.approved()

        assert [self.consume(verification) for _ in range(2)] == [True, False]
        assert fresh(verification).consumed_at == NOON

    def test_works_after_the_verification_has_expired(self) -> None:
        """What counts is the age of the approval."""
        assert self.consume(self.approved(expires_at=NOON))

    @pytest.mark.parametrize(
        ("age", "consumed"),
        [
            (APPROVAL_LIFETIME - SECOND, True),
            (APPROVAL_LIFETIME, False),
            (2 * APPROVAL_LIFETIME, False),
        ],
    )
    def test_needs_a_recent_approval(self, age: timedelta, consumed: bool) -> None:
        assert self.consume(self.approved(approved_at=NOON - age)) is consumed

    @pytest.mark.parametrize(
        ("asked_for", "used_for", "consumed"),
        [
            ("login", "login", True),
            ("confirm", "login", False),
            ("login", "confirm", False),
            ("payout", "payout", True),
            ("Login", "payout", False),
        ],
    )
    def test_needs_the_same_purpose(self, asked_for: str, used_for: str, consumed: bool) -> None:
        verification = self.approved(purpose=asked_for)

        assert self.consume(verification, purpose=used_for) is consumed

    def test_forgets_why_an_earlier_use_led_to_nothing(self) -> None:
        verification = self.approved(refusal_code="sign_up_failed")

        assert self.consume(verification)
        assert fresh(verification).refusal_code == ""

    @pytest.mark.parametrize("status", [VerificationStatus.PENDING, VerificationStatus.CANCELED])
    def test_is_refused_without_an_approval(self, status: str) -> None:
        verification = make_verification(status=status)

        assert not self.consume(verification)
        assert fresh(verification).consumed_at is None


class TestRefusing:
    @pytest.mark.parametrize(
        ("fields", "is_refused"),
        [
            ({"consumed_at": NOON, "approved_at": NOON, "status": "approved"}, True),
            ({"approved_at": NOON, "status": "approved"}, False),
            ({}, False),
            ({"status": "canceled"}, False),
        ],
    )
    def test_is_recorded_of_what_was_used(self, fields: dict[str, Any], is_refused: bool) -> None:
        verification = make_verification(**fields)

        assert only(verification).refuse(code="staff") is is_refused
        assert fresh(verification).refusal_code == ("staff" if is_refused else "")


class TestGivingBack:
    @pytest.mark.parametrize(("used_at", "is_mine"), [(NOON, True), (NOON - SECOND, False)])
    def test_undoes_only_its_own_use(self, used_at: datetime, is_mine: bool) -> None:
        verification = make_verification(
            status=VerificationStatus.APPROVED, approved_at=NOON, consumed_at=used_at
        )

        assert only(verification).give_back(consumed_at=NOON, code="sign_up_failed") is is_mine
        found = fresh(verification)
        assert (found.consumed_at is None) is is_mine
        assert found.refusal_code == ("sign_up_failed" if is_mine else "")

    def test_lets_a_withdrawal_cancel_what_it_gave_back(self) -> None:
        verification = make_verification(
            status=VerificationStatus.APPROVED, approved_at=NOON, consumed_at=NOON
        )
        only(verification).give_back(consumed_at=NOON, code="sign_up_failed")

        assert only(verification).withdraw() == 1
        assert fresh(verification).refusal_code == ""


class TestCanceling:
    @pytest.mark.parametrize(
        ("fields", "canceled"),
        [
            ({}, True),
            ({"expires_at": NOON}, True),
            ({"status": VerificationStatus.CANCELED}, False),
            ({"status": VerificationStatus.APPROVED, "approved_at": NOON}, False),
        ],
    )
    def test_works_while_it_is_pending(self, fields: dict[str, Any], canceled: bool) -> None:
        verification = make_verification(**fields)

        assert only(verification).cancel() is canceled
        assert (fresh(verification).status == VerificationStatus.CANCELED) is (
            canceled or verification.status == VerificationStatus.CANCELED
        )


class TestOpen:
    def test_is_what_a_right_code_would_still_approve(self) -> None:
        open_one = make_verification()
        make_verification(checks=3)
        make_verification(expires_at=NOON)
        make_verification(status=VerificationStatus.CANCELED)

        assert list(Verification.objects.open(now=NOON)) == [open_one]


class TestBegunBy:
    def test_only_its_browser_has_a_verification(self) -> None:
        mine = make_verification(browser=uuid4())
        make_verification(browser=uuid4())
        make_verification()
        assert Verification.objects.begun_by(browser=mine.browser, user_id=None).get() == mine
        assert not Verification.objects.begun_by(browser=None, user_id=None).exists()

    def test_only_its_user_has_a_verification_in_a_browser_of_several(self) -> None:
        first, second = UserFactory.create_batch(2)
        mine = make_verification(browser=uuid4(), user=first)
        begun_by = Verification.objects.begun_by
        assert begun_by(browser=mine.browser, user_id=first.pk).get() == mine
        for user_id in (None, second.pk):
            assert not begun_by(browser=mine.browser, user_id=user_id).exists()


class TestRecentAttempts:
    def test_are_those_at_one_number_within_the_window(self) -> None:
        phone = PhoneFactory()
        for minutes in (0, 5, 59, 60, 61):
            began = NOON - timedelta(minutes=minutes)
            verification = VerificationFactory(phone=phone, created_at=began)
            AttemptFactory(verification=verification, created_at=began)
        AttemptFactory(created_at=NOON)

        recent = VerificationAttempt.objects.recent(phone.pk, since=NOON - timedelta(hours=1))

        assert (recent["count"], recent["latest"]) == (3, NOON)
        assert recent["first"] == NOON - timedelta(minutes=59)
        assert (recent["sms"], recent["first_sms"]) == (0, None)

    def test_are_found_when_their_verification_began_before_the_window(self) -> None:
        since = NOON - timedelta(hours=1)
        verification = VerificationFactory(created_at=since - 9 * MINUTE)
        AttemptFactory(verification=verification, created_at=since + SECOND)

        recent = VerificationAttempt.objects.recent(verification.phone_id, since=since)

        assert recent["count"] == 1

    def test_may_be_none(self) -> None:
        recent = VerificationAttempt.objects.recent(PhoneFactory().pk, since=NOON)

        assert (recent["count"], recent["latest"]) == (0, None)


class TestClaimingADial:
    @staticmethod
    def requested(**fields: Any) -> VerificationAttempt:
        unsent = {
            "status": AttemptStatus.REQUESTED,
            "sent_at": None,
            "created_at": NOON,
            "code": "",
        }
        attempt: VerificationAttempt = AttemptFactory(**{**unsent, **fields})
        return attempt

    def test_works_once_however_often_a_queue_delivers(self) -> None:
        attempt = self.requested()

        claims = [only(attempt).claim_dial(now=NOON, code_digest="") for _ in range(2)]

        assert claims == [True, False]
        assert fresh(attempt).sent_at == NOON

    def test_keeps_the_digest_of_a_code_of_ours(self) -> None:
        attempt = self.requested()

        only(attempt).claim_dial(now=NOON, code_digest="a" * 64)

        assert fresh(attempt).code_digest == "a" * 64

    def test_leaves_the_digest_that_an_sms_took_over(self) -> None:
        attempt = self.requested(code="1234", channel=Channel.SMS)

        only(attempt).claim_dial(now=NOON, code_digest="")

        assert fresh(attempt).code_digest == attempt.code_digest != ""

    @pytest.mark.parametrize(
        "status", [AttemptStatus.ACCEPTED, AttemptStatus.REJECTED, AttemptStatus.UNKNOWN]
    )
    def test_is_refused_once_the_outcome_is_recorded(self, status: str) -> None:
        attempt = self.requested(status=status)

        assert not only(attempt).claim_dial(now=NOON, code_digest="")
        assert fresh(attempt).sent_at is None


class TestConcluding:
    @pytest.mark.parametrize(
        ("before", "after", "recorded"),
        [
            (AttemptStatus.REQUESTED, AttemptStatus.ACCEPTED, True),
            (AttemptStatus.REQUESTED, AttemptStatus.REJECTED, True),
            (AttemptStatus.REQUESTED, AttemptStatus.UNKNOWN, True),
            # An answer that comes after the sweep is still kept.
            (AttemptStatus.UNKNOWN, AttemptStatus.ACCEPTED, True),
            (AttemptStatus.UNKNOWN, AttemptStatus.REJECTED, True),
            (AttemptStatus.UNKNOWN, AttemptStatus.UNKNOWN, False),
            # What is known already stays.
            (AttemptStatus.ACCEPTED, AttemptStatus.ACCEPTED, False),
            (AttemptStatus.ACCEPTED, AttemptStatus.REJECTED, False),
            (AttemptStatus.ACCEPTED, AttemptStatus.UNKNOWN, False),
            (AttemptStatus.REJECTED, AttemptStatus.ACCEPTED, False),
            (AttemptStatus.REJECTED, AttemptStatus.REJECTED, False),
            (AttemptStatus.REJECTED, AttemptStatus.UNKNOWN, False),
        ],
    )
    def test_records_an_outcome_once(self, before: str, after: str, recorded: bool) -> None:
        attempt = AttemptFactory(status=before, code="")

        assert only(attempt).conclude(status=after, answered_at=NOON) is recorded
        assert fresh(attempt).status == (after if recorded else before)
        assert fresh(attempt).answered_at == (NOON if recorded else None)

    def test_keeps_what_the_provider_said(self) -> None:
        attempt = AttemptFactory(status=AttemptStatus.REQUESTED, provider_id="", price=None)

        only(attempt).conclude(
            status=AttemptStatus.ACCEPTED, provider_id="7", price=Decimal("0.3456")
        )

        assert (fresh(attempt).provider_id, fresh(attempt).price) == ("7", Decimal("0.3456"))


class TestSweeping:
    @pytest.mark.parametrize(
        ("fields", "swept"),
        [
            pytest.param({"sent_at": NOON - MINUTE}, 1, id="sent and not answered in time"),
            pytest.param({"sent_at": NOON - MINUTE + SECOND}, 0, id="sent a moment ago"),
            pytest.param({"sent_at": None}, 0, id="waiting in a queue"),
            pytest.param({"sent_at": None, "expires_at": NOON}, 1, id="forgotten in a queue"),
            pytest.param({"expires_at": NOON, "sent_at": NOON}, 0, id="sent at the last moment"),
            pytest.param({"status": AttemptStatus.ACCEPTED}, 0, id="accepted"),
            pytest.param({"status": AttemptStatus.UNKNOWN}, 0, id="swept before"),
        ],
    )
    def test_finds_what_nobody_answers(self, fields: dict[str, Any], swept: int) -> None:
        requested = {"status": AttemptStatus.REQUESTED, "created_at": NOON - 2 * MINUTE}
        attempt = AttemptFactory(**{**requested, **fields})

        overdue = VerificationAttempt.objects.overdue(now=NOON, deadline=MINUTE)
        assert list(overdue) == [attempt][:swept]


class TestCarryingCall:
    def test_is_an_accepted_call_with_an_id_the_first_first(self) -> None:
        verification = VerificationFactory()
        AttemptFactory(verification=verification, status=AttemptStatus.UNKNOWN)
        AttemptFactory(verification=verification, status=AttemptStatus.REJECTED, code="")
        AttemptFactory(verification=verification, provider_id="")
        AttemptFactory(verification=verification, channel=Channel.SMS)
        first = AttemptFactory(verification=verification)
        second = AttemptFactory(verification=verification, channel=Channel.VOICE)

        assert list(verification.attempts.carrying_call()) == [first, second]


class TestFailedChecks:
    def test_of_a_number_that_nobody_asked_about_are_none(self) -> None:
        rows = Verification.objects.filter(phone=PhoneFactory())

        assert rows.failed_checks(now=NOON, day=NOON, month=NOON) == {"day": 0, "month": 0}
