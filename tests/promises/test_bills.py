"""What a mistaken bill may take from the day, and what the record says about it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from django_flashcall import services
from django_flashcall.calls.outcomes import Outcome, conclude
from django_flashcall.choices import AttemptStatus, Channel
from django_flashcall.exceptions import LimitReached
from django_flashcall.models import Price, Usage, VerificationAttempt
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import LocMemProvider
from tests.constants import MIDNIGHT, NOON, NUMBER, VISITOR, Clock
from tests.factories import AttemptFactory, PriceFactory, UsageFactory
from tests.logins import start
from tests.racing import THREADS, answers, race

pytestmark = pytest.mark.django_db

ABSURD = Decimal("9999")
CAP = Decimal("500")


class AbsurdProvider(LocMemProvider):
    """Bills what the test says, whatever its type."""

    def __init__(self, *, price: Any) -> None:
        super().__init__()
        self.price = price


def bill(flashcall: Any, price: Any, **settings: Any) -> None:
    """Let the provider bill ``price`` for each call."""
    provider = f"{__name__}.AbsurdProvider"
    flashcall(PROVIDER=provider, OPTIONS={"price": price}, **{"DAILY_SPEND": CAP} | settings)


def list_price(amount: str, **kwargs: Any) -> None:
    """Write a price list in which a call costs ``amount``."""
    PriceFactory(amount=Decimal(amount), valid_from=timezone.now() - timedelta(days=7), **kwargs)


def called(number: str = NUMBER) -> VerificationAttempt:
    """Have ``number`` called and return the attempt as it was recorded."""
    return VerificationAttempt.objects.get(verification=start(number))


def day() -> Usage:
    return Usage.objects.get(scope="", since=MIDNIGHT)


@pytest.mark.usefixtures("clock")
class TestAnAbsurdBill:
    @pytest.mark.parametrize(
        ("listed", "cap", "counted"), [("0.35", CAP, "3.50"), ("0", CAP, "5"), ("0.35", 1, "0.35")]
    )
    def test_takes_a_bounded_part_of_the_day(
        self, listed: str, cap: Any, counted: str, flashcall: Any
    ) -> None:
        list_price(listed)
        bill(flashcall, ABSURD, DAILY_SPEND=Decimal(cap))
        attempt = called()
        assert (attempt.price, attempt.counted) == (ABSURD, Decimal(counted))
        assert attempt.spent == day().spent == Decimal(counted)
        assert attempt.billed == day().billed == ABSURD

    @pytest.mark.parametrize("listed", ["0.35", "0"])
    def test_stops_no_call_of_its_day_and_of_the_next(
        self, listed: str, flashcall: Any, clock: Clock
    ) -> None:
        list_price(listed)
        bill(flashcall, ABSURD)
        called()
        bill(flashcall, Decimal(listed))
        for hours in (0, 13, 10):
            clock.shift(timedelta(hours=hours))
            assert called(f"+799912{hours:02}567").status == AttemptStatus.ACCEPTED

    def test_that_was_billed_before_a_cap_was_set_stops_no_call(self, flashcall: Any) -> None:
        list_price("0.35", channel=Channel.FLASH_CALL)
        list_price("0", channel=Channel.VOICE)
        bill(flashcall, ABSURD, DAILY_SPEND=None, CHANNELS=["voice"])
        called()
        assert Price.objects.get(channel=Channel.VOICE).billed == ABSURD
        Usage.objects.all().delete()  # the next day
        bill(flashcall, Decimal(0), CHANNELS=["voice"])
        assert called("+79997654321").reserved == Decimal(5)

    def test_raises_what_a_lost_answer_keeps_by_no_more_than_it_counts(
        self, flashcall: Any
    ) -> None:
        list_price("0.35")
        bill(flashcall, ABSURD)
        called()
        flashcall(PROVIDER="tests.doubles.LostProvider", OPTIONS={})
        lost = called("+79997654321")
        assert (lost.status, lost.spent) == (AttemptStatus.UNKNOWN, Decimal("3.50"))
        assert day().spent == Decimal(7)

    def test_counts_no_more_when_it_comes_again(self, flashcall: Any) -> None:
        """The bound is the listed price, not the estimate that the first bill has raised."""
        list_price("0.35")
        bill(flashcall, ABSURD)
        for block in range(3):
            assert called(f"+7999{block:03}4567").spent == Decimal("3.50")
        assert day().spent == Decimal("10.50")
        assert day().billed == 3 * ABSURD

    def test_counts_what_was_reserved_though_the_list_says_less_by_now(
        self, flashcall: Any
    ) -> None:
        UsageFactory(since=MIDNIGHT, units=50_000)
        list_price("0.01")
        bill(flashcall, ABSURD)
        attempt = AttemptFactory(
            status=AttemptStatus.REQUESTED, price=None, reserved=Decimal(5), created_at=NOON
        )
        assert conclude(attempt, Outcome.of_answer(Answer(price=ABSURD, code="1234")))
        assert day().spent == Decimal(5)
        assert day().billed == ABSURD

    def test_counts_where_nothing_is_listed(self, flashcall: Any) -> None:
        bill(flashcall, ABSURD, DAILY_SPEND=None)
        attempt = called()
        assert (attempt.price, attempt.counted, attempt.reserved) == (ABSURD, None, None)
        assert day().spent == ABSURD

    def test_is_counted_on_the_day_of_its_call_and_once(self, flashcall: Any) -> None:
        list_price("0.50")
        bill(flashcall, ABSURD)
        attempt = AttemptFactory(
            status=AttemptStatus.REQUESTED, price=None, reserved=Decimal("0.50"), created_at=NOON
        )
        again = VerificationAttempt.objects.get(pk=attempt.pk)
        UsageFactory(since=MIDNIGHT, units=5000)
        next_day = UsageFactory(since=MIDNIGHT + timedelta(days=1))
        outcome = Outcome.of_answer(Answer(price=ABSURD, code="1234"))
        with time_machine.travel(NOON + timedelta(days=1), tick=False):
            assert services.sweep_attempts() == 1  # the answer comes late
            assert (conclude(attempt, outcome), conclude(again, outcome)) == (True, False)
        assert (day().spent, day().billed) == (Decimal(5), ABSURD)
        next_day.refresh_from_db()
        assert (next_day.units, next_day.uncounted_units) == (0, 0)

    def test_leaves_a_reservation_within_the_cap(self, flashcall: Any) -> None:
        list_price("0.35")
        bill(flashcall, ABSURD, DAILY_SPEND=Decimal("3.50"))
        placed = 0
        with pytest.raises(LimitReached):
            for placed in range(20):
                start(f"+7999{placed:03}4567")
        assert placed == 10
        assert day().spent == Decimal("3.50")

    def test_of_a_decoy_is_nothing(self, flashcall: Any) -> None:
        list_price("0.35")
        bill(flashcall, ABSURD, SIGN_UP=False)
        assert called().spent == 0
        assert (day().units, day().uncounted_units) == (0, 0)


@pytest.mark.usefixtures("clock")
class TestAlarms:
    def test_an_absurd_bill_is_reported_once_and_for_each_channel(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        list_price("0.35")
        bill(flashcall, ABSURD)
        called()
        verification = start("+79997654321")
        told = (
            "The provider billed 9999 for an attempt by {}. This is not plausible, so only 3.5000 "
            "count towards DAILY_SPEND. Ask the provider, or correct the price list."
        )
        assert warnings_sent == [told.format("flash_call")]
        with time_machine.travel(NOON + timedelta(minutes=2), tick=False):
            services.resend(verification, visitor=VISITOR, channel=Channel.VOICE)
        assert warnings_sent == [told.format("flash_call"), told.format("voice")]

    def test_a_bill_too_large_for_the_record_is_reported_as_it_was_written(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        bill(flashcall, Decimal("1e400"), DAILY_SPEND=None)
        called()
        [told] = warnings_sent
        assert "billed 1E+400 " in told

    def test_an_unusable_price_is_reported(self, flashcall: Any, warnings_sent: list[str]) -> None:
        list_price("0.35")
        bill(flashcall, Decimal("-9999"))
        called()
        [told] = warnings_sent
        assert "named no usable price for an attempt by flash_call" in told

    def test_a_site_without_a_price_list_is_told_nothing_about_missing_prices(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        bill(flashcall, None, DAILY_SPEND=None)
        called()
        assert not warnings_sent


@pytest.mark.usefixtures("clock")
class TestOddPrices:
    @pytest.mark.parametrize(
        "price",
        [
            None,
            Decimal("-0.0001"),
            Decimal("NaN"),
            Decimal("sNaN"),
            Decimal("Infinity"),
            Decimal("-Infinity"),
            10**30,
            0.35,
            "0.35",
            True,
        ],
        ids=repr,
    )
    def test_of_what_is_no_price_the_estimate_counts(self, price: Any, flashcall: Any) -> None:
        list_price("0.35")
        bill(flashcall, price)
        attempt = called()
        assert (attempt.status, attempt.price, attempt.counted) == ("accepted", None, None)
        assert (attempt.spent, day().spent, day().billed) == (Decimal("0.35"),) * 3

    @pytest.mark.parametrize(
        ("price", "recorded", "counted"),
        [
            ("1e400", "99999999.9999", "3.50"),
            ("1e999999", "99999999.9999", "3.50"),
            ("100000000", "99999999.9999", "3.50"),
            ("99999999.99999", "99999999.9999", "3.50"),
            ("12345678.1234", "12345678.1234", "3.50"),
            ("0.350001", "0.3501", None),
            ("1e-400", "0.0001", None),
            ("-0", "0", None),
            ("3.5E-1", "0.35", None),
        ],
    )
    def test_a_price_is_recorded_as_far_as_its_column_can_hold_it(
        self, price: str, recorded: str, counted: str | None, flashcall: Any
    ) -> None:
        list_price("0.35")
        bill(flashcall, Decimal(price))
        attempt = called()
        assert attempt.price == Decimal(recorded)
        assert not attempt.price.is_signed()
        assert attempt.counted == (None if counted is None else Decimal(counted))
        assert (day().spent, day().billed) == (attempt.spent, attempt.billed)


@pytest.mark.django_db(transaction=True)
@pytest.mark.races
class TestRaces:
    def test_parallel_absurd_bills_are_all_counted_and_within_their_bounds(
        self, flashcall: Any
    ) -> None:
        list_price("0.35")
        bill(flashcall, ABSURD, CONCURRENT_CALLS=THREADS)
        finishes = race(*[lambda n=n: start(f"+7999{n:03}4567") for n in range(THREADS)])
        count = len(answers(finishes))
        today = Usage.objects.get(scope="")
        assert count == THREADS
        assert today.spent == count * Decimal("3.50")
        assert today.billed == count * ABSURD

    def test_one_absurd_answer_that_is_recorded_in_parallel_counts_once(
        self, flashcall: Any
    ) -> None:
        list_price("0.35")
        bill(flashcall, Decimal("0.35"))
        verification = start()
        VerificationAttempt.objects.update(status=AttemptStatus.REQUESTED, price=None)
        outcome = Outcome.of_answer(Answer(price=ABSURD, code="1234"))

        def answer() -> bool:
            attempts = VerificationAttempt.objects.select_related("verification__phone")
            return conclude(attempts.get(verification=verification), outcome)

        assert sorted(answers(race(*[answer] * THREADS))) == [False] * (THREADS - 1) + [True]
        today = Usage.objects.get(scope="")
        assert (today.spent, today.billed) == (Decimal("3.50"), ABSURD)
