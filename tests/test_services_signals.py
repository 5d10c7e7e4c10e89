"""Transactions of callers, queues, and the signals that are sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.dispatch import Signal
from django.test import RequestFactory

from django_flashcall import services, signals
from django_flashcall.calls import dialing
from django_flashcall.choices import AttemptStatus, Purpose, VerificationStatus
from django_flashcall.exceptions import (
    TransactionOpen,
    WrongCode,
)
from django_flashcall.models import Phone, Usage, Verification
from django_flashcall.visitors.visitor import Visitor
from tests.constants import OTHER, Clock, Outbox
from tests.logins import other_than, start

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """Return what all signals said, in order."""
    said: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        said.append(kwargs)

    for signal in ALL_SIGNALS:
        signal.connect(listen)
    yield said
    for signal in ALL_SIGNALS:
        signal.disconnect(listen)


ALL_SIGNALS: list[Signal] = [
    signals.verification_started,
    signals.attempt_finished,
    signals.code_rejected,
    signals.verification_approved,
    signals.verification_canceled,
    user_login_failed,
]


class TestQueues:
    def test_a_queue_dials_later(self, queued: list[int], outbox: Outbox, visitor: Visitor) -> None:
        verification = start()
        assert verification.attempts.get().status == AttemptStatus.REQUESTED
        assert not outbox
        dialing.dial(queued[0])
        assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at

    def test_the_same_key_is_the_same_verification_while_it_is_queued(
        self, queued: list[int]
    ) -> None:
        key = uuid4()
        assert start(key=key) == start(key=key)
        assert len(queued) == 1


class TestTransactions:
    @pytest.mark.parametrize("is_known", [True, False])
    def test_a_start_inside_a_transaction_is_refused_before_any_insert(
        self, is_known: bool, outbox: Outbox
    ) -> None:
        if is_known:
            start()
        counts = [model.objects.count() for model in (Phone, Verification, Usage)]
        calls = len(outbox)
        with transaction.atomic(), pytest.raises(TransactionOpen, match="non_atomic_requests"):
            start()
        assert [model.objects.count() for model in (Phone, Verification, Usage)] == counts
        assert len(outbox) == calls

    def test_a_check_inside_a_transaction_is_refused(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        with transaction.atomic(), pytest.raises(TransactionOpen):
            services.check_code(verification, outbox[0].code, visitor=visitor)
        verification.refresh_from_db()
        assert (verification.status, verification.checks) == (VerificationStatus.PENDING, 0)

    def test_a_resend_inside_a_transaction_is_refused(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=1))
        with transaction.atomic(), pytest.raises(TransactionOpen):
            services.resend(verification, visitor=visitor)
        assert len(outbox) == 1

    def test_a_cancellation_inside_a_transaction_is_refused(self) -> None:
        verification = start()
        with transaction.atomic(), pytest.raises(TransactionOpen):
            services.cancel(verification)


class TestSignals:
    def test_a_login_sends_its_signals_in_order(
        self, heard: list[dict[str, Any]], outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        services.check_code(verification, outbox[0].code, visitor=visitor)
        told = [said["signal"] for said in heard]
        assert told == [
            signals.verification_started,
            signals.attempt_finished,
            signals.verification_approved,
        ]
        assert heard[0]["verification"] == verification
        assert heard[1]["attempt"].status == AttemptStatus.ACCEPTED

    def test_the_same_key_again_sends_its_signals_once(self, heard: list[dict[str, Any]]) -> None:
        key = uuid4()
        start(key=key)
        start(key=key)
        started = [said for said in heard if said["signal"] is signals.verification_started]
        assert len(started) == 1

    def test_a_wrong_code_is_a_failed_login_with_a_masked_number(
        self, heard: list[dict[str, Any]], outbox: Outbox
    ) -> None:
        request = RequestFactory().post("/")
        verification = start()
        heard.clear()
        with pytest.raises(WrongCode):
            services.check_code(verification, other_than(*outbox), visitor=Visitor(request=request))
        rejected, failed = heard
        assert (rejected["signal"], rejected["checks_left"]) == (signals.code_rejected, 2)
        assert failed["signal"] is user_login_failed
        assert failed["credentials"] == {"number": "+7••••••••67"}
        assert failed["request"] is request

    @pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.SECOND_STEP])
    def test_a_wrong_code_of_another_purpose_is_no_failed_login(
        self, purpose: str, heard: list[dict[str, Any]], outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start(purpose=purpose)
        with pytest.raises(WrongCode):
            services.check_code(verification, other_than(*outbox), visitor=visitor)
        assert user_login_failed not in [said["signal"] for said in heard]

    def test_a_cancellation_sends_its_signal_once(self, heard: list[dict[str, Any]]) -> None:
        verification = start()
        heard.clear()
        for _ in range(2):
            services.cancel(verification)
            assert [said["signal"] for said in heard] == [signals.verification_canceled]

    def test_a_resend_sends_its_signal_when_its_call_is_placed(
        self, heard: list[dict[str, Any]], clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=1))
        heard.clear()
        attempt = services.resend(verification, visitor=visitor)
        finished = [said for said in heard if said["signal"] is signals.attempt_finished]
        assert [said["attempt"] for said in finished] == [attempt]

    def test_receivers_that_fail_break_nothing(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        def fail(**kwargs: Any) -> None:
            raise LookupError("a mistake in the site")

        for signal in ALL_SIGNALS:
            signal.connect(fail)
        try:
            verification = start()
            with pytest.raises(WrongCode):
                services.check_code(verification, other_than(*outbox), visitor=visitor)
            assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at
            assert services.cancel(start(OTHER)) is True
        finally:
            for signal in ALL_SIGNALS:
                signal.disconnect(fail)
