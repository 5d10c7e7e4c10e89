"""Asking for another call of a verification."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_flashcall import services
from django_flashcall.choices import Channel
from django_flashcall.exceptions import (
    AttemptsExhausted,
    ChannelUnavailable,
    CooldownActive,
    NumberBlocked,
    ProviderBusy,
    VerificationEnded,
    WrongCode,
)
from django_flashcall.limits import breaker
from django_flashcall.models import Phone, Verification
from django_flashcall.visitors.visitor import Visitor
from tests.constants import NOON, Clock, Outbox
from tests.factories import PriceFactory, UserFactory
from tests.logins import other_than, start

pytestmark = pytest.mark.django_db


class TestResending:
    def test_while_the_provider_is_busy_costs_no_attempt(
        self, clock: Clock, flashcall: Any, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=2))
        flashcall(CONCURRENT_CALLS=1)
        with breaker.slot(Channel.FLASH_CALL), pytest.raises(ProviderBusy):
            services.resend(verification, visitor=visitor)
        verification.refresh_from_db()
        assert verification.attempt_count == 1
        services.resend(verification, visitor=visitor)

    def test_an_sms_carries_the_code_of_the_first_accepted_call(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(seconds=60))
        attempt = services.resend(verification, visitor=visitor, channel=Channel.SMS)
        attempt.refresh_from_db()
        assert attempt.call_id == outbox[0].id
        assert outbox[1].code == outbox[0].code
        assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at

    def test_waits_for_the_cooldown_and_costs_no_attempt_until_then(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        with pytest.raises(CooldownActive):
            services.resend(verification, visitor=visitor)
        verification.refresh_from_db()
        assert verification.attempt_count == 1
        assert len(outbox) == 1

    def test_to_a_blocked_number_is_refused(self, clock: Clock, visitor: Visitor) -> None:
        verification = start()
        Phone.objects.all().block(now=NOON)
        clock.shift(timedelta(minutes=1))
        with pytest.raises(NumberBlocked):
            services.resend(verification, visitor=visitor)

    def test_the_kill_switch_holds_for_a_resend(
        self, clock: Clock, visitor: Visitor, outbox: Outbox
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=1))
        PriceFactory(prefix="", allowed=False)
        with pytest.raises(ChannelUnavailable):
            services.resend(verification, visitor=visitor)
        assert len(outbox) == 1

    def test_is_possible_until_the_attempts_are_used(
        self, clock: Clock, flashcall: Any, visitor: Visitor, outbox: Outbox
    ) -> None:
        flashcall(MAX_ATTEMPTS=2)
        verification = start()
        clock.shift(timedelta(seconds=60))
        services.resend(verification, visitor=visitor)
        clock.shift(timedelta(seconds=120))
        with pytest.raises(AttemptsExhausted):
            services.resend(verification, visitor=visitor)
        assert len(outbox) == 2

    def test_gives_back_no_checks(self, clock: Clock, visitor: Visitor, outbox: Outbox) -> None:
        verification = start()
        with pytest.raises(WrongCode):
            services.check_code(verification, other_than(*outbox), visitor=visitor)
        clock.shift(timedelta(seconds=60))
        services.resend(verification, visitor=visitor)
        verification.refresh_from_db()
        assert (verification.checks, verification.max_checks) == (1, 3)

    def test_by_another_user_is_refused(self, clock: Clock, outbox: Outbox) -> None:
        verification = start(visitor=Visitor(user=UserFactory()))
        clock.shift(timedelta(minutes=1))
        for stranger in (Visitor(), Visitor(user=UserFactory())):
            with pytest.raises(VerificationEnded):
                services.resend(verification, visitor=stranger)
        assert len(outbox) == 1

    def test_of_what_was_purged_meanwhile_is_over(self, clock: Clock, visitor: Visitor) -> None:
        verification = Verification.objects.get(pk=start().pk)
        Phone.objects.filter(pk=verification.phone_id).delete()
        with pytest.raises(VerificationEnded):
            services.resend(verification, visitor=visitor, channel=Channel.VOICE)
