"""Prices, cooldowns and the day's usage, asked directly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from django_flashcall.choices import Channel, VerificationStatus
from django_flashcall.exceptions import (
    ChannelCooling,
    ChannelUnavailable,
    CooldownActive,
    LimitReached,
    NumberBlocked,
    NumberRefused,
    QuotaExceeded,
)
from django_flashcall.limits import number, prices, rows, shared
from django_flashcall.models import Phone, Usage

from .factories import (
    AttemptFactory,
    PhoneFactory,
    PriceFactory,
    UsageFactory,
    VerificationFactory,
)

pytestmark = pytest.mark.django_db

NUMBER = "+79991234567"
NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)


def estimate(channel: str = Channel.FLASH_CALL, *, now: datetime = NOW) -> Decimal | None:
    """Ask the price list for a call to the number."""
    return prices.estimate_price(NUMBER, channel=channel, now=now)


def price(prefix: str = "", **kwargs: Any) -> None:
    """Write a row that has been in force for a day, unless told otherwise."""
    PriceFactory(prefix=prefix, **{"valid_from": NOW - timedelta(days=1)} | kwargs)


def test_a_silent_price_list_foretells_nothing() -> None:
    price("+7888")
    price(channel=Channel.SMS)
    assert estimate() is None


def test_the_longest_prefix_gives_the_amount() -> None:
    price("+7", amount=Decimal("0.10"))
    price("+7999", amount=Decimal("0.30"))
    price("+799", amount=Decimal("0.20"))
    assert estimate() == Decimal("0.30")


def test_a_longer_prefix_without_an_amount_leaves_it_to_the_shorter() -> None:
    price("+7", amount=Decimal("0.10"))
    price("+7999", amount=None)
    assert estimate() == Decimal("0.10")


@pytest.mark.parametrize("youngest", ["", Channel.FLASH_CALL])
def test_a_row_of_the_channel_is_nearer_than_one_of_every_channel(youngest: str) -> None:
    amounts = {Channel.FLASH_CALL: Decimal("0.10"), "": Decimal("0.20")}
    for channel in sorted(amounts, key=lambda channel: channel == youngest):
        price("+7", channel=channel, amount=amounts[channel])
    assert estimate() == Decimal("0.10")
    assert estimate(Channel.VOICE) == Decimal("0.20")


def test_a_row_counts_from_its_day_and_replaces_the_older_one() -> None:
    price("+7", amount=Decimal("0.10"), valid_from=NOW - timedelta(days=2))
    price("+7", amount=Decimal("0.20"), valid_from=NOW)
    assert estimate(now=NOW - timedelta(seconds=1)) == Decimal("0.10")
    assert estimate() == Decimal("0.20")


def test_a_newer_row_lifts_a_ban() -> None:
    price("+7999", allowed=False, valid_from=NOW - timedelta(days=2))
    price("+7999", allowed=True, valid_from=NOW)
    with pytest.raises(NumberRefused):
        estimate(now=NOW - timedelta(seconds=1))
    assert estimate() == Decimal("0.35")


@pytest.mark.parametrize("prefix", ["+7", "+7999", NUMBER])
def test_any_matching_row_forbids(prefix: str) -> None:
    price(prefix, allowed=False)
    price("+7999123", allowed=True)
    with pytest.raises(NumberRefused) as caught:
        estimate()
    assert NUMBER not in str(caught.value)


def test_a_ban_of_a_channel_leaves_the_others() -> None:
    price(channel=Channel.SMS, allowed=False)
    price(amount=Decimal("0.35"))
    with pytest.raises(ChannelUnavailable):
        estimate(Channel.SMS)
    assert estimate() == Decimal("0.35")


def test_a_stop_outranks_a_forbidden_prefix() -> None:
    price("", allowed=False)
    price("+7999", allowed=False)
    with pytest.raises(ChannelUnavailable):
        estimate()


def free_at(phone: Phone, *, now: datetime = NOW) -> datetime:
    """Return when the number may be called again."""
    return number.free_at(phone, channels=["voice"], now=now)["voice"]


def test_a_number_that_was_not_called_for_a_day_has_rested() -> None:
    attempt = AttemptFactory(created_at=NOW - timedelta(days=1))
    assert free_at(attempt.verification.phone) == NOW


@pytest.mark.parametrize(("calls", "seconds"), [(1, 60), (2, 120), (3, 300), (4, 300)])
def test_the_wait_grows_with_the_calls_of_the_day(calls: int, seconds: int) -> None:
    phone = PhoneFactory()
    for hours in range(1, calls + 1):
        AttemptFactory(
            verification__phone=phone,
            verification__created_at=NOW - timedelta(hours=hours),
            created_at=NOW - timedelta(hours=hours),
        )
    latest = NOW - timedelta(hours=1)
    then = latest + timedelta(seconds=seconds)
    assert free_at(phone, now=latest) == then
    assert free_at(phone, now=then + timedelta(seconds=1)) == then + timedelta(seconds=1)


def test_a_claim_marks_the_number() -> None:
    phone = PhoneFactory()
    number.claim_number(phone, channel=Channel.FLASH_CALL, now=NOW)
    phone.refresh_from_db()
    assert phone.last_attempt_at == NOW


def test_a_claim_within_the_shortest_cooldown_is_refused_with_its_end() -> None:
    phone = PhoneFactory(last_attempt_at=NOW - timedelta(seconds=10))
    with pytest.raises(CooldownActive) as caught:
        number.claim_number(phone, channel=Channel.FLASH_CALL, now=NOW)
    assert caught.value.retry_at == NOW + timedelta(seconds=50)


def test_a_claim_within_the_shortest_cooldown_is_refused_with_the_end_of_the_longer() -> None:
    phone = PhoneFactory(last_attempt_at=NOW)
    for began in (NOW - timedelta(hours=1), NOW):
        verification = VerificationFactory(phone=phone, created_at=began)
        AttemptFactory(verification=verification, created_at=began)
    with pytest.raises(CooldownActive) as caught:
        number.claim_number(phone, channel="voice", now=NOW + timedelta(seconds=30))
    assert caught.value.retry_at == NOW + timedelta(seconds=120)


def test_a_claim_of_a_blocked_number_is_refused() -> None:
    with pytest.raises(NumberBlocked):
        number.claim_number(PhoneFactory(blocked_at=NOW), channel=Channel.VOICE, now=NOW)


def test_the_shortest_cooldown_is_found_wherever_it_stands(flashcall: Any) -> None:
    flashcall(COOLDOWNS=[timedelta(minutes=5), timedelta(minutes=1)])
    phone = PhoneFactory(last_attempt_at=NOW - timedelta(minutes=2))
    number.claim_number(phone, channel=Channel.FLASH_CALL, now=NOW)
    phone.refresh_from_db()
    assert phone.last_attempt_at == NOW


def windows(scope: str = "") -> list[datetime]:
    return list(Usage.objects.filter(scope=scope).order_by("since").values_list("since", flat=True))


def claim(price: str | None = None, *, number: str = NUMBER) -> None:
    """Claim a call on the windows of the site and of the number's block."""
    rows.ensure_windows(number, now=NOW)
    shared.claim_shared(number, estimate=Decimal(price) if price else None, now=NOW)


