"""Limits that all numbers share: calls and money of a day, calls to a block."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import Purpose
from django_flashcall.clock import day_of, hour_of
from django_flashcall.exceptions import (
    BlockLimitReached,
    ChannelUnavailable,
    CooldownActive,
    LimitReached,
)
from django_flashcall.limits import prices, rows, shared
from django_flashcall.models import Usage
from django_flashcall.money import to_units
from tests.constants import NOON, NUMBER, VISITOR
from tests.factories import AttemptFactory, PhoneFactory, PriceFactory, UsageFactory
from tests.limits.pricing import estimate, price


def start(number: str = "+79991234567") -> None:
    services.start_verification(number, purpose=Purpose.LOGIN, visitor=VISITOR)


pytestmark = pytest.mark.django_db


def windows(scope: str = "") -> list[datetime]:
    return list(Usage.objects.filter(scope=scope).order_by("since").values_list("since", flat=True))


def claim(price: str | None = None, *, number: str = NUMBER) -> None:
    """Claim a call on the windows of the site and of the number's block."""
    rows.ensure_windows(number, now=NOON)
    shared.claim_shared(number, estimate=Decimal(price) if price else None, now=NOON)


def watch(spent: str, *, uncounted: str = "0", estimate: Decimal | None = None) -> None:
    """Watch a day on which ``spent`` counts, and ``uncounted`` was billed beyond it."""
    units, more = to_units(Decimal(spent)), to_units(Decimal(uncounted))
    spending = rows.Spending(units=units, uncounted_units=more)
    shared.watch_spending(spending, estimate=estimate, now=timezone.now())


def day() -> Usage:
    return Usage.objects.get(scope="")


