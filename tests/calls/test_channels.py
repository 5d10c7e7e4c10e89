"""Channels: which are possible, and which comes next."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_flashcall import services
from django_flashcall.calls import channels
from django_flashcall.choices import AttemptStatus, Channel, ErrorCode
from django_flashcall.exceptions import (
    ChannelSuspended,
    ChannelUnavailable,
)
from django_flashcall.models import Phone, Usage, Verification
from django_flashcall.visitors.visitor import Visitor
from tests.constants import NOON, NUMBER, Clock, Outbox
from tests.factories import AttemptFactory, PhoneFactory, PriceFactory, VerificationFactory
from tests.logins import start

pytestmark = pytest.mark.django_db


class TestStarting:
    def test_who_names_no_channel_is_called_by_the_first_that_is_not_stopped(self) -> None:
        PriceFactory(prefix="", channel=Channel.FLASH_CALL, allowed=False)
        assert start().attempts.get().channel == Channel.VOICE

    def test_a_channel_without_a_price_is_passed_over_while_spending_is_capped(
        self, flashcall: Any
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("100"))
        PriceFactory(prefix="", channel=Channel.VOICE, amount=Decimal("0.70"))
        assert start().attempts.get().channel == Channel.VOICE

    def test_the_first_channel_is_the_first_that_can_begin(
        self, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(CHANNELS=[Channel.SMS, Channel.VOICE, Channel.FLASH_CALL])
        start()
        assert outbox[0].channel == Channel.VOICE

    def test_a_verification_cannot_begin_with_an_sms(self, outbox: Outbox) -> None:
        with pytest.raises(ChannelUnavailable):
            start(channel=Channel.SMS)
        assert not outbox
        assert not Verification.objects.exists()
        assert not Phone.objects.exists()

    def test_no_usable_channel_is_an_error_of_ours(self, flashcall: Any) -> None:
        flashcall(CHANNELS=[Channel.SMS])
        with pytest.raises(ChannelUnavailable):
            start()

    @pytest.mark.parametrize("channel", [Channel.VOICE, "pigeon"])
    def test_a_start_refuses_a_channel_that_is_off(
        self, channel: str, flashcall: Any, outbox: Outbox
    ) -> None:
        flashcall(CHANNELS=[Channel.FLASH_CALL])
        with pytest.raises(ChannelUnavailable):
            start(channel=channel)
        assert not outbox

    def test_a_number_that_is_held_for_spam_is_reached_by_the_next_channel(
        self, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(OPTIONS={"error_code": "number_in_spam_list"})
        start()
        flashcall(OPTIONS={})
        clock.shift(timedelta(minutes=11))
        assert start().attempts.get().channel == Channel.VOICE
        clock.shift(timedelta(minutes=11))
        with pytest.raises(ChannelSuspended):
            start(channel=Channel.FLASH_CALL)
        clock.shift(timedelta(days=1))
        assert start().attempts.get().channel == Channel.FLASH_CALL

    @pytest.mark.parametrize("held", [["flash_call"], ["flash_call", "voice"]])
    def test_a_start_takes_the_first_channel_that_is_possible(
        self, held: list[str], flashcall: Any, clock: Clock
    ) -> None:
        flashcall(PROVIDER="tests.doubles.WithOwnSms")
        phone = PhoneFactory(number=NUMBER)
        for channel in held:
            AttemptFactory(
                verification__phone=phone,
                verification__created_at=NOON - timedelta(hours=2),
                created_at=NOON - timedelta(hours=2),
                channel=channel,
                status=AttemptStatus.REJECTED,
                code="",
                error_code=ErrorCode.NUMBER_IN_SPAM_LIST,
            )
        assert start().attempts.get().channel == ["flash_call", "voice", "sms"][len(held)]


class TestNextChannel:
    def test_a_resend_takes_the_next_channel_in_order(
        self, outbox: Outbox, clock: Clock, visitor: Visitor
    ) -> None:
        verification = start()
        clock.shift(timedelta(seconds=60))
        services.resend(verification, visitor=visitor)
        clock.shift(timedelta(seconds=120))
        services.resend(verification, visitor=visitor)
        channels = [call.channel for call in outbox]
        assert channels == [Channel.FLASH_CALL, Channel.VOICE, Channel.SMS]

    def test_the_last_channel_is_the_next_one_again(self) -> None:
        verification = VerificationFactory()
        for channel in Channel.values:
            AttemptFactory(verification=verification, channel=channel)
        assert channels.next_channel(verification) == Channel.SMS

    def test_no_channel_left_is_an_error_of_ours(self, flashcall: Any) -> None:
        flashcall(CHANNELS=[])
        with pytest.raises(ChannelUnavailable):
            channels.next_channel(VerificationFactory())

    @pytest.mark.parametrize(
        "call",
        [
            {"status": AttemptStatus.REJECTED, "code": ""},
            {"status": AttemptStatus.UNKNOWN, "provider_id": ""},
            {"status": AttemptStatus.REQUESTED, "provider_id": ""},
            {"status": AttemptStatus.ACCEPTED, "provider_id": ""},
        ],
    )
    def test_an_sms_is_not_offered_without_an_accepted_call(
        self, call: dict[str, Any], visitor: Visitor, outbox: Outbox
    ) -> None:
        moment = timezone.now() - timedelta(minutes=2)
        verification = AttemptFactory(
            verification__created_at=moment, created_at=moment, **call
        ).verification
        assert Channel.SMS not in channels.available_channels(verification)
        with pytest.raises(ChannelUnavailable):
            services.resend(verification, visitor=visitor, channel=Channel.SMS)
        assert not outbox

    def test_a_channel_that_is_off_is_not_offered(self, flashcall: Any, visitor: Visitor) -> None:
        flashcall(CHANNELS=[Channel.FLASH_CALL])
        verification = AttemptFactory().verification
        assert channels.available_channels(verification) == [Channel.FLASH_CALL]
        with pytest.raises(ChannelUnavailable):
            services.resend(verification, visitor=visitor, channel=Channel.VOICE)


class TestExpectedChannel:
    def test_a_number_that_is_known_is_called_in_the_first_call_of_an_hour(
        self, clock: Clock, outbox: Outbox
    ) -> None:
        start()
        clock.shift(timedelta(hours=2))
        start()
        assert Usage.objects.filter(scope="+7999123").count() == len(outbox) == 2
        assert Usage.objects.get(scope="").attempts == 2

    def test_a_call_is_expected_by_the_first_channel_that_is_not_stopped(self) -> None:
        now = timezone.now()
        assert channels.expected_channel(now=now) == Channel.FLASH_CALL
        PriceFactory(channel=Channel.FLASH_CALL, allowed=False, valid_from=now)
        assert channels.expected_channel(now=now) == Channel.VOICE
        PriceFactory(channel="", allowed=False, valid_from=now)
        assert channels.expected_channel(now=now) == Channel.FLASH_CALL

    def test_no_sms_at_all_can_be_wanted(
        self, clock: Clock, flashcall: Any, visitor: Visitor
    ) -> None:
        flashcall(DAILY_SMS=0)
        verification = start()
        clock.shift(timedelta(minutes=1))
        assert Channel.SMS not in channels.available_channels(verification)
        with pytest.raises(ChannelUnavailable):
            services.resend(verification, visitor=visitor, channel=Channel.SMS)
