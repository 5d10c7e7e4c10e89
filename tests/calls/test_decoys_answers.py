"""The public verbs, each rule of a verification's life by its own test."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache

from django_flashcall import codes, services
from django_flashcall.calls import channels, decoys
from django_flashcall.calls.dialing import dial
from django_flashcall.calls.outcomes import Outcome, conclude
from django_flashcall.choices import AttemptStatus, Channel, Purpose
from django_flashcall.exceptions import (
    LimitReached,
    NotSent,
    OutcomeUnknown,
    ProviderError,
)
from django_flashcall.models import Phone, Usage
from django_flashcall.visitors.visitor import Visitor
from tests.constants import NOON, NUMBER, OTHER, Clock, Outbox
from tests.factories import PriceFactory, UserFactory
from tests.logins import known_number, other_than, start

pytestmark = pytest.mark.django_db


def answers(number: str, clock: Clock, outbox: Outbox) -> list[object]:
    """Return what a visitor sees of a login by ``number``, wrong codes and resends included."""
    visitor = Visitor(address="203.0.113.7")
    verification = start(number, key=uuid4())
    told: list[object] = [verification.status, channels.available_channels(verification)]
    told.append([(row.status, row.channel, row.error_code) for row in verification.attempts.all()])
    wrong = other_than(*outbox)
    for text in ("12a4", "12345", wrong, wrong):
        told.append(_refusal(services.check_code, verification, text, visitor=visitor))
    told.append(_refusal(services.resend, verification, visitor=visitor))
    for seconds in (60, 120, 180):
        clock.shift(timedelta(seconds=seconds))
        told.append(_refusal(services.resend, verification, visitor=visitor))
        told.append(channels.available_channels(verification))
    told += [(row.status, row.channel, row.code_length) for row in verification.attempts.all()]
    for _ in range(2):
        wrong = other_than(*outbox)
        told.append(_refusal(services.check_code, verification, wrong, visitor=visitor))
    verification.refresh_from_db()
    return [*told, verification.checks_left, verification.attempts_left]


def _refusal(verb: Any, *args: Any, **kwargs: Any) -> object:
    try:
        verb(*args, **kwargs)
    except Exception as error:
        return type(error), str(error), getattr(error, "code", None)
    return None


def dial_later(attempt_id: int) -> None:
    """Leave the attempt in a queue."""


class TestDecoys:
    def test_answers_like_a_real_verification(
        self, flashcall: Any, clock: Clock, outbox: Outbox
    ) -> None:
        flashcall(SIGN_UP=False)
        real = answers(known_number(), clock, outbox)
        clock.move_to(NOON)
        decoy = answers(OTHER, clock, outbox)
        assert real == decoy

    def test_answers_alike_if_the_provider_names_no_ids(
        self, flashcall: Any, clock: Clock, outbox: Outbox
    ) -> None:
        flashcall(SIGN_UP=False, PROVIDER="tests.doubles.NamelessProvider")
        decoys.past_calls.clear()
        cache.clear()
        real = answers(known_number(), clock, outbox)
        clock.move_to(NOON)
        decoy = answers(OTHER, clock, outbox)
        assert real == decoy

    @pytest.mark.parametrize(
        "purpose", [Purpose.LOGIN, "".join(["log", "in"])], ids=["ours", "text"]
    )
    def test_calls_nobody_and_is_settled_at_nothing(
        self, purpose: str, flashcall: Any, outbox: Outbox
    ) -> None:
        flashcall(SIGN_UP=False)
        PriceFactory(amount=Decimal("0.50"))
        verification = start(purpose=purpose)
        attempt = verification.attempts.get()
        assert verification.is_decoy
        assert not outbox
        assert (attempt.reserved, attempt.spent) == (Decimal("0.50"), Decimal(0))
        assert Usage.objects.get(scope="").units == 0

    def test_that_fails_sounds_no_alarm_of_its_own(
        self, flashcall: Any, clock: Clock, warnings_sent: list[str]
    ) -> None:
        flashcall(SIGN_UP=False, OPTIONS={"error_code": "not_enough_money"})
        decoys.past_calls.clear()
        cache.clear()
        start(known_number())
        clock.shift(timedelta(minutes=30))
        attempts = (start(f"+7905123{turn:04}").attempts.get() for turn in range(30))
        assert "not_enough_money" in (attempt.error_code for attempt in attempts)
        assert len(warnings_sent) == 1

    def test_is_refused_like_a_call(self, flashcall: Any) -> None:
        flashcall(SIGN_UP=False, DAILY_SPEND=Decimal("0.40"))
        PriceFactory(amount=Decimal("0.50"))
        with pytest.raises(LimitReached):
            start()
        assert Usage.objects.get(scope="").units == 0

    @pytest.mark.parametrize("error", [OutcomeUnknown("lost"), NotSent("refused")])
    def test_that_fails_is_settled_at_nothing(self, flashcall: Any, error: ProviderError) -> None:
        flashcall(SIGN_UP=False)
        PriceFactory(amount=Decimal("0.50"))
        for _ in range(5):
            decoys.remember(Channel.FLASH_CALL, seconds=0, error=error)
        attempts = (start(f"+7905123{turn:04}").attempts.get() for turn in range(30))
        attempt = next(one for one in attempts if one.status == error.status)
        assert attempt.spent == 0
        assert Usage.objects.get(scope="").units == 0

    def test_that_is_swept_is_settled_at_nothing_and_once(
        self, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(SIGN_UP=False, DIALER=f"{__name__}.dial_later")
        PriceFactory(amount=Decimal("0.50"))
        attempt = start().attempts.get()
        assert Usage.objects.get(scope="").spent == Decimal("0.50")
        clock.shift(timedelta(minutes=6))
        assert services.sweep_attempts() == 1
        attempt.refresh_from_db()
        assert (attempt.status, attempt.spent) == (AttemptStatus.UNKNOWN, 0)
        assert Usage.objects.get(scope="").units == 0

    def test_that_is_answered_late_is_recorded_like_a_call_and_settled_once(
        self, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(SIGN_UP=False, DIALER=f"{__name__}.dial_later")
        PriceFactory(amount=Decimal("0.50"))
        attempt = start().attempts.get()
        clock.shift(timedelta(minutes=6))
        services.sweep_attempts()
        assert conclude(attempt, Outcome(status=AttemptStatus.ACCEPTED, code="x"))
        attempt.refresh_from_db()
        assert attempt.status == AttemptStatus.ACCEPTED
        assert Usage.objects.get(scope="").units == 0

    def test_that_a_queue_delivers_after_the_sweep_is_not_settled_again(
        self, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(SIGN_UP=False, DIALER=f"{__name__}.dial_later")
        PriceFactory(amount=Decimal("0.50"))
        attempt = start().attempts.get()
        clock.shift(timedelta(minutes=6))
        services.sweep_attempts()
        Phone.objects.update(blocked_at=NOON)
        dial(attempt.pk)
        assert Usage.objects.get(scope="").units == 0

    def test_opens_with_no_code(self, flashcall: Any) -> None:
        flashcall(SIGN_UP=False)
        verification = start()
        attempt = verification.attempts.get()
        every = (f"{code:04}" for code in range(10_000))
        digests = [attempt.code_digest]
        assert not codes.matches(every, digests, number=NUMBER, key=verification.key)

    def test_answers_like_a_call_that_waits_in_the_queue(
        self, flashcall: Any, queued: list[int]
    ) -> None:
        flashcall(SIGN_UP=False)
        real, decoy = start(known_number()), start(OTHER)
        for verification in (real, decoy):
            verification.refresh_from_db()
        assert channels.available_channels(real) == channels.available_channels(decoy)
        assert real.attempts.get().status == decoy.attempts.get().status

    def test_stays_one_though_its_number_gets_a_user_meanwhile(
        self,
        flashcall: Any,
        clock: Clock,
        visitor: Visitor,
        outbox: Outbox,
    ) -> None:
        flashcall(SIGN_UP=False)
        verification = start()
        Phone.objects.update(user=UserFactory())
        clock.shift(timedelta(minutes=1))
        services.resend(verification, visitor=visitor)
        assert not outbox

    def test_with_sign_up_off_a_known_number_is_called(
        self, flashcall: Any, outbox: Outbox
    ) -> None:
        flashcall(SIGN_UP=False)
        assert not start(known_number()).is_decoy
        assert len(outbox) == 1

    def test_with_sign_up_off_an_unknown_number_may_still_be_confirmed(
        self, flashcall: Any, outbox: Outbox
    ) -> None:
        flashcall(SIGN_UP=False)
        assert not start(purpose=Purpose.CONFIRM).is_decoy
        assert len(outbox) == 1
