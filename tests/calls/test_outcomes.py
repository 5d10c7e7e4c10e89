"""What an answer of the provider, or its error, becomes."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import InternalError, connection

from django_flashcall import services, signals
from django_flashcall.calls import dialing
from django_flashcall.choices import AttemptStatus, Channel
from django_flashcall.codes import matches
from django_flashcall.exceptions import NotSent, OutcomeUnknown, ProviderRefused
from django_flashcall.models import Usage, VerificationAttempt
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import LocMemProvider
from django_flashcall.visitors.visitor import Visitor
from tests.calls.scripted import dial, requested
from tests.constants import MIDNIGHT, NOON, NUMBER, Outbox
from tests.factories import UsageFactory

pytestmark = pytest.mark.django_db


SECRET = "the-api-key-of-the-site"


class SweptProvider(LocMemProvider):
    """Answers so late that the sweep came first."""

    def _deliver(self, channel: Channel, number: str, *, code: str) -> Answer:
        answer = super()._deliver(channel, number, code=code)
        VerificationAttempt.objects.update(sent_at=NOON - timedelta(days=1))
        assert services.sweep_attempts() == 1
        return answer


class TestAnswers:
    def test_an_accepted_call_is_recorded_with_its_price_and_code(self, outbox: Outbox) -> None:
        attempt = dial(requested())
        assert attempt.status == AttemptStatus.ACCEPTED
        assert (attempt.provider_id, attempt.price) == (outbox[0].id, Decimal("0.35"))
        key = attempt.verification.key
        assert matches([outbox[0].code], [attempt.code_digest], number=NUMBER, key=key)
        assert attempt.sent_at and attempt.answered_at

    @pytest.mark.parametrize("channel", [Channel.FLASH_CALL, Channel.VOICE])
    def test_a_rejected_call_gives_its_reservation_back(self, channel: str, flashcall: Any) -> None:
        UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
        flashcall(OPTIONS={"error_code": "number_not_valid"})
        with time_machine.travel(NOON, tick=False):
            attempt = dial(requested(channel=channel))
        assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "number_not_valid")
        assert (attempt.reserved, attempt.code_digest) == (Decimal(0), "")
        assert Usage.objects.get().spent == Decimal(0)

    @pytest.mark.parametrize("text", [f"bad number {NUMBER[1:]}", f"no route to {NUMBER}"])
    def test_a_number_in_an_error_of_the_provider_is_neither_kept_nor_logged(
        self, text: str, script: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        script(ProviderRefused(text))
        attempt = dial(requested())
        assert "7••••••••67" in attempt.error_code
        assert attempt.reason == attempt.error_code
        assert NUMBER[1:] not in f"{attempt.error_code} {caplog.text}"

    def test_a_request_that_never_left_is_rejected_and_costs_nothing(self, script: Any) -> None:
        UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
        script(NotSent("no route"))
        with time_machine.travel(NOON, tick=False):
            attempt = dial(requested())
        assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")
        assert Usage.objects.get().spent == Decimal(0)

    def test_a_lost_answer_is_unknown_and_stays_spent(self, script: Any) -> None:
        UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
        script(OutcomeUnknown("time-out"))
        with time_machine.travel(NOON, tick=False):
            attempt = dial(requested())
        assert (attempt.status, attempt.error_code) == (AttemptStatus.UNKNOWN, "")
        assert (attempt.reserved, attempt.spent) == (Decimal("0.50"), Decimal("0.50"))
        assert Usage.objects.get().spent == Decimal("0.50")

    @pytest.mark.parametrize("code", ["", "123", "12345", "12a4", "١٢٣٤", "1234\n"])
    def test_an_answer_without_a_code_that_could_be_typed_is_unknown(
        self, script: Any, code: str
    ) -> None:
        script(Answer(id="7", price=Decimal("0.35"), code=code))
        attempt = dial(requested())
        assert attempt.status == AttemptStatus.UNKNOWN
        assert attempt.code_digest == ""
        assert (attempt.provider_id, attempt.spent) == ("7", Decimal("0.35"))

    def test_what_an_answer_without_a_code_was_billed_is_settled_and_alarms(
        self, script: Any, warnings_sent: list[str]
    ) -> None:
        day = UsageFactory(since=MIDNIGHT, units=5000)
        script(Answer(id="7", price=Decimal(9999), code=""))
        with time_machine.travel(NOON, tick=False):
            attempt = dial(requested())
        assert (attempt.status, attempt.price) == (AttemptStatus.UNKNOWN, Decimal(9999))
        day.refresh_from_db()
        assert (day.billed, day.spent) == (Decimal(9999), attempt.spent)
        assert any("9999" in text for text in warnings_sent)


class TestSettling:
    def test_a_call_is_settled_on_the_day_it_was_reserved(self) -> None:
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
        self, caplog: pytest.LogCaptureFixture, outbox: Outbox
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
        self, script: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        UsageFactory(since=MIDNIGHT, attempts=1, units=5000)
        script(Answer(id="7", code="1234"))
        with time_machine.travel(NOON, tick=False):
            attempt = dial(requested())
        assert (attempt.status, attempt.price) == (AttemptStatus.ACCEPTED, None)
        assert Usage.objects.get().spent == Decimal("0.50")
        logged = [line for line in caplog.records if line.name.endswith("calls.outcomes")]
        assert [line.levelno for line in logged] == [logging.WARNING]

    def test_a_call_that_is_answered_after_the_sweep_can_be_checked_and_is_billed(
        self, flashcall: Any, outbox: Outbox, visitor: Visitor
    ) -> None:
        flashcall(PROVIDER="tests.calls.test_outcomes.SweptProvider")
        attempt = dial(requested())
        assert (attempt.status, attempt.price) == (AttemptStatus.ACCEPTED, Decimal("0.35"))
        assert services.check_code(
            attempt.verification, outbox[0].code, visitor=visitor
        ).approved_at


class TestMistakes:
    def test_a_mistake_in_a_provider_is_unknown_and_reveals_no_secret(
        self, script: Any, caplog: pytest.LogCaptureFixture
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
        self, answer: Answer | Exception, script: Any
    ) -> None:
        script(answer)
        assert dial(requested()).status != AttemptStatus.REQUESTED


class TestTelling:
    def test_an_outcome_is_sent_to_receivers(self) -> None:
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
        self, outcome: Answer | Exception, level: int, script: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        script(outcome)
        dial(requested())
        (line,) = [
            line for line in caplog.records if line.name == "django_flashcall.calls.outcomes"
        ]
        assert line.levelno == level
        _, told = line.message.split(" ", 1)  # without the attempt's id
        assert "number=+7••••••••67" in told
        assert "999" not in told
        assert "1234" not in told
