"""Checking codes, canceling, and what ends a verification."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import AttemptStatus, Channel, Purpose, VerificationStatus
from django_flashcall.codes import EXAMPLE_CODE
from django_flashcall.exceptions import (
    CodeMalformed,
    CodeMistaken,
    CodeUnknown,
    VerificationEnded,
    WrongCode,
)
from django_flashcall.models import Verification, VerificationAttempt
from django_flashcall.visitors.visitor import Visitor
from tests.constants import NOON, NUMBER, OTHER, Clock, Outbox
from tests.factories import AttemptFactory, UserFactory, VerificationFactory
from tests.logins import other_than, start

pytestmark = pytest.mark.django_db


class TestCodes:
    @pytest.mark.parametrize("minutes", [5, 10], ids=["the-code", "the-verification"])
    def test_a_code_that_waited_for_the_database_until_it_expired_opens_nothing(
        self, minutes: int, clock: Clock, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        counts = iter((False, True))

        def wait(execute: Any, sql: str, *statement: Any) -> Any:
            # Two rows change: the check is counted, and then the verification approved.
            if sql.startswith("UPDATE") and not next(counts):
                answer = execute(sql, *statement)
                clock.move_to(NOON + timedelta(minutes=minutes))
                return answer
            return execute(sql, *statement)

        with connection.execute_wrapper(wait), pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=visitor)
        verification.refresh_from_db()
        assert (verification.checks, verification.approved_at) == (1, None)


class TestChecking:
    def test_the_right_code_approves(self, outbox: Outbox, visitor: Visitor) -> None:
        verification = services.check_code(start(), outbox[0].code, visitor=visitor)
        assert verification.status == VerificationStatus.APPROVED
        verification.refresh_from_db()
        assert verification.status == VerificationStatus.APPROVED
        assert verification.checks == 1
        assert verification.consumed_at is None

    def test_a_whole_pasted_number_counts_as_its_last_digits(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        text = f"+7 (495) 123-{outbox[0].code[:2]}-{outbox[0].code[2:]}"
        assert services.check_code(verification, text, visitor=visitor).approved_at

    def test_a_whole_pasted_number_costs_one_check_though_lengths_differ(
        self,
        flashcall: Any,
        outbox: Outbox,
        clock: Clock,
        visitor: Visitor,
    ) -> None:
        flashcall(CODE_LENGTH=6)
        verification = start()
        clock.shift(timedelta(minutes=1))
        services.resend(verification, visitor=visitor)
        with pytest.raises(WrongCode):
            services.check_code(verification, f"+7999{'1234560'}", visitor=visitor)
        verification.refresh_from_db()
        assert verification.checks == 1
        assert [len(call.code) for call in outbox] == [6, 4]

    def test_a_wrong_code_costs_one_check(self, outbox: Outbox, visitor: Visitor) -> None:
        verification = start()
        with pytest.raises(WrongCode) as caught:
            services.check_code(verification, other_than(*outbox), visitor=visitor)
        verification.refresh_from_db()
        assert (caught.value.checks_left, verification.checks) == (2, 1)
        assert verification.status == VerificationStatus.PENDING

    @pytest.mark.parametrize("text", ["", "12a4", "123", "12345", "٣٣٣", "1" * 16])
    def test_a_malformed_code_costs_nothing(self, text: str, visitor: Visitor) -> None:
        verification = start()
        with pytest.raises(CodeMalformed):
            services.check_code(verification, text, visitor=visitor)
        verification.refresh_from_db()
        assert verification.checks == 0

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("4567", "own_digits"),
            ("45\u201167", "own_digits"),
            (NUMBER, "own_digits"),
            (EXAMPLE_CODE, "example_digits"),
            (f"+7 495 000-{EXAMPLE_CODE}", "example_digits"),
        ],
    )
    @pytest.mark.parametrize("is_decoy", [False, True])
    def test_own_digits_and_the_example_are_named_at_no_cost_of_a_check(
        self, text: str, reason: str, is_decoy: bool, visitor: Visitor
    ) -> None:
        verification = VerificationFactory(phone__number=NUMBER, is_decoy=is_decoy)
        AttemptFactory(verification=verification)
        with pytest.raises(CodeMistaken) as caught:
            services.check_code(verification, text, visitor=visitor)
        verification.refresh_from_db()
        assert (caught.value.code, verification.checks) == (reason, 0)

    @pytest.mark.parametrize("code", ["4567", EXAMPLE_CODE])
    def test_own_digits_are_refused_even_where_they_are_the_code(
        self, code: str, visitor: Visitor
    ) -> None:
        # Otherwise each call would give one guess that costs no check.
        verification = VerificationFactory(phone__number=NUMBER)
        AttemptFactory(verification=verification, code=code)
        with pytest.raises(CodeMistaken):
            services.check_code(verification, code, visitor=visitor)
        verification.refresh_from_db()
        assert (verification.checks, verification.approved_at) == (0, None)

    @pytest.mark.parametrize("purpose", [Purpose.REAUTHENTICATE, Purpose.SECOND_STEP, "payment"])
    @pytest.mark.parametrize("text", ["4567", NUMBER])
    def test_digits_of_a_masked_number_are_not_revealed(
        self, purpose: str, text: str, visitor: Visitor
    ) -> None:
        verification = VerificationFactory(phone__number=NUMBER, purpose=purpose)
        AttemptFactory(verification=verification)
        with pytest.raises(WrongCode):
            services.check_code(verification, text, visitor=visitor)
        verification.refresh_from_db()
        assert verification.checks == 1

    def test_own_digits_after_the_last_check_do_not_hide_that_no_tries_are_left(
        self, visitor: Visitor
    ) -> None:
        verification = VerificationFactory(phone__number=NUMBER, checks=3)
        AttemptFactory(verification=verification)
        with pytest.raises(VerificationEnded) as caught:
            services.check_code(verification, "4567", visitor=visitor)
        assert caught.value.code == "exhausted"

    @pytest.mark.parametrize(
        ("fields", "code", "cause"),
        [
            ({"checks": 3}, "exhausted", "No tries are left for this code."),
            (
                {"status": VerificationStatus.CANCELED},
                "canceled",
                "was already used, or the request was canceled",
            ),
            (
                {"status": VerificationStatus.APPROVED, "approved_at": NOON},
                "approved",
                "was already used, or the request was canceled",
            ),
            (
                {"status": VerificationStatus.APPROVED, "approved_at": NOON, "consumed_at": NOON},
                "used",
                "was already used, or the request was canceled",
            ),
            (
                {
                    "status": VerificationStatus.APPROVED,
                    "approved_at": NOON,
                    "consumed_at": NOON,
                    "refusal_code": "staff",
                },
                "refused",
                "was already used, or the request was canceled",
            ),
            ({"expires_at": NOON}, VerificationEnded.code, str(VerificationEnded())),
        ],
        ids=["exhausted", "canceled", "approved", "used", "refused", "expired"],
    )
    def test_what_ended_a_verification_is_said(
        self,
        fields: dict[str, Any],
        code: str,
        cause: str,
        clock: Clock,
        visitor: Visitor,
    ) -> None:
        verification = VerificationFactory(**{"created_at": NOON - timedelta(minutes=1)} | fields)
        AttemptFactory(verification=verification, created_at=NOON - timedelta(minutes=1))
        with pytest.raises(VerificationEnded) as caught:
            services.check_code(verification, "1234", visitor=visitor)
        assert caught.value.code == code
        assert cause in str(caught.value)

    def test_a_check_of_what_is_purged_at_this_moment_is_over(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()

        def purge(execute: Any, sql: str, *statement: Any) -> Any:
            if sql.startswith("UPDATE"):
                Verification.objects.filter(pk=verification.pk).delete()
            return execute(sql, *statement)

        with connection.execute_wrapper(purge), pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=visitor)


class TestSharedChecks:
    def test_three_wrong_codes_end_it_for_the_right_one_too(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        left = []
        for _ in range(3):
            with pytest.raises(WrongCode) as caught:
                services.check_code(verification, other_than(*outbox), visitor=visitor)
            left.append(caught.value.checks_left)
        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=visitor)
        verification.refresh_from_db()
        assert left == [2, 1, 0]
        assert (verification.checks, verification.status) == (3, VerificationStatus.PENDING)

    def test_the_last_check_may_be_the_right_one(self, outbox: Outbox, visitor: Visitor) -> None:
        verification = start()
        for _ in range(2):
            with pytest.raises(WrongCode):
                services.check_code(verification, other_than(*outbox), visitor=visitor)
        assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at

    def test_several_codes_live_together_and_share_the_checks(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=1))
        services.resend(verification, visitor=visitor, channel=Channel.FLASH_CALL)
        with pytest.raises(WrongCode) as caught:
            services.check_code(verification, other_than(*outbox), visitor=visitor)
        assert caught.value.checks_left == 2
        assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


class TestLifetimes:
    def test_a_code_dies_before_its_verification(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=5))
        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=visitor)
        verification.refresh_from_db()
        assert verification.checks == 0
        services.resend(verification, visitor=visitor)
        assert services.check_code(verification, outbox[1].code, visitor=visitor).approved_at

    def test_an_old_code_is_a_wrong_one_beside_a_new_call(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = VerificationFactory(
            phone__number=NUMBER, created_at=NOON, expires_at=NOON + timedelta(minutes=10)
        )
        AttemptFactory(verification=verification, created_at=NOON, code="1234")
        AttemptFactory(
            verification=verification, created_at=NOON + timedelta(minutes=4), code="5678"
        )
        clock.shift(timedelta(minutes=6))
        with pytest.raises(WrongCode):
            services.check_code(verification, "1234", visitor=visitor)
        assert services.check_code(verification, "5678", visitor=visitor).approved_at

    def test_a_code_lives_to_its_last_second(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=5) - timedelta(seconds=1))
        assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at

    def test_no_code_outlives_its_verification(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=8))
        attempt = services.resend(verification, visitor=visitor)
        assert attempt.expires_at == verification.expires_at
        clock.shift(timedelta(minutes=2))
        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[1].code, visitor=visitor)

    def test_a_call_that_was_rejected_leaves_nothing_to_check(
        self, flashcall: Any, visitor: Visitor
    ) -> None:
        flashcall(OPTIONS={"error_code": "not_enough_money"})
        verification = start()
        with pytest.raises(CodeUnknown):
            services.check_code(verification, "1234", visitor=visitor)
        verification.refresh_from_db()
        assert verification.checks == 0

    def test_a_canceled_verification_opens_for_nobody(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        services.cancel(verification)
        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=visitor)

    def test_a_code_approves_once(self, outbox: Outbox, visitor: Visitor) -> None:
        verification = services.check_code(start(), outbox[0].code, visitor=visitor)
        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=visitor)

    def test_a_code_tried_while_the_call_is_placed_costs_nothing(
        self, queued: list[int], visitor: Visitor
    ) -> None:
        verification = start()
        with pytest.raises(CodeUnknown):
            services.check_code(verification, "1234", visitor=visitor)
        verification.refresh_from_db()
        assert verification.checks == 0


class TestStrangers:
    def test_the_code_of_another_verification_opens_nothing(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        first, second = start(), start(OTHER)
        if outbox[0].code == outbox[1].code:  # one time in ten thousand
            first.attempts.update(code_digest=second.attempts.get().code_digest)
        with pytest.raises(WrongCode):
            services.check_code(first, outbox[1].code, visitor=visitor)

    def test_a_digest_that_was_copied_to_another_verification_opens_nothing(
        self, visitor: Visitor
    ) -> None:
        one, other = AttemptFactory(code="1234"), AttemptFactory(code="5678")
        VerificationAttempt.objects.filter(pk=other.pk).update(code_digest=one.code_digest)
        with pytest.raises(WrongCode):
            services.check_code(other.verification, "1234", visitor=visitor)

    def test_a_verification_of_a_user_is_checked_by_no_other(self, outbox: Outbox) -> None:
        owner = UserFactory()
        verification = start(visitor=Visitor(user=owner))
        for stranger in (Visitor(), Visitor(user=UserFactory())):
            with pytest.raises(VerificationEnded):
                services.check_code(verification, outbox[0].code, visitor=stranger)
        verification.refresh_from_db()
        assert verification.checks == 0
        approved = services.check_code(verification, outbox[0].code, visitor=Visitor(user=owner))
        assert approved.approved_at

    def test_a_code_made_under_the_last_secret_key_still_opens(
        self, outbox: Outbox, settings: Any, visitor: Visitor
    ) -> None:
        verification = start()
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new key, as long as Django wants it to be, or nearly so"
        assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


class TestCanceling:
    def test_a_verification_is_canceled_once(self) -> None:
        verification = start()
        assert services.cancel(verification) is True
        assert services.cancel(verification) is False

    def test_an_approved_verification_is_not_canceled(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = services.check_code(start(), outbox[0].code, visitor=visitor)
        assert services.cancel(verification) is False
        verification.refresh_from_db()
        assert verification.status == VerificationStatus.APPROVED


class TestSweeping:
    def test_the_sweep_takes_calls_whose_answer_will_not_come(
        self,
        clock: Clock,
    ) -> None:
        killed = AttemptFactory(status=AttemptStatus.REQUESTED, created_at=NOON)
        clock.shift(timedelta(seconds=59))
        assert services.sweep_attempts() == 0
        clock.shift(timedelta(seconds=1))
        assert services.sweep_attempts() == 1
        killed.refresh_from_db()
        assert killed.status == AttemptStatus.UNKNOWN
        assert services.sweep_attempts() == 0

    def test_the_sweep_takes_calls_that_no_worker_dialled_in_time(
        self, clock: Clock, queued: list[int]
    ) -> None:
        attempt = start().attempts.get()
        clock.shift(timedelta(minutes=5) - timedelta(seconds=1))
        assert services.sweep_attempts() == 0
        clock.shift(timedelta(seconds=1))
        assert services.sweep_attempts() == 1
        attempt.refresh_from_db()
        assert attempt.status == AttemptStatus.UNKNOWN

    def test_the_sweep_takes_calls_that_a_clock_in_the_future_left(
        self,
        clock: Clock,
    ) -> None:
        clock.shift(timedelta(days=365))
        requested = {"status": AttemptStatus.REQUESTED, "sent_at": timezone.now()}
        AttemptFactory(created_at=timezone.now(), **requested)
        clock.move_to(NOON)
        assert services.sweep_attempts() == 1

    @pytest.mark.parametrize("status", [AttemptStatus.ACCEPTED, AttemptStatus.UNKNOWN])
    def test_the_sweep_leaves_what_is_known(self, status: str, clock: Clock) -> None:
        AttemptFactory(status=status, created_at=NOON - timedelta(days=1))
        assert services.sweep_attempts() == 0
