"""Units of money, prices and sums."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_flashcall.choices import Channel
from django_flashcall.models import Price, Usage
from django_flashcall.money import to_units
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
