"""Prices, cooldowns and the day's usage, asked directly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from django_flashcall import limits
from django_flashcall.exceptions import (
    ChannelUnavailable,
    CooldownActive,
    NumberBlocked,
    NumberRefused,
)
from django_flashcall.models import Usage
from django_flashcall.words import Channel

from .factories import AttemptFactory, PhoneFactory, PriceFactory, UsageFactory

pytestmark = pytest.mark.django_db

NUMBER = "+79991234567"
NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)


def estimate(channel: str = Channel.FLASH_CALL, *, now: datetime = NOW) -> Decimal | None:
    """Ask the price list for a call to the number."""
    return limits.estimate_price(NUMBER, channel=channel, now=now)


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


def test_a_row_of_the_channel_is_nearer_than_one_of_every_channel() -> None:
    price("+7", channel=Channel.FLASH_CALL, amount=Decimal("0.10"))
    price("+7", channel="", amount=Decimal("0.20"))
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


def test_a_number_that_was_not_called_for_a_day_has_rested() -> None:
    attempt = AttemptFactory(created_at=NOW - timedelta(days=1))
    assert limits.rested_at(attempt.verification.phone, now=NOW) is None


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
    assert limits.rested_at(phone, now=NOW) == latest + timedelta(seconds=seconds)


def test_a_claim_marks_the_number() -> None:
    phone = PhoneFactory()
    limits.claim_number(phone, now=NOW)
    phone.refresh_from_db()
    assert phone.last_attempt_at == NOW


def test_a_claim_within_the_shortest_cooldown_is_refused_with_its_end() -> None:
    phone = PhoneFactory(last_attempt_at=NOW - timedelta(seconds=10))
    with pytest.raises(CooldownActive) as caught:
        limits.claim_number(phone, now=NOW)
    assert caught.value.retry_at == NOW + timedelta(seconds=50)


def test_a_claim_of_a_blocked_number_is_refused() -> None:
    with pytest.raises(NumberBlocked):
        limits.claim_number(PhoneFactory(blocked_at=NOW), now=NOW)


def test_the_shortest_cooldown_is_found_wherever_it_stands(flashcall: Any) -> None:
    flashcall(COOLDOWNS=[timedelta(minutes=5), timedelta(minutes=1)])
    phone = PhoneFactory(last_attempt_at=NOW - timedelta(minutes=2))
    limits.claim_number(phone, now=NOW)
    phone.refresh_from_db()
    assert phone.last_attempt_at == NOW


def test_the_day_begins_at_midnight_of_the_default_time_zone() -> None:
    limits.ensure_day(now=datetime(2026, 3, 3, 20, 59, tzinfo=UTC))
    limits.ensure_day(now=datetime(2026, 3, 3, 21, 0, tzinfo=UTC))
    limits.ensure_day(now=datetime(2026, 3, 4, 20, 59, tzinfo=UTC))
    days = Usage.objects.order_by("since").values_list("since", flat=True)
    assert list(days) == [
        datetime(2026, 3, 2, 21, 0, tzinfo=UTC),
        datetime(2026, 3, 3, 21, 0, tzinfo=UTC),
    ]


def test_the_day_does_not_move_with_the_visitors_time_zone() -> None:
    with timezone.override("Asia/Vladivostok"):
        limits.ensure_day(now=NOW)
    assert Usage.objects.get().since == datetime(2026, 3, 3, 21, 0, tzinfo=UTC)


def test_a_claim_counts_the_call_and_its_estimate() -> None:
    limits.ensure_day(now=NOW)
    limits.claim_site(Decimal("0.35"), now=NOW)
    limits.claim_site(None, now=NOW)
    day = Usage.objects.get()
    assert (day.attempts, day.spent) == (2, Decimal("0.35"))


def test_sums_are_exact_where_floats_are_not() -> None:
    limits.ensure_day(now=NOW)
    for _ in range(10):
        limits.claim_site(Decimal("0.35"), now=NOW)
    assert Usage.objects.get().spent == Decimal("3.50")


@pytest.mark.parametrize(
    ("reserved", "price", "spent"),
    [("0.50", "0.35", "0.35"), ("0.35", "0.50", "0.50"), ("0.35", "0", "0"), (None, "0.2", "0.2")],
)
def test_what_was_reserved_is_replaced_by_what_it_cost(
    reserved: str | None, price: str, spent: str
) -> None:
    amount = None if reserved is None else Decimal(reserved)
    attempt = AttemptFactory(created_at=NOW, reserved=amount)
    limits.ensure_day(now=NOW)
    limits.claim_site(amount, now=NOW)
    limits.settle_site(attempt, price=Decimal(price))
    day = Usage.objects.get()
    assert (day.attempts, day.spent) == (1, Decimal(spent))


def test_a_call_is_settled_on_the_day_it_was_reserved() -> None:
    evening = datetime(2026, 3, 4, 20, 59, 50, tzinfo=UTC)
    attempt = AttemptFactory(created_at=evening, reserved=Decimal("0.50"))
    yesterday = UsageFactory(since=datetime(2026, 3, 3, 21, 0, tzinfo=UTC), amount=5000)
    today = UsageFactory(since=datetime(2026, 3, 4, 21, 0, tzinfo=UTC), amount=7)
    with time_machine.travel(evening + timedelta(seconds=20), tick=False):
        limits.settle_site(attempt, price=Decimal("0.35"))
    yesterday.refresh_from_db()
    today.refresh_from_db()
    assert (yesterday.amount, today.amount) == (3500, 7)
