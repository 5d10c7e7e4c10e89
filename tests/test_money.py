"""Units of money, prices and sums."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_flashcall.choices import Channel
from django_flashcall.models import Price, Usage
from django_flashcall.money import MAX_PRICE, UNIT, countable, to_units
from tests.constants import NOON
from tests.factories import PriceFactory, UsageFactory
from tests.rows import MINUTE, SECOND, fresh, only

pytestmark = pytest.mark.django_db


def soon() -> datetime:
    """Return a time at which the prices that the factory makes are in force."""
    return datetime.now(tz=UTC) + SECOND


class TestUnits:
    @pytest.mark.parametrize(
        ("amount", "units"),
        [
            ("0", 0),
            ("0.35", 3500),
            ("3.50", 35_000),
            ("0.0001", 1),
            ("0.00001", 1),  # rounded up: a cap is never exceeded by rounding
            ("0.35001", 3501),
            ("99999999.9999", 999_999_999_999),
        ],
    )
    def test_sums_are_claimed_in_units_of_a_hundredth_of_a_kopek(
        self, amount: str, units: int
    ) -> None:
        assert to_units(Decimal(amount)) == units


class TestCounting:
    @pytest.mark.parametrize(
        ("price", "listed", "cap", "counted"),
        [
            ("0.35", "0.35", "500", "0.35"),
            ("0", "0.35", "500", "0"),
            ("3.50", "0.35", "500", "3.50"),
            ("3.5001", "0.35", "500", "3.50"),
            ("9999", "0.35", "500", "3.50"),
            ("9999", "0.35", None, "3.50"),
            # Ten times the listed price would be a large part of the cap, or all of it.
            ("9999", "0.35", "10", "1"),
            ("9999", "0.35", "3.50", "0.35"),
            ("9999", "0.35", "1", "0.35"),
            # The list says nothing, or that the call is free.
            ("0.35", "0", "500", "0.35"),
            ("9999", "0", "500", "5"),
            ("9999", None, "500", "5"),
            ("9999", None, "0.0005", "0.0001"),
            ("9999", None, None, "9999"),  # there is no cap that it could use up
        ],
    )
    def test_a_bill_counts_as_far_as_it_is_plausible(
        self, price: str, listed: str | None, cap: str | None, counted: str, flashcall: Any
    ) -> None:
        flashcall(DAILY_SPEND=None if cap is None else Decimal(cap))

        amount = None if listed is None else Decimal(listed)

        assert countable(Decimal(price), listed=amount) == Decimal(counted)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        price=st.decimals(UNIT, MAX_PRICE, places=4),
        listed=st.none() | st.decimals(0, 1000, places=4),
        cap=st.decimals(1, 100_000, places=4),
    )
    def test_no_bill_counts_as_nothing_or_as_the_whole_day(
        self, price: Decimal, listed: Decimal | None, cap: Decimal, flashcall: Any
    ) -> None:
        flashcall(DAILY_SPEND=cap)

        counted = countable(price, listed=listed)

        assert 0 < counted <= price
        assert counted <= max(listed or 0, cap / 10 + UNIT)
        assert counted >= min(price, listed or 0)
        assert counted == counted.quantize(UNIT)


class TestMatchingPrices:
    def test_are_those_of_the_numbers_prefixes_and_the_channel(self) -> None:
        everything = PriceFactory()
        country = PriceFactory(prefix="+7", channel=Channel.VOICE)
        PriceFactory(prefix="+7", channel=Channel.SMS)
        PriceFactory(prefix="+8")
        PriceFactory(prefix="+79991")

        matching = Price.objects.matching(["", "+7", "+79"], channel="voice", now=soon())

        assert set(matching) == {everything, country}

    def test_are_in_force_the_newest_last(self) -> None:
        new = PriceFactory(valid_from=NOON)
        old = PriceFactory(valid_from=NOON - MINUTE)
        PriceFactory(valid_from=NOON + SECOND)

        assert list(Price.objects.matching([""], channel="voice", now=NOON)) == [old, new]


class TestAddingUsage:
    def test_counts_attempts_and_units(self) -> None:
        usage = UsageFactory(attempts=1, units=3500)

        assert only(usage).add(attempts=1, units=3500)
        assert (fresh(usage).attempts, fresh(usage).units) == (2, 7000)

    def test_adds_what_was_billed_and_does_not_count(self) -> None:
        usage = UsageFactory(units=3500, uncounted_units=1)

        assert only(usage).add(attempts=0, units=10_000, uncounted_units=99)
        assert (fresh(usage).spent, fresh(usage).billed) == (Decimal("1.35"), Decimal("1.36"))

    def test_gives_back_what_was_reserved_too_much(self) -> None:
        usage = UsageFactory(attempts=1, units=3500)

        assert only(usage).add(attempts=0, units=-3500)
        assert (fresh(usage).attempts, fresh(usage).units) == (1, 0)

    def test_claims_one_attempt_and_no_money_by_default(self) -> None:
        usage = UsageFactory(attempts=1, units=7)

        assert only(usage).claim(max_units=7)
        assert (fresh(usage).attempts, fresh(usage).units) == (2, 7)
        assert not only(usage).claim(max_units=6)

    def test_of_a_window_without_a_row_says_so(self) -> None:
        assert not Usage.objects.filter(scope="nowhere").add(attempts=1, units=0)