def day() -> Usage:
    return Usage.objects.get(scope="")


def test_the_day_begins_at_midnight_of_the_default_time_zone() -> None:
    rows.ensure_windows(NUMBER, now=datetime(2026, 3, 3, 20, 59, tzinfo=UTC))
    rows.ensure_windows(NUMBER, now=datetime(2026, 3, 3, 21, 0, tzinfo=UTC))
    rows.ensure_windows(NUMBER, now=datetime(2026, 3, 4, 20, 59, tzinfo=UTC))
    assert windows() == [
        datetime(2026, 3, 2, 21, 0, tzinfo=UTC),
        datetime(2026, 3, 3, 21, 0, tzinfo=UTC),
    ]
    assert windows("+7999123") == [
        datetime(2026, 3, 3, 20, 0, tzinfo=UTC),
        datetime(2026, 3, 3, 21, 0, tzinfo=UTC),
        datetime(2026, 3, 4, 20, 0, tzinfo=UTC),
    ]


def test_the_day_does_not_move_with_the_visitors_time_zone() -> None:
    with timezone.override("Asia/Vladivostok"):
        rows.ensure_windows(NUMBER, now=NOW)
    assert windows() == [datetime(2026, 3, 3, 21, 0, tzinfo=UTC)]


def test_a_day_begins_with_nothing_spent() -> None:
    assert rows.ensure_windows(NUMBER, now=NOW) == 0


