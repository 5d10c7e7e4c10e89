"""BEFORE_CALL: what the site's function receives, and what its answer does."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_flashcall import services
from django_flashcall.calls.orders import PlannedCall
from django_flashcall.choices import AttemptStatus, Channel, ErrorCode, Purpose, Verdict
from django_flashcall.exceptions import CallDenied, ChallengeRequired
from django_flashcall.models import Usage, Verification
from tests.constants import NUMBER, VISITOR, Clock, Outbox
from tests.factories import AttemptFactory, PriceFactory, VerificationFactory
from tests.logins import start

pytestmark = pytest.mark.django_db


asked: list[PlannedCall] = []


answer: list[Any] = []


def judge(call: PlannedCall) -> Any:
    """Keep the planned call, and answer as the test decides."""
    asked.append(call)
    assert call.attempts >= 0  # asked of the record when it is asked for, and only then
    return answer[0]


@pytest.fixture(autouse=True)
def hook(flashcall: Any) -> None:
    asked.clear()
    answer[:] = [Verdict.ALLOW]
    flashcall(BEFORE_CALL="tests.calls.test_orders.judge")


class TestBeforeCall:
    def test_receives_what_is_known_of_the_call(self, clock: Clock) -> None:
        PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
        verification = start()
        clock.shift(timedelta(minutes=1))
        services.resend(verification, visitor=VISITOR, channel=Channel.VOICE)
        first, second = asked
        assert first == PlannedCall(
            number=NUMBER,
            region="RU",
            number_type="mobile",
            channel=Channel.FLASH_CALL,
            purpose=Purpose.LOGIN,
            price=Decimal("0.35"),
            visitor=VISITOR,
            verification=None,
            phone_id=verification.phone_id,
            now=first.now,
        )
        assert (second.channel, second.attempts) == (Channel.VOICE, 1)
        assert second.verification == verification
        assert NUMBER not in repr(first)

    @pytest.mark.parametrize(
        ("verdict", "error"),
        [
            (Verdict.DENY, CallDenied),
            (Verdict.CHALLENGE, ChallengeRequired),
            (None, CallDenied),  # whoever forgets to answer allows nothing
            (True, CallDenied),
        ],
    )
    def test_keeps_a_call_from_being_placed(
        self, verdict: Any, error: type[Exception], outbox: Outbox
    ) -> None:
        answer[:] = [verdict]
        with pytest.raises(error):
            start()
        assert not outbox
        assert not Verification.objects.exists()
        assert not Usage.objects.exclude(attempts=0).exists()

    def test_may_ask_for_a_challenge_and_allow_afterwards(
        self, client: Client, outbox: Outbox
    ) -> None:
        answer[:] = [Verdict.CHALLENGE]
        page = client.post("/phone/login/", {"number": NUMBER})
        assert "Please confirm that you are human first." in page.text
        answer[:] = ["allow"]
        client.post("/phone/login/", {"number": NUMBER})
        assert len(outbox) == 1
        request: Any = asked[-1].visitor.request
        assert request.POST["number"] == NUMBER

    def test_keeps_a_resend_from_being_placed(self, clock: Clock, outbox: Outbox) -> None:
        verification = start()
        clock.shift(timedelta(minutes=1))
        answer[:] = [Verdict.DENY]
        with pytest.raises(CallDenied):
            services.resend(verification, visitor=VISITOR)
        verification.refresh_from_db()
        assert verification.attempt_count == len(outbox) == 1

    def test_is_asked_once_where_the_first_channel_is_not_used(self, outbox: Outbox) -> None:
        yesterday = timezone.now() - timedelta(hours=2)
        AttemptFactory(
            verification=VerificationFactory(phone__number=NUMBER, created_at=yesterday),
            created_at=yesterday,
            status=AttemptStatus.REJECTED,
            error_code=ErrorCode.NUMBER_IN_SPAM_LIST,
            code="",
        )
        start()
        assert [call.channel for call in asked] == [Channel.VOICE]
        assert [call.channel for call in outbox] == [Channel.VOICE]
