"""One request for each attempt, and a record of it whatever comes."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import InternalError, connection, transaction
from django.utils import timezone

from django_flashcall import services, signals
from django_flashcall.calls import dialing
from django_flashcall.choices import AttemptStatus, Channel, VerificationStatus
from django_flashcall.codes import matches
from django_flashcall.exceptions import NotSent, OutcomeUnknown, ProviderRefused, TransactionOpen
from django_flashcall.limits import breaker
from django_flashcall.models import Phone, Usage, Verification, VerificationAttempt
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import Delivery, LocMemProvider
from django_flashcall.visitors.visitor import Visitor

from .factories import AttemptFactory, PriceFactory, UsageFactory, VerificationFactory

pytestmark = pytest.mark.django_db

NUMBER = "+79991234567"
NOON = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 3, 21, 0, tzinfo=UTC)  # in Moscow
SECRET = "the-api-key-of-the-site"


#: The attempt, as the database knew it while the provider was asked.
seen: list[VerificationAttempt] = []


class ScriptedProvider(LocMemProvider):
    """Answers, or raises, what the test has put into ``outcome``."""

    outcome: Answer | Exception

    def _deliver(self, channel: Channel, number: str, *, code: str) -> Answer:
        super()._deliver(channel, number, code=code)
        seen.append(VerificationAttempt.objects.get())
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def script(flashcall: Any) -> Any:
    """Return a function that decides what the provider does."""
    seen.clear()
    flashcall(PROVIDER="tests.test_dialing.ScriptedProvider")

    def decide(outcome: Answer | Exception) -> None:
        ScriptedProvider.outcome = outcome

    yield decide
    del ScriptedProvider.outcome


def requested(**kwargs: Any) -> VerificationAttempt:
    """Return an attempt that nobody has dialled."""
    row: dict[str, Any] = {
        "verification__phone__number": NUMBER,
        "status": AttemptStatus.REQUESTED,
        "sent_at": None,
        "provider_id": "",
        "price": None,
        "code": "",
        "reserved": Decimal("0.50"),
    }
    attempt: VerificationAttempt = AttemptFactory(**row | kwargs)
    return attempt


def dial(attempt: VerificationAttempt) -> VerificationAttempt:
    """Dial ``attempt`` and return what the database knows of it then."""
    dialing.dial(attempt.pk)
    attempt.refresh_from_db()
    return attempt


def test_an_accepted_call_is_recorded_with_its_price_and_code(outbox: list[Delivery]) -> None:
    attempt = dial(requested())
    assert attempt.status == AttemptStatus.ACCEPTED
    assert (attempt.provider_id, attempt.price) == (outbox[0].id, Decimal("0.35"))
    key = attempt.verification.key
    assert matches([outbox[0].code], [attempt.code_digest], number=NUMBER, key=key)
    assert attempt.sent_at and attempt.answered_at


@pytest.mark.parametrize("channel", [Channel.FLASH_CALL, Channel.VOICE])
def test_a_rejected_call_gives_its_reservation_back(channel: str, flashcall: Any) -> None:
    UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
    flashcall(OPTIONS={"error_code": "number_not_valid"})
    with time_machine.travel(NOON, tick=False):
        attempt = dial(requested(channel=channel))
    assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "number_not_valid")
    assert (attempt.reserved, attempt.code_digest) == (Decimal(0), "")
    assert Usage.objects.get().spent == Decimal(0)


def test_a_request_that_never_left_is_rejected_and_costs_nothing(script: Any) -> None:
    UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
    script(NotSent("no route"))
    with time_machine.travel(NOON, tick=False):
        attempt = dial(requested())
    assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")
    assert Usage.objects.get().spent == Decimal(0)


def test_a_lost_answer_is_unknown_and_stays_spent(script: Any) -> None:
    UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
    script(OutcomeUnknown("time-out"))
    with time_machine.travel(NOON, tick=False):
        attempt = dial(requested())
    assert (attempt.status, attempt.error_code) == (AttemptStatus.UNKNOWN, "")
    assert (attempt.reserved, attempt.cost) == (Decimal("0.50"), Decimal("0.50"))
    assert Usage.objects.get().spent == Decimal("0.50")


def test_a_code_of_ours_is_kept_before_the_request_is_sent(
    script: Any, outbox: list[Delivery]
) -> None:
    script(OutcomeUnknown("time-out"))
    dial(requested(channel=Channel.VOICE))
    (before,) = seen
    assert before.status == AttemptStatus.REQUESTED
    assert before.sent_at is not None
    assert len(before.code_digest) == 64


def test_a_code_of_ours_can_be_checked_though_the_answer_was_lost(
    script: Any, outbox: list[Delivery], visitor: Visitor
) -> None:
    script(OutcomeUnknown("time-out"))
    attempt = dial(requested(channel=Channel.VOICE))
    assert attempt.status == AttemptStatus.UNKNOWN
    approved = services.check_code(attempt.verification, outbox[0].code, visitor=visitor)
    assert approved.status == VerificationStatus.APPROVED


def test_a_code_of_the_provider_is_lost_with_its_answer(script: Any) -> None:
    script(OutcomeUnknown("time-out"))
    assert dial(requested()).code_digest == ""


def test_a_task_that_is_delivered_twice_dials_once(outbox: list[Delivery]) -> None:
    attempt = requested()
    dial(attempt)
    dial(attempt)
    assert len(outbox) == 1


@pytest.mark.parametrize(
    "status", [AttemptStatus.ACCEPTED, AttemptStatus.REJECTED, AttemptStatus.UNKNOWN]
)
def test_what_is_known_already_is_not_dialled(status: str, outbox: list[Delivery]) -> None:
    dial(requested(status=status))
    assert not outbox


def test_a_call_that_comes_too_late_for_its_code_is_not_placed(outbox: list[Delivery]) -> None:
    attempt = requested(
        verification__created_at=NOON, created_at=NOON, expires_at=NOON + timedelta(minutes=5)
    )
    with time_machine.travel(NOON + timedelta(minutes=5), tick=False):
        dial(attempt)
    assert not outbox


def test_a_call_for_a_canceled_verification_is_not_placed(outbox: list[Delivery]) -> None:
    verification = VerificationFactory(status=VerificationStatus.CANCELED)
    dial(requested(verification=verification))
    assert not outbox


def test_a_call_inside_a_transaction_is_refused_before_it_is_placed(
    outbox: list[Delivery],
) -> None:
    attempt = requested()
    with transaction.atomic(), pytest.raises(TransactionOpen):
        dialing.dial(attempt.pk)
    assert not outbox


def test_a_call_is_settled_on_the_day_it_was_reserved() -> None:
    evening = datetime(2026, 3, 4, 20, 59, 50, tzinfo=UTC)
    yesterday = UsageFactory(since=MIDNIGHT, units=5000)
    today = UsageFactory(since=MIDNIGHT + timedelta(days=1), units=0)
    attempt = requested(verification__created_at=evening, created_at=evening)
    with time_machine.travel(evening + timedelta(seconds=20), tick=False):
        dial(attempt)
    yesterday.refresh_from_db()
    today.refresh_from_db()
    assert (yesterday.units, today.units) == (3500, 0)


def test_an_answer_that_cannot_be_kept_is_logged_for_the_accounts(
    caplog: pytest.LogCaptureFixture, outbox: list[Delivery]
) -> None:
    attempt = requested()

    def read_only(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and "provider_id" in sql:
            raise InternalError("cannot execute UPDATE in a read-only transaction")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(read_only):
        dialing.dial(attempt.pk)

    assert f"answer not recorded: InternalError id={outbox[0].id} price=0.35" in caplog.text
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.REQUESTED


def test_an_answer_without_a_price_keeps_the_reservation_and_is_reported(
    script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
    script(Answer(id="7", code="1234"))
    with time_machine.travel(NOON, tick=False):
        attempt = dial(requested())
    assert (attempt.status, attempt.price) == (AttemptStatus.ACCEPTED, None)
    assert Usage.objects.get().spent == Decimal("0.50")
    assert [line.levelno for line in caplog.records] == [logging.WARNING]


def test_a_mistake_in_a_provider_is_unknown_and_tells_no_secret(
    script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    script(ValueError(f"{SECRET} {NUMBER} 1234"))
    attempt = dial(requested())
    assert attempt.status == AttemptStatus.UNKNOWN
    assert "reason=ValueError" in caplog.text
    assert SECRET not in caplog.text
    assert NUMBER not in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        Answer(id="x" * 65, price=Decimal("0.35"), code="1234"),
        Answer(id="7", price=Decimal("-0.35"), code="1234"),
        Answer(id="7", price=Decimal("NaN"), code="1234"),
        Answer(id="7", price=Decimal("1e12"), code="1234"),
        ProviderRefused("x" * 65),
    ],
    ids=["long-id", "negative-price", "no-number", "huge-price", "long-error"],
)
def test_an_odd_answer_of_a_provider_raises_nothing(
    answer: Answer | Exception, script: Any
) -> None:
    script(answer)
    assert dial(requested()).status != AttemptStatus.REQUESTED


class SweptProvider(LocMemProvider):
    """Answers so late that the sweep came first."""

    def _deliver(self, channel: Channel, number: str, *, code: str) -> Answer:
        answer = super()._deliver(channel, number, code=code)
        VerificationAttempt.objects.update(sent_at=NOON - timedelta(days=1))
        assert services.sweep_attempts() == 1
        return answer


def test_a_call_that_is_answered_after_the_sweep_can_be_checked_and_is_billed(
    flashcall: Any, outbox: list[Delivery], visitor: Visitor
) -> None:
    flashcall(PROVIDER="tests.test_dialing.SweptProvider")
    attempt = dial(requested())
    assert (attempt.status, attempt.price) == (AttemptStatus.ACCEPTED, Decimal("0.35"))
    assert services.check_code(attempt.verification, outbox[0].code, visitor=visitor).approved_at


def test_an_outcome_is_told_to_listeners() -> None:
    told: list[str] = []

    def listen(*, attempt: VerificationAttempt, **kwargs: Any) -> None:
        told.append(attempt.status)

    signals.attempt_finished.connect(listen)
    try:
        attempt = requested()
        dial(attempt)
        dial(attempt)
    finally:
        signals.attempt_finished.disconnect(listen)
    assert told == [AttemptStatus.ACCEPTED]


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Answer(id="7", price=Decimal("0.35"), code="1234"), logging.INFO),
        (ProviderRefused("number_not_valid"), logging.INFO),
        (ProviderRefused("not_enough_money"), logging.ERROR),
        (NotSent("refused"), logging.ERROR),
        (OutcomeUnknown("time-out"), logging.ERROR),
    ],
    ids=["accepted", "bad-number", "no-money", "not-sent", "unknown"],
)
def test_one_line_is_logged_with_a_masked_number(
    outcome: Answer | Exception, level: int, script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    script(outcome)
    dial(requested())
    (line,) = [line for line in caplog.records if line.name == "django_flashcall.calls.outcomes"]
    assert line.levelno == level
    _, told = line.message.split(" ", 1)  # without the attempt's id
    assert "number=+7••••••••67" in told
    assert "999" not in told
    assert "1234" not in told


@pytest.mark.parametrize("code", ["", "123", "12345", "12a4", "١٢٣٤", "1234\n"])
def test_an_answer_without_a_code_that_could_be_typed_is_unknown(script: Any, code: str) -> None:
    script(Answer(id="7", price=Decimal("0.35"), code=code))
    attempt = dial(requested())
    assert attempt.status == AttemptStatus.UNKNOWN
    assert attempt.code_digest == ""
    assert attempt.cost == Decimal("0.50")


def test_a_call_for_which_no_line_is_free_costs_nothing(
    flashcall: Any, outbox: list[Delivery]
) -> None:
    flashcall(CONCURRENT_CALLS=1)
    with breaker.slot(Channel.FLASH_CALL):
        attempt = dial(requested())
    assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")
    assert attempt.cost == 0
    assert not outbox


def test_a_provider_that_fails_again_and_again_is_left_alone(script: Any) -> None:
    script(OutcomeUnknown("ReadTimeout"))
    # The scripted provider looks for the one attempt that there is.
    for _ in range(breaker.MAX_FAILURES):
        assert dial(requested()).status == AttemptStatus.UNKNOWN
        Phone.objects.all().delete()
    assert dial(requested()).error_code == "not_sent"
    assert len(seen) == breaker.MAX_FAILURES


def test_a_task_whose_number_was_forbidden_meanwhile_calls_nobody(outbox: list[Delivery]) -> None:
    attempt = requested()
    PriceFactory(prefix="", allowed=False, valid_from=NOON)
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        dial(attempt)
    assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")
    assert attempt.cost == 0
    assert not outbox


def test_a_task_whose_number_was_blocked_meanwhile_calls_nobody(outbox: list[Delivery]) -> None:
    attempt = requested()
    Phone.objects.all().block(now=timezone.now())
    assert dial(attempt).status == AttemptStatus.REJECTED
    assert not outbox


def test_a_task_whose_call_was_purged_meanwhile_does_nothing(outbox: list[Delivery]) -> None:
    attempt = requested()
    Verification.objects.all().delete()
    dialing.dial(attempt.pk)
    assert not outbox


def test_a_decoy_for_which_no_line_is_free_fails_as_a_call_does(flashcall: Any) -> None:
    flashcall(CONCURRENT_CALLS=1)
    with breaker.slot(Channel.FLASH_CALL):
        attempt = dial(requested(verification__is_decoy=True))
    assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")


def test_a_decoy_during_a_pause_fails_as_a_call_does(script: Any) -> None:
    script(OutcomeUnknown("ReadTimeout"))
    for _ in range(breaker.MAX_FAILURES):
        dial(requested())
        Phone.objects.all().delete()
    assert dial(requested(verification__is_decoy=True)).error_code == "not_sent"