def test_rows_that_are_there_are_looked_up_and_no_more(django_assert_num_queries: Any) -> None:
    rows.ensure_windows(NUMBER, now=NOW)
    with django_assert_num_queries(1):
        rows.ensure_windows(NUMBER, now=NOW)


def test_rows_are_inserted_in_the_order_in_which_claims_lock_them() -> None:
    rows.ensure_windows(NUMBER, now=NOW)
    inserted = Usage.objects.order_by("pk").values_list("scope", flat=True)
    assert list(inserted) == ["+7999123", ""]


def test_a_claim_counts_the_call_and_its_estimate() -> None:
    claim("0.35")
    claim()
    assert (day().attempts, day().spent) == (2, Decimal("0.35"))
    assert Usage.objects.get(scope="+7999123").attempts == 2


def test_sums_are_exact_where_floats_are_not(flashcall: Any) -> None:
    """With binary floats the tenth 0.35 of a cap of 3.50 would be refused."""
    flashcall(DAILY_SPEND=Decimal("3.50"))
    for _ in range(10):
        claim("0.35")
    assert day().spent == Decimal("3.50")
    with pytest.raises(LimitReached):
        claim("0.01")


def test_the_day_is_claimed_up_to_its_limits_and_no_further(flashcall: Any) -> None:
    flashcall(SITE_DAILY_ATTEMPTS=2)
    claim()
    claim()
    with pytest.raises(LimitReached) as caught:
        claim()
    assert caught.value.retry_at == datetime(2026, 3, 4, 21, 0, tzinfo=UTC)
    assert "Try again after 5 March, 00:00" in str(caught.value)


def test_a_block_of_numbers_is_called_so_often_in_an_hour(flashcall: Any) -> None:
    flashcall(BLOCK_HOURLY_ATTEMPTS=2)
    claim(number="+79991230000")
    claim(number="+79991239999")
    with pytest.raises(LimitReached) as caught:
        claim(number="+79991234567")
    assert caught.value.retry_at == NOW + timedelta(hours=1)
    claim(number="+79991240000")


def test_a_price_above_the_cap_is_refused(flashcall: Any) -> None:
    flashcall(DAILY_SPEND=Decimal("0.30"))
    with pytest.raises(LimitReached):
        claim("0.35")


def test_with_a_cap_no_call_is_placed_whose_price_nobody_knows(
    flashcall: Any, caplog: pytest.LogCaptureFixture
) -> None:
    flashcall(DAILY_SPEND=Decimal("100"))
    with pytest.raises(ChannelUnavailable):
        estimate()
    assert "DAILY_SPEND" in caplog.text
    price(amount=Decimal("0.35"))
    assert estimate() == Decimal("0.35")


def test_what_was_billed_beyond_the_list_is_expected_for_a_day() -> None:
    price("+7", amount=Decimal("0.35"))
    attempt = AttemptFactory(
        verification__phone__number=NUMBER, created_at=NOW, reserved=Decimal("0.35")
    )
    prices.remember_bill(attempt, price=Decimal("9000"))
    assert estimate() == Decimal("3.50")  # no more than ten times the list: that is a mistake
    prices.remember_bill(attempt, price=Decimal("0.50"))
    assert estimate() == Decimal("0.50")
    assert estimate(now=NOW + timedelta(days=1)) == Decimal("0.35")


