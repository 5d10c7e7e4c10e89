"""Limits of one number: cooldowns, calls and checks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from django_flashcall.choices import Channel, VerificationStatus
from django_flashcall.exceptions import (
    ChannelSuspended,
    CooldownActive,
    NumberBlocked,
    QuotaExceeded,
)
from django_flashcall.limits import number
from django_flashcall.models import Phone
from tests.constants import NOON
from tests.factories import AttemptFactory, PhoneFactory, VerificationFactory

pytestmark = pytest.mark.django_db


def free_at(phone: Phone, *, now: datetime = NOON) -> datetime:
    """Return when the number may be called again."""
    return number.free_at(phone, channels=["voice"], now=now)["voice"]


def called(phone: Phone, *, hours: float, channel: str = Channel.FLASH_CALL, **row: Any) -> None:
    """Record a call that is ``hours`` old."""
    asked_at = NOON - timedelta(hours=hours)
    AttemptFactory(
        verification__phone=phone,
        verification__created_at=asked_at,
        created_at=asked_at,
        channel=channel,
        **row,
    )


def claim_number(phone: Phone, channel: str = Channel.FLASH_CALL) -> None:
    number.claim_number(phone, channel=channel, now=NOON)


def guessed(phone: Phone, *, hours: float, **fields: Any) -> None:
    """Record a verification that is ``hours`` old."""
    began = NOON - timedelta(hours=hours)
    VerificationFactory(
        phone=phone, created_at=began, expires_at=began + timedelta(minutes=10), **fields
    )


APPROVED = {"status": VerificationStatus.APPROVED, "approved_at": NOON}


class TestCooldown:
    def test_a_number_that_was_not_called_for_a_day_has_rested(self) -> None:
        attempt = AttemptFactory(created_at=NOON - timedelta(days=1))
        assert free_at(attempt.verification.phone) == NOON

    @pytest.mark.parametrize(("calls", "seconds"), [(1, 60), (2, 120), (3, 300), (4, 300)])
    def test_the_wait_grows_with_the_calls_of_the_day(self, calls: int, seconds: int) -> None:
        phone = PhoneFactory()
        for hours in range(1, calls + 1):
            AttemptFactory(
                verification__phone=phone,
                verification__created_at=NOON - timedelta(hours=hours),
                created_at=NOON - timedelta(hours=hours),
            )
        latest = NOON - timedelta(hours=1)
        then = latest + timedelta(seconds=seconds)
        assert free_at(phone, now=latest) == then
        assert free_at(phone, now=then + timedelta(seconds=1)) == then + timedelta(seconds=1)

    def test_a_claim_marks_the_number(self) -> None:
        phone = PhoneFactory()
        number.claim_number(phone, channel=Channel.FLASH_CALL, now=NOON)
        phone.refresh_from_db()
        assert phone.last_attempt_at == NOON

    def test_a_claim_within_the_shortest_cooldown_is_refused_with_its_end(self) -> None:
        phone = PhoneFactory(last_attempt_at=NOON - timedelta(seconds=10))
        with pytest.raises(CooldownActive) as caught:
            number.claim_number(phone, channel=Channel.FLASH_CALL, now=NOON)
        assert caught.value.retry_at == NOON + timedelta(seconds=50)

    def test_a_claim_within_the_shortest_cooldown_is_refused_with_the_end_of_the_longer(
        self,
    ) -> None:
        phone = PhoneFactory(last_attempt_at=NOON)
        for began in (NOON - timedelta(hours=1), NOON):
            verification = VerificationFactory(phone=phone, created_at=began)
            AttemptFactory(verification=verification, created_at=began)
        with pytest.raises(CooldownActive) as caught:
            number.claim_number(phone, channel="voice", now=NOON + timedelta(seconds=30))
        assert caught.value.retry_at == NOON + timedelta(seconds=120)

    def test_a_claim_of_a_blocked_number_is_refused(self) -> None:
        with pytest.raises(NumberBlocked):
            number.claim_number(PhoneFactory(blocked_at=NOON), channel=Channel.VOICE, now=NOON)

    def test_the_shortest_cooldown_is_found_wherever_it_stands(self, flashcall: Any) -> None:
        flashcall(COOLDOWNS=[timedelta(minutes=5), timedelta(minutes=1)])
        phone = PhoneFactory(last_attempt_at=NOON - timedelta(minutes=2))
        number.claim_number(phone, channel=Channel.FLASH_CALL, now=NOON)
        phone.refresh_from_db()
        assert phone.last_attempt_at == NOON


class TestCalls:
    def test_a_number_is_called_at_most_its_quota_in_a_day(self, flashcall: Any) -> None:
        flashcall(DAILY_ATTEMPTS=3)
        phone = PhoneFactory()
        for hours in (24, 20, 10, 5):
            called(phone, hours=hours)
        with pytest.raises(QuotaExceeded) as caught:
            claim_number(phone)
        assert caught.value.retry_at == NOON + timedelta(hours=4)
        assert "or use another one" in str(caught.value)
        claim_number(PhoneFactory())

    def test_sms_have_a_quota_of_their_own(self, flashcall: Any) -> None:
        flashcall(DAILY_SMS=1)
        one, *others = PhoneFactory(), PhoneFactory(), PhoneFactory()
        for phone in (one, *others):
            called(phone, hours=8)
            called(phone, hours=2, channel=Channel.SMS)
        with pytest.raises(QuotaExceeded) as caught:
            claim_number(one, "sms")
        assert caught.value.retry_at == NOON + timedelta(hours=22)
        for phone, channel in zip(others, (Channel.FLASH_CALL, Channel.VOICE), strict=True):
            claim_number(phone, channel)

    @pytest.mark.parametrize(
        ("key", "channel", "said"),
        [
            ("DAILY_SMS", Channel.SMS, "Too many SMS"),
            ("DAILY_ATTEMPTS", Channel.SMS, "Too many calls"),
            ("DAILY_ATTEMPTS", Channel.VOICE, "Too many calls"),
        ],
    )
    def test_a_quota_that_was_lowered_counts_at_once(
        self, key: str, channel: str, said: str, flashcall: Any
    ) -> None:
        phone = PhoneFactory()
        for hours in (8, 6, 4):
            called(phone, hours=hours, channel=Channel.SMS)
        flashcall(**{key: 2})
        with pytest.raises(QuotaExceeded, match=said):
            claim_number(phone, channel)

    def test_a_number_that_is_held_for_spam_rests_for_a_day_on_that_channel(self) -> None:
        one, other = PhoneFactory(), PhoneFactory()
        for phone in (one, other):
            called(phone, hours=5, status="rejected", error_code="number_in_spam_list", code="")
        with pytest.raises(ChannelSuspended) as caught:
            claim_number(one)
        assert caught.value.retry_at == NOON + timedelta(hours=19)
        assert "Choose another way" in str(caught.value)
        claim_number(other, Channel.VOICE)


class TestChecks:
    @pytest.mark.parametrize(
        ("hours", "fields", "counts"),
        [
            (1, {"checks": 3}, 3),
            (1, {"checks": 0}, 0),
            (1, {"checks": 2, **APPROVED}, 1),  # the last one was right
            (1, {"checks": 2, "status": VerificationStatus.CANCELED}, 2),
            (0.1, {"checks": 1}, 3),  # it lives: all that it was granted may still be typed
            (24.1, {"checks": 3}, 3),  # some may have been typed within the day
            (24.2, {"checks": 3}, 0),
        ],
    )
    def test_wrong_codes_of_the_day_leave_fewer_checks(
        self, hours: float, fields: dict[str, Any], counts: int, flashcall: Any
    ) -> None:
        flashcall(DAILY_FAILED_CHECKS=10, MAX_CHECKS=10, MONTHLY_FAILED_CHECKS=100)
        phone = PhoneFactory()
        guessed(phone, hours=hours, **fields)
        assert number.grant_checks(phone, now=NOON) == 10 - counts

    def test_a_number_grants_no_more_than_the_month_has_left(self, flashcall: Any) -> None:
        flashcall(MONTHLY_FAILED_CHECKS=7)
        phone = PhoneFactory()
        for days in (29, 20):
            guessed(phone, hours=24 * days, checks=3)
        guessed(phone, hours=24 * 31, checks=3)
        assert number.grant_checks(phone, now=NOON) == 1

    def test_what_was_guessed_thirty_days_ago_counts_and_no_longer(self, flashcall: Any) -> None:
        flashcall(MONTHLY_FAILED_CHECKS=3)
        phone = PhoneFactory()
        began = NOON - timedelta(days=29, hours=12)
        VerificationFactory(phone=phone, created_at=began, checks=3)
        with pytest.raises(QuotaExceeded):
            number.grant_checks(phone, now=NOON)
        assert number.grant_checks(phone, now=NOON + timedelta(days=1)) == 3

    def test_without_a_check_left_no_call_is_placed_and_the_refusal_says_until_when(
        self,
        flashcall: Any,
    ) -> None:
        flashcall(DAILY_FAILED_CHECKS=6)
        phone = PhoneFactory()
        for hours in (20, 10):
            guessed(phone, hours=hours, checks=3)
        with pytest.raises(QuotaExceeded) as caught:
            number.grant_checks(phone, now=NOON)
        assert caught.value.retry_at == NOON + timedelta(hours=4, minutes=10)
        assert number.grant_checks(phone, now=caught.value.retry_at) == 3

    def test_what_a_live_call_may_still_use_is_free_when_it_ends(self, flashcall: Any) -> None:
        flashcall(DAILY_FAILED_CHECKS=6)
        phone = PhoneFactory()
        guessed(phone, hours=20, checks=3)
        guessed(phone, hours=0.1, checks=1)
        with pytest.raises(QuotaExceeded) as caught:
            number.grant_checks(phone, now=NOON)
        assert caught.value.retry_at == NOON + timedelta(minutes=4)
        assert number.grant_checks(phone, now=NOON + timedelta(minutes=4)) == 2

    def test_what_may_have_been_typed_within_the_day_delays_the_next(self, flashcall: Any) -> None:
        flashcall(DAILY_FAILED_CHECKS=3)
        phone = PhoneFactory()
        guessed(phone, hours=24.1, checks=3)
        with pytest.raises(QuotaExceeded) as caught:
            number.grant_checks(phone, now=NOON)
        assert caught.value.retry_at == NOON + timedelta(minutes=4)

    def test_what_was_typed_into_live_calls_is_free_a_day_later(self, flashcall: Any) -> None:
        flashcall(DAILY_FAILED_CHECKS=3)
        phone = PhoneFactory()
        guessed(phone, hours=0.15, checks=2)
        guessed(phone, hours=0.05, checks=3)
        with pytest.raises(QuotaExceeded) as caught:
            number.grant_checks(phone, now=NOON)
        assert caught.value.retry_at == NOON + timedelta(hours=24 - 0.05, minutes=10)

    def test_a_right_code_delays_no_other_check(self, flashcall: Any) -> None:
        flashcall(DAILY_FAILED_CHECKS=3)
        phone = PhoneFactory()
        guessed(phone, hours=21, checks=1)
        guessed(phone, hours=20, checks=3, **APPROVED)
        with pytest.raises(QuotaExceeded) as caught:
            number.grant_checks(phone, now=NOON)
        assert caught.value.retry_at == NOON + timedelta(hours=3, minutes=10)

    def test_a_success_clears_no_quota(self, flashcall: Any) -> None:
        flashcall(DAILY_FAILED_CHECKS=3)
        phone = PhoneFactory()
        guessed(phone, hours=2, checks=3)
        guessed(phone, hours=1, checks=1, **APPROVED)
        with pytest.raises(QuotaExceeded):
            number.grant_checks(phone, now=NOON)