class TestSpendingAlarms:
    def test_alarms_are_sent_at_half_at_four_fifths_and_at_the_end(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("3.50"))
        PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
        told = []
        for one in range(10):
            start(f"+7999{one:03}4567")
            told.append(len(warnings_sent))
        assert told == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
        with pytest.raises(LimitReached):
            start()
        assert warnings_sent[-1].startswith("Today's calls have used 100% of DAILY_SPEND: ")
        assert len(warnings_sent) == 3

    @pytest.mark.parametrize(
        ("spent", "percent"),
        [
            ("0", None),
            ("4.9999", None),
            ("5", 50),
            ("6", 50),
            ("7.9999", 50),
            ("8", 80),
            ("9.9999", 80),
            ("10", 100),
            ("11", 100),
        ],
    )
    def test_an_alarm_is_sent_from_where_its_level_begins(
        self, spent: str, percent: int | None, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("10"))
        watch(spent)
        told = f"Today's calls have used {percent}% of DAILY_SPEND: "
        assert [text[: len(told)] for text in warnings_sent] == ([told] if percent else [])

    def test_an_alarm_says_what_counts_and_what_was_billed(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("10"))
        watch("6", uncounted="9995.5", estimate=Decimal("0.35"))
        assert warnings_sent == [
            "Today's calls have used 50% of DAILY_SPEND: 6.35 count, and 10001.85 were billed or "
            "are reserved."
        ]

    def test_what_does_not_count_sends_no_alarm(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("10"))
        watch("4", uncounted="9999")
        assert not warnings_sent

    def test_a_call_that_was_refused_for_something_else_has_used_no_money(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("1"))
        PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
        start()
        with pytest.raises(CooldownActive):
            start()
        assert not warnings_sent

    def test_a_block_that_is_used_up_has_used_no_money(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("1"), BLOCK_HOURLY_ATTEMPTS=1)
        PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
        start("+79991230001")
        with pytest.raises(BlockLimitReached):
            start("+79991230002")
        assert not warnings_sent

    def test_a_cap_that_was_raised_is_reported_again(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        for cap in ("10", "1000"):
            flashcall(DAILY_SPEND=Decimal(cap))
            watch(cap)
        assert len(warnings_sent) == 2

    @pytest.mark.parametrize("is_known", [True, False])
    def test_what_was_spent_before_counts_for_known_and_for_new_numbers(
        self, is_known: bool, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        now = timezone.now()
        flashcall(DAILY_SPEND=Decimal("1"))
        PriceFactory(amount=Decimal("0.35"), valid_from=now)
        UsageFactory(scope="", since=day_of(now), units=5000, uncounted_units=99)
        if is_known:
            PhoneFactory(number="+79991230001")
            UsageFactory(scope="+7999123", since=hour_of(now))
        start("+79991230001")
        [told] = warnings_sent
        assert told.startswith("Today's calls have used 80% of DAILY_SPEND: 0.85 count")


class TestDay:
    def test_the_day_begins_at_midnight_of_the_default_time_zone(self) -> None:
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

    def test_the_day_does_not_move_with_the_visitors_time_zone(self) -> None:
        with timezone.override("Asia/Vladivostok"):
            rows.ensure_windows(NUMBER, now=NOON)
        assert windows() == [datetime(2026, 3, 3, 21, 0, tzinfo=UTC)]

    def test_a_day_begins_with_nothing_spent(self) -> None:
        assert rows.ensure_windows(NUMBER, now=NOON) == rows.Spending()


class TestClaiming:
    def test_a_claim_counts_the_call_and_its_estimate(self) -> None:
        claim("0.35")
        claim()
        assert (day().attempts, day().spent) == (2, Decimal("0.35"))
        assert Usage.objects.get(scope="+7999123").attempts == 2

    def test_sums_are_exact_where_floats_are_not(self, flashcall: Any) -> None:
        """With binary floats the tenth 0.35 of a cap of 3.50 would be refused."""
        flashcall(DAILY_SPEND=Decimal("3.50"))
        for _ in range(10):
            claim("0.35")
        assert day().spent == Decimal("3.50")
        with pytest.raises(LimitReached):
            claim("0.01")

    def test_the_day_is_claimed_up_to_its_limits_and_no_further(self, flashcall: Any) -> None:
        flashcall(SITE_DAILY_ATTEMPTS=2)
        claim()
        claim()
        with pytest.raises(LimitReached) as caught:
            claim()
        assert caught.value.retry_at == datetime(2026, 3, 4, 21, 0, tzinfo=UTC)
        assert "Try again after 5 March, 00:00" in str(caught.value)

    def test_a_block_of_numbers_is_called_at_most_its_limit_in_an_hour(
        self, flashcall: Any
    ) -> None:
        flashcall(BLOCK_HOURLY_ATTEMPTS=2)
        claim(number="+79991230000")
        claim(number="+79991239999")
        with pytest.raises(LimitReached) as caught:
            claim(number="+79991234567")
        assert caught.value.retry_at == NOON + timedelta(hours=1)
        claim(number="+79991240000")

    def test_a_price_above_the_cap_is_refused(self, flashcall: Any) -> None:
        flashcall(DAILY_SPEND=Decimal("0.30"))
        with pytest.raises(LimitReached):
            claim("0.35")

    def test_with_a_cap_no_call_is_placed_whose_price_nobody_knows(
        self, flashcall: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        flashcall(DAILY_SPEND=Decimal("100"))
        with pytest.raises(ChannelUnavailable):
            estimate()
        assert "DAILY_SPEND" in caplog.text
        price(amount=Decimal("0.35"))
        assert estimate() == Decimal("0.35")

    def test_what_was_billed_beyond_the_list_is_expected_for_a_day(self) -> None:
        price("+7", amount=Decimal("0.35"))
        attempt = AttemptFactory(
            verification__phone__number=NUMBER, created_at=NOON, reserved=Decimal("0.35")
        )
        row = prices.listed_price(attempt)
        assert row is not None
        prices.remember_bill(attempt, row=row, price=Decimal("9000"))
        assert estimate() == Decimal("3.50")  # no more than ten times the list: that is a mistake
        prices.remember_bill(attempt, row=row, price=Decimal("0.50"))
        assert estimate() == Decimal("0.50")
        assert estimate(now=NOON + timedelta(days=1)) == Decimal("0.35")

    @pytest.mark.parametrize(
        ("reserved", "price", "spent"),
        [
            ("0.50", "0.35", "0.35"),
            ("0.35", "0.50", "0.50"),
            ("0.35", "0", "0"),
            (None, "0.2", "0.2"),
        ],
    )
    def test_what_was_reserved_is_replaced_by_what_it_cost(
        self, reserved: str | None, price: str, spent: str
    ) -> None:
        amount = None if reserved is None else Decimal(reserved)
        attempt = AttemptFactory(created_at=NOON, reserved=amount)
        claim(reserved)
        shared.settle(attempt, price=Decimal(price))
        assert (day().attempts, day().spent) == (1, Decimal(spent))

    def test_a_call_is_settled_on_the_day_it_was_reserved(self) -> None:
        evening = datetime(2026, 3, 4, 20, 59, 50, tzinfo=UTC)
        attempt = AttemptFactory(created_at=evening, reserved=Decimal("0.50"))
        yesterday = UsageFactory(since=datetime(2026, 3, 3, 21, 0, tzinfo=UTC), units=5000)
        today = UsageFactory(since=datetime(2026, 3, 4, 21, 0, tzinfo=UTC), units=7)
        with time_machine.travel(evening + timedelta(seconds=20), tick=False):
            shared.settle(attempt, price=Decimal("0.35"))
        yesterday.refresh_from_db()
        today.refresh_from_db()
        assert (yesterday.units, today.units) == (3500, 7)