@pytest.mark.parametrize(
    ("reserved", "price", "spent"),
    [("0.50", "0.35", "0.35"), ("0.35", "0.50", "0.50"), ("0.35", "0", "0"), (None, "0.2", "0.2")],
)
def test_what_was_reserved_is_replaced_by_what_it_cost(
    reserved: str | None, price: str, spent: str
) -> None:
    amount = None if reserved is None else Decimal(reserved)
    attempt = AttemptFactory(created_at=NOW, reserved=amount)
    claim(reserved)
    shared.settle(attempt, price=Decimal(price))
    assert (day().attempts, day().spent) == (1, Decimal(spent))


# --- quotas of a number ------------------------------------------------------------------------


def called(phone: Phone, *, hours: float, channel: str = Channel.FLASH_CALL, **row: Any) -> None:
    """Record a call of so many hours ago."""
    asked_at = NOW - timedelta(hours=hours)
    AttemptFactory(
        verification__phone=phone,
        verification__created_at=asked_at,
        created_at=asked_at,
        channel=channel,
        **row,
    )


def claim_number(phone: Phone, channel: str = Channel.FLASH_CALL) -> None:
    number.claim_number(phone, channel=channel, now=NOW)


def test_a_number_is_called_so_often_in_a_day(flashcall: Any) -> None:
    flashcall(DAILY_ATTEMPTS=3)
    phone = PhoneFactory()
    for hours in (24, 20, 10, 5):
        called(phone, hours=hours)
    with pytest.raises(QuotaExceeded) as caught:
        claim_number(phone)
    assert caught.value.retry_at == NOW + timedelta(hours=4)
    assert "or use another one" in str(caught.value)
    claim_number(PhoneFactory())


def test_sms_have_a_quota_of_their_own(flashcall: Any) -> None:
    flashcall(DAILY_SMS=1)
    one, *others = PhoneFactory(), PhoneFactory(), PhoneFactory()
    for phone in (one, *others):
        called(phone, hours=8)
        called(phone, hours=2, channel=Channel.SMS)
    with pytest.raises(QuotaExceeded) as caught:
        claim_number(one, "sms")
    assert caught.value.retry_at == NOW + timedelta(hours=22)
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
    key: str, channel: str, said: str, flashcall: Any
) -> None:
    phone = PhoneFactory()
    for hours in (8, 6, 4):
        called(phone, hours=hours, channel=Channel.SMS)
    flashcall(**{key: 2})
    with pytest.raises(QuotaExceeded, match=said):
        claim_number(phone, channel)


def test_a_number_that_is_held_for_spam_rests_for_a_day_on_that_channel() -> None:
    one, other = PhoneFactory(), PhoneFactory()
    for phone in (one, other):
        called(phone, hours=5, status="rejected", error_code="number_in_spam_list", code="")
    with pytest.raises(ChannelCooling) as caught:
        claim_number(one)
    assert caught.value.retry_at == NOW + timedelta(hours=19)
    assert "Choose another way" in str(caught.value)
    claim_number(other, Channel.VOICE)


def guessed(phone: Phone, *, hours: float, **fields: Any) -> None:
    """Record a verification of so many hours ago."""
    began = NOW - timedelta(hours=hours)
    VerificationFactory(
        phone=phone, created_at=began, expires_at=began + timedelta(minutes=10), **fields
    )


APPROVED = {"status": VerificationStatus.APPROVED, "approved_at": NOW}


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
    hours: float, fields: dict[str, Any], counts: int, flashcall: Any
) -> None:
    flashcall(DAILY_FAILED_CHECKS=10, MAX_CHECKS=10, MONTHLY_FAILED_CHECKS=100)
    phone = PhoneFactory()
    guessed(phone, hours=hours, **fields)
    assert number.grant_checks(phone, now=NOW) == 10 - counts


def test_a_number_grants_no_more_than_the_month_has_left(flashcall: Any) -> None:
    flashcall(MONTHLY_FAILED_CHECKS=7)
    phone = PhoneFactory()
    for days in (29, 20):
        guessed(phone, hours=24 * days, checks=3)
    guessed(phone, hours=24 * 31, checks=3)
    assert number.grant_checks(phone, now=NOW) == 1


