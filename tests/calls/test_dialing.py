"""A call is dialled at most once, in time, and only if it is still allowed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from django_flashcall import services
from django_flashcall.calls import dialing
from django_flashcall.calls.draws import FAILED_FOR
from django_flashcall.choices import AttemptStatus, Channel, VerificationStatus
from django_flashcall.codes import EXAMPLE_CODE
from django_flashcall.exceptions import OutcomeUnknown, TransactionOpen
from django_flashcall.limits import breaker
from django_flashcall.models import Phone, Verification, VerificationAttempt
from django_flashcall.providers.base import Answer
from django_flashcall.visitors.visitor import Visitor
from tests.calls.scripted import dial, requested, seen
from tests.constants import NOON, NUMBER, Clock, Outbox
from tests.factories import PriceFactory, VerificationFactory

pytestmark = pytest.mark.django_db


class TestCodes:
    def test_a_code_of_ours_is_kept_before_the_request_is_sent(
        self, script: Any, outbox: Outbox
    ) -> None:
        script(OutcomeUnknown("time-out"))
        dial(requested(channel=Channel.VOICE))
        (before,) = seen
        assert before.status == AttemptStatus.REQUESTED
        assert before.sent_at is not None
        assert len(before.code_digest) == 64

    def test_a_code_of_ours_can_be_checked_though_the_answer_was_lost(
        self, script: Any, outbox: Outbox, visitor: Visitor
    ) -> None:
        script(OutcomeUnknown("time-out"))
        attempt = dial(requested(channel=Channel.VOICE))
        assert attempt.status == AttemptStatus.UNKNOWN
        approved = services.check_code(attempt.verification, outbox[0].code, visitor=visitor)
        assert approved.status == VerificationStatus.APPROVED

    def test_a_code_of_the_provider_is_lost_with_its_answer(self, script: Any) -> None:
        script(OutcomeUnknown("time-out"))
        assert dial(requested()).code_digest == ""

    @pytest.mark.parametrize("code", [NUMBER[-4:], EXAMPLE_CODE])
    def test_a_call_whose_code_is_never_accepted_is_unknown_and_keeps_its_price(
        self, code: str, script: Any
    ) -> None:
        script(Answer(id="77", price=Decimal("0.35"), code=code))
        attempt = dial(requested())
        assert (attempt.status, attempt.code_digest) == (AttemptStatus.UNKNOWN, "")
        assert (attempt.provider_id, attempt.price) == ("77", Decimal("0.35"))

    def test_calls_whose_code_is_never_accepted_are_no_failures_of_the_provider(
        self, script: Any
    ) -> None:
        script(Answer(id="77", price=Decimal("0.35"), code=NUMBER[-4:]))
        for _ in range(breaker.MAX_FAILURES):
            dial(requested())
            VerificationAttempt.objects.all().delete()
            Phone.objects.all().delete()
        script(Answer(id="77", price=Decimal("0.35"), code="1234"))
        assert dial(requested()).status == AttemptStatus.ACCEPTED


class TestTasks:
    def test_a_task_that_is_delivered_twice_dials_once(self, outbox: Outbox) -> None:
        attempt = requested()
        dial(attempt)
        dial(attempt)
        assert len(outbox) == 1

    @pytest.mark.parametrize(
        "status", [AttemptStatus.ACCEPTED, AttemptStatus.REJECTED, AttemptStatus.UNKNOWN]
    )
    def test_what_is_known_already_is_not_dialled(self, status: str, outbox: Outbox) -> None:
        dial(requested(status=status))
        assert not outbox

    def test_a_call_that_comes_too_late_for_its_code_is_not_placed(self, outbox: Outbox) -> None:
        attempt = requested(
            verification__created_at=NOON, created_at=NOON, expires_at=NOON + timedelta(minutes=5)
        )
        with time_machine.travel(NOON + timedelta(minutes=5), tick=False):
            dial(attempt)
        assert not outbox

    def test_a_call_for_a_canceled_verification_is_not_placed(self, outbox: Outbox) -> None:
        verification = VerificationFactory(status=VerificationStatus.CANCELED)
        dial(requested(verification=verification))
        assert not outbox

    def test_a_call_inside_a_transaction_is_refused_before_it_is_placed(
        self,
        outbox: Outbox,
    ) -> None:
        attempt = requested()
        with transaction.atomic(), pytest.raises(TransactionOpen):
            dialing.dial(attempt.pk)
        assert not outbox

    def test_a_task_whose_number_was_forbidden_meanwhile_calls_nobody(self, outbox: Outbox) -> None:
        attempt = requested()
        PriceFactory(prefix="", allowed=False, valid_from=NOON)
        with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
            dial(attempt)
        assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")
        assert attempt.spent == 0
        assert not outbox

    def test_a_task_whose_number_was_blocked_meanwhile_calls_nobody(self, outbox: Outbox) -> None:
        attempt = requested()
        Phone.objects.all().block(now=timezone.now())
        assert dial(attempt).status == AttemptStatus.REJECTED
        assert not outbox

    def test_a_task_whose_call_was_purged_meanwhile_does_nothing(self, outbox: Outbox) -> None:
        attempt = requested()
        Verification.objects.all().delete()
        dialing.dial(attempt.pk)
        assert not outbox


class TestBusyProvider:
    def test_a_call_beyond_the_concurrent_calls_costs_nothing(
        self, flashcall: Any, outbox: Outbox
    ) -> None:
        flashcall(CONCURRENT_CALLS=1)
        with breaker.slot(Channel.FLASH_CALL):
            attempt = dial(requested())
        assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")
        assert attempt.spent == 0
        assert not outbox

    def test_a_provider_that_fails_again_and_again_is_left_alone(self, script: Any) -> None:
        script(OutcomeUnknown("ReadTimeout"))
        # The scripted provider looks for the one attempt that there is.
        for _ in range(breaker.MAX_FAILURES):
            assert dial(requested()).status == AttemptStatus.UNKNOWN
            Phone.objects.all().delete()
        assert dial(requested()).error_code == "not_sent"
        assert len(seen) == breaker.MAX_FAILURES

    def test_a_decoy_beyond_the_concurrent_calls_fails_as_a_call_does(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=1)
        with breaker.slot(Channel.FLASH_CALL):
            attempt = dial(requested(verification__is_decoy=True))
        assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")

    def test_a_decoy_during_a_pause_fails_as_a_call_does(self, script: Any) -> None:
        script(OutcomeUnknown("ReadTimeout"))
        for _ in range(breaker.MAX_FAILURES):
            dial(requested())
            Phone.objects.all().delete()
        assert dial(requested(verification__is_decoy=True)).error_code == "not_sent"

    def test_a_provider_that_recovers_is_called_though_only_decoys_are_asked_for(
        self, script: Any, clock: Clock
    ) -> None:
        script(Answer(id="1", code="1234"))
        dial(requested())  # at once, so that no decoy waits
        Phone.objects.all().delete()
        script(OutcomeUnknown("ReadTimeout"))
        for _ in range(breaker.MAX_FAILURES):
            dial(requested())
            Phone.objects.all().delete()
        script(Answer(id="1", code="1234"))
        while timezone.now() < NOON + timedelta(seconds=FAILED_FOR) + 2 * breaker.PAUSE:
            clock.shift(breaker.PAUSE)
            dial(requested(verification__is_decoy=True))
            Phone.objects.all().delete()
        assert dial(requested()).status == AttemptStatus.ACCEPTED
