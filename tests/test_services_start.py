"""Starting a verification: which call is placed, and when none is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from django_flashcall import codes
from django_flashcall.choices import AttemptStatus, Channel, Purpose
from django_flashcall.exceptions import (
    ChannelUnavailable,
    CooldownActive,
    KeyReused,
    NumberBlocked,
    NumberRefused,
    OutcomeUnknown,
    ProviderBusy,
)
from django_flashcall.limits import breaker
from django_flashcall.models import Phone, Usage, Verification
from django_flashcall.visitors.visitor import Visitor
from tests.constants import NOON, NUMBER, OTHER, VISITOR, Clock, Outbox
from tests.factories import PhoneFactory, PriceFactory, UserFactory
from tests.logins import start

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(flashcall: Any) -> Iterator[None]:
    """Take the only concurrent call."""
    flashcall(CONCURRENT_CALLS=1)
    with breaker.slot(Channel.FLASH_CALL):
        yield


class TestStarting:
    def test_calls_the_number_once_and_records_it(self, outbox: Outbox) -> None:
        verification = start("8 (999) 123-45-67")
        attempt = verification.attempts.get()
        assert [(call.number, call.channel) for call in outbox] == [(NUMBER, Channel.FLASH_CALL)]
        assert (attempt.status, attempt.price) == (AttemptStatus.ACCEPTED, Decimal("0.35"))
        assert verification.address == "203.0.113.7"
        assert (verification.checks_left, verification.attempts_left) == (3, 2)

    def test_keeps_the_code_as_a_digest_only(self, outbox: Outbox) -> None:
        verification = start()
        digest = verification.attempts.get().code_digest
        assert len(digest) == 64
        assert codes.matches([outbox[0].code], [digest], number=NUMBER, key=verification.key)

    def test_remembers_who_was_logged_in(self, visitor: Visitor) -> None:
        user = UserFactory()
        verification = start(visitor=Visitor(address="", user=user))
        assert (verification.user, verification.address) == (user, None)

    def test_a_provider_that_refuses_raises_nothing_at_the_start(self, flashcall: Any) -> None:
        flashcall(OPTIONS={"error_code": "not_enough_money"})
        attempt = start().attempts.get()
        assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_enough_money")


class TestKeys:
    def test_the_same_key_again_is_the_same_verification(self, outbox: Outbox) -> None:
        key = uuid4()
        first, second = start(key=key), start("8 999 123 45 67", key=key)
        assert first == second
        assert len(outbox) == 1

    def test_the_same_key_after_the_cooldown_calls_nobody(
        self, outbox: Outbox, clock: Clock
    ) -> None:
        key = uuid4()
        first = start(key=key)
        clock.shift(timedelta(minutes=3))
        assert start(key=key) == first
        assert len(outbox) == 1
        assert Usage.objects.get(scope="").attempts == 1

    def test_the_same_key_on_a_blocked_number_is_the_same_verification(self) -> None:
        key = uuid4()
        first = start(key=key)
        Phone.objects.all().block(now=NOON)
        assert start(key=key) == first

    def test_the_same_key_for_another_number_is_refused_and_calls_nobody(
        self,
        outbox: Outbox,
    ) -> None:
        key = uuid4()
        start(key=key)
        with pytest.raises(KeyReused):
            start(OTHER, key=key)
        assert len(outbox) == 1
        assert Phone.objects.get(number=OTHER).last_attempt_at is None

    def test_the_same_key_for_another_purpose_is_refused(self) -> None:
        key = uuid4()
        start(key=key)
        with pytest.raises(KeyReused):
            start(key=key, purpose=Purpose.CONFIRM)

    def test_starts_without_a_key_are_different_verifications(
        self,
        clock: Clock,
    ) -> None:
        first = start()
        clock.shift(timedelta(minutes=1))
        assert start() != first

    def test_the_key_of_another_browser_does_not_find_its_verification(
        self, outbox: Outbox
    ) -> None:
        key, mine = uuid4(), replace(VISITOR, browser=uuid4())
        first = start(key=key, visitor=mine)
        assert start(key=key, visitor=mine) == first
        for stranger in (VISITOR, replace(VISITOR, browser=uuid4())):
            with pytest.raises(KeyReused):
                start(key=key, visitor=stranger)
        assert len(outbox) == 1

    def test_the_key_of_another_user_does_not_find_their_verification(self) -> None:
        key, browser = uuid4(), uuid4()
        first, second = (
            replace(VISITOR, browser=browser, user=user) for user in UserFactory.create_batch(2)
        )
        start(key=key, visitor=first)
        with pytest.raises(KeyReused):
            start(key=key, visitor=second)


class TestCooldown:
    def test_the_cooldown_grows_with_the_calls_of_a_day(self, clock: Clock) -> None:
        for seconds in (60, 120, 300, 300):
            start()
            clock.shift(timedelta(seconds=seconds - 1))
            with pytest.raises(CooldownActive):
                start()
            clock.shift(timedelta(seconds=1))

    def test_the_cooldown_names_the_moment_when_a_call_is_possible_again(
        self,
        clock: Clock,
    ) -> None:
        start()
        clock.shift(timedelta(seconds=60))
        start()
        clock.shift(timedelta(seconds=61))
        with pytest.raises(CooldownActive) as caught:
            start()
        assert caught.value.retry_at == NOON + timedelta(seconds=60 + 120)

    def test_a_refused_start_does_not_prolong_the_cooldown(self, clock: Clock) -> None:
        start()
        clock.shift(timedelta(seconds=60))
        start()
        clock.shift(timedelta(seconds=119))
        with pytest.raises(CooldownActive):
            start()
        assert Phone.objects.get().last_attempt_at == NOON + timedelta(seconds=60)
        clock.shift(timedelta(seconds=1))
        assert start().pk

    def test_after_a_day_the_shortest_cooldown_holds_again(self, clock: Clock) -> None:
        for seconds in (60, 120, 300):
            start()
            clock.shift(timedelta(seconds=seconds))
        clock.shift(timedelta(days=1))
        start()
        clock.shift(timedelta(seconds=60))
        assert start().pk

    def test_the_cooldown_of_one_number_holds_up_no_other(self, outbox: Outbox) -> None:
        start()
        start(OTHER)
        assert [call.number for call in outbox] == [NUMBER, OTHER]


class TestForbiddenCalls:
    def test_a_blocked_number_is_not_called(self, outbox: Outbox) -> None:
        PhoneFactory(number=NUMBER, blocked_at=NOON)
        with pytest.raises(NumberBlocked) as caught:
            start()
        assert caught.value.retry_at is None
        assert not outbox
        assert not Verification.objects.exists()

    def test_a_number_blocked_during_its_cooldown_is_called_blocked(self) -> None:
        start()
        Phone.objects.all().block(now=NOON)
        with pytest.raises(NumberBlocked):
            start()

    @pytest.mark.parametrize(("stopped", "asked"), [("", None), ("flash_call", "flash_call")])
    def test_the_empty_prefix_stops_calls_at_once(
        self, stopped: str, asked: str | None, outbox: Outbox
    ) -> None:
        PriceFactory(prefix="", channel=stopped, allowed=False)
        with pytest.raises(ChannelUnavailable):
            start(channel=asked)
        assert not outbox
        assert not Phone.objects.exists()

    def test_a_stopped_channel_leaves_the_others(self, outbox: Outbox) -> None:
        PriceFactory(prefix="", channel=Channel.FLASH_CALL, allowed=False)
        start(channel=Channel.VOICE)
        assert [call.channel for call in outbox] == [Channel.VOICE]

    def test_a_forbidden_prefix_is_not_called_though_a_longer_one_is_allowed(
        self,
        outbox: Outbox,
    ) -> None:
        PriceFactory(prefix="+7999", allowed=False)
        PriceFactory(prefix="+7999123", allowed=True)
        with pytest.raises(NumberRefused) as caught:
            start()
        assert caught.value.code == "number_forbidden"
        assert not outbox
        assert not Phone.objects.exists()

    @pytest.mark.parametrize(
        "text", ["", "8-800-FLOWERS", "123", "+1 202 555 0123", "+7 840 123 45 67"]
    )
    def test_a_number_that_may_not_be_called_leaves_no_row(self, text: str, outbox: Outbox) -> None:
        with pytest.raises(NumberRefused):
            start(text)
        assert not outbox
        assert not Phone.objects.exists()


class TestBusyProvider:
    @pytest.mark.usefixtures("busy")
    def test_a_start_while_the_provider_is_busy_leaves_no_row(self, outbox: Outbox) -> None:
        with pytest.raises(ProviderBusy):
            start()
        assert not Phone.objects.exists()
        assert not outbox

    def test_a_start_while_calls_are_paused_leaves_no_row(self, outbox: Outbox) -> None:
        for _ in range(breaker.MAX_FAILURES):
            with pytest.raises(OutcomeUnknown), breaker.slot(Channel.FLASH_CALL):
                raise OutcomeUnknown("ReadTimeout")
        with pytest.raises(ProviderBusy):
            start()
        assert not Phone.objects.exists()
        assert start(channel=Channel.VOICE).attempts.get().channel == Channel.VOICE

    def test_a_busy_provider_reveals_nothing_about_accounts(self, flashcall: Any) -> None:
        """A decoy is refused like any call, though it needs no connection."""
        flashcall(CONCURRENT_CALLS=1, SIGN_UP=False)
        with breaker.slot(Channel.FLASH_CALL), pytest.raises(ProviderBusy):
            start()
        assert start().is_decoy

    def test_the_same_key_finds_its_call_while_the_provider_is_busy(self, flashcall: Any) -> None:
        key = uuid4()
        first = start(key=key)
        flashcall(CONCURRENT_CALLS=1)
        with breaker.slot(Channel.FLASH_CALL):
            assert start(key=key) == first

    @pytest.mark.usefixtures("busy")
    def test_a_form_that_was_refused_can_be_sent_again(
        self, flashcall: Any, outbox: Outbox
    ) -> None:
        key = uuid4()
        with pytest.raises(ProviderBusy):
            start(key=key)
        flashcall(CONCURRENT_CALLS=2)
        assert start(key=key) == start(key=key)
        assert len(outbox) == 1