def test_what_was_guessed_thirty_days_ago_counts_and_no_longer(flashcall: Any) -> None:
    flashcall(MONTHLY_FAILED_CHECKS=3)
    phone = PhoneFactory()
    began = NOW - timedelta(days=29, hours=12)
    VerificationFactory(phone=phone, created_at=began, checks=3)
    with pytest.raises(QuotaExceeded):
        number.grant_checks(phone, now=NOW)
    assert number.grant_checks(phone, now=NOW + timedelta(days=1)) == 3


def test_without_a_check_left_no_call_is_placed_and_the_refusal_says_until_when(
    flashcall: Any,
) -> None:
    flashcall(DAILY_FAILED_CHECKS=6)
    phone = PhoneFactory()
    for hours in (20, 10):
        guessed(phone, hours=hours, checks=3)
    with pytest.raises(QuotaExceeded) as caught:
        number.grant_checks(phone, now=NOW)
    assert caught.value.retry_at == NOW + timedelta(hours=4, minutes=10)
    assert number.grant_checks(phone, now=caught.value.retry_at) == 3


def test_what_a_live_call_may_still_use_is_free_when_it_ends(flashcall: Any) -> None:
    flashcall(DAILY_FAILED_CHECKS=6)
    phone = PhoneFactory()
    guessed(phone, hours=20, checks=3)
    guessed(phone, hours=0.1, checks=1)
    with pytest.raises(QuotaExceeded) as caught:
        number.grant_checks(phone, now=NOW)
    assert caught.value.retry_at == NOW + timedelta(minutes=4)
    assert number.grant_checks(phone, now=NOW + timedelta(minutes=4)) == 2


def test_what_may_have_been_typed_within_the_day_delays_the_next(flashcall: Any) -> None:
    flashcall(DAILY_FAILED_CHECKS=3)
    phone = PhoneFactory()
    guessed(phone, hours=24.1, checks=3)
    with pytest.raises(QuotaExceeded) as caught:
        number.grant_checks(phone, now=NOW)
    assert caught.value.retry_at == NOW + timedelta(minutes=4)


def test_what_was_typed_into_live_calls_is_free_a_day_later(flashcall: Any) -> None:
    flashcall(DAILY_FAILED_CHECKS=3)
    phone = PhoneFactory()
    guessed(phone, hours=0.15, checks=2)
    guessed(phone, hours=0.05, checks=3)
    with pytest.raises(QuotaExceeded) as caught:
        number.grant_checks(phone, now=NOW)
    assert caught.value.retry_at == NOW + timedelta(hours=24 - 0.05, minutes=10)


def test_a_right_code_delays_no_other_check(flashcall: Any) -> None:
    flashcall(DAILY_FAILED_CHECKS=3)
    phone = PhoneFactory()
    guessed(phone, hours=21, checks=1)
    guessed(phone, hours=20, checks=3, **APPROVED)
    with pytest.raises(QuotaExceeded) as caught:
        number.grant_checks(phone, now=NOW)
    assert caught.value.retry_at == NOW + timedelta(hours=3, minutes=10)


def test_a_success_clears_no_quota(flashcall: Any) -> None:
    flashcall(DAILY_FAILED_CHECKS=3)
    phone = PhoneFactory()
    guessed(phone, hours=2, checks=3)
    guessed(phone, hours=1, checks=1, **APPROVED)
    with pytest.raises(QuotaExceeded):
        number.grant_checks(phone, now=NOW)


def test_a_call_is_settled_on_the_day_it_was_reserved() -> None:
    evening = datetime(2026, 3, 4, 20, 59, 50, tzinfo=UTC)
    attempt = AttemptFactory(created_at=evening, reserved=Decimal("0.50"))
    yesterday = UsageFactory(since=datetime(2026, 3, 3, 21, 0, tzinfo=UTC), units=5000)
    today = UsageFactory(since=datetime(2026, 3, 4, 21, 0, tzinfo=UTC), units=7)
    with time_machine.travel(evening + timedelta(seconds=20), tick=False):
        shared.settle(attempt, price=Decimal("0.35"))
    yesterday.refresh_from_db()
    today.refresh_from_db()
    assert (yesterday.units, today.units) == (3500, 7)
