"""What a verification costs the database, pinned: statements, commits, and none while ringing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import Channel
from django_flashcall.exceptions import WrongCode
from django_flashcall.models import Phone, Price
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import LocMemProvider
from tests.constants import MIDNIGHT, NOON, NUMBER, VISITOR, Clock, Outbox
from tests.factories import PhoneFactory, PriceFactory, UsageFactory, UserFactory
from tests.logins import log_in, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


FRAME = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET ", "PRAGMA")


seen_while_asked: list[bool] = []


class WatchingProvider(LocMemProvider):
    """Notes whether a transaction is open while it is asked."""

    def _deliver(self, channel: Channel, number: str, *, code: str) -> Answer:
        seen_while_asked.append(connection.in_atomic_block)
        return super()._deliver(channel, number, code=code)


@dataclass(frozen=True)
class Cost:
    """How many statements, and how many transactions of our own."""

    statements: int
    transactions: int


def cost_of(work: Callable[[], Any]) -> Cost:
    """Do ``work`` and count what it asks of the database."""
    with CaptureQueriesContext(connection) as captured:
        work()
    words = [str(query["sql"]).upper() for query in captured.captured_queries]
    return Cost(
        statements=sum(not sql.startswith(FRAME) for sql in words),
        transactions=sum(sql == "COMMIT" for sql in words),
    )


@pytest.fixture
def present(clock: Clock) -> None:
    """Create the rows that a start locks, and a price list that has the price."""
    PhoneFactory(number=NUMBER)
    UsageFactory(scope="", since=MIDNIGHT)
    UsageFactory(scope="+7999123", since=NOON)
    PriceFactory(prefix="+7", amount=Decimal("0.35"))


@pytest.fixture(autouse=True)
def limited(flashcall: Any) -> None:
    """Set every limit."""
    flashcall(SITE_DAILY_ATTEMPTS=1000, DAILY_SPEND=Decimal("1000"))


class TestStarting:
    @pytest.mark.usefixtures("present")
    def test_a_start_stays_within_its_budget(self) -> None:
        cost = cost_of(start)
        assert cost.statements <= 12
        assert cost == Cost(11, 2)

    @pytest.mark.usefixtures("present")
    def test_a_start_at_another_price_than_expected_settles_it(self) -> None:
        PriceFactory(prefix="+7999", amount=Decimal("0.50"))
        cost = cost_of(start)
        assert cost == Cost(12, 2)

    @pytest.mark.usefixtures("present")
    def test_a_start_that_is_billed_above_the_list_keeps_the_price(
        self,
        clock: Clock,
    ) -> None:
        Price.objects.update(amount=Decimal("0.20"))
        assert cost_of(start) == Cost(14, 2)
        clock.shift(timedelta(minutes=1))
        assert cost_of(start) == Cost(11, 2)

    @pytest.mark.usefixtures("present")
    def test_a_start_that_is_billed_absurdly_costs_no_more(self, flashcall: Any) -> None:
        flashcall(OPTIONS={"price": Decimal(9999)})
        assert cost_of(start) == Cost(14, 2)

    def test_a_first_number_stays_within_its_budget(self) -> None:
        UsageFactory(scope="", since=MIDNIGHT)
        UsageFactory(scope="+7999123", since=NOON)
        PriceFactory(prefix="+7", amount=Decimal("0.35"))
        cost = cost_of(start)
        assert cost.statements <= 14
        assert cost == Cost(14, 4)

    def test_the_first_number_of_a_day_adds_the_row_of_the_day(self) -> None:
        PriceFactory(prefix="+7", amount=Decimal("0.35"))
        assert cost_of(start) == Cost(14, 4)

    @pytest.mark.usefixtures("present")
    @pytest.mark.parametrize(
        ("channel", "statements"),
        [(Channel.FLASH_CALL, 10), (Channel.VOICE, 10), (Channel.SMS, 11), (None, 11)],
    )
    def test_a_resend_stays_within_its_budget(
        self, channel: str | None, statements: int, clock: Clock
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=1))
        cost = cost_of(lambda: services.resend(verification, visitor=VISITOR, channel=channel))
        assert cost.statements <= 11
        assert cost == Cost(statements, 2)


class TestChecking:
    @pytest.mark.usefixtures("present")
    def test_a_right_code_is_three_statements(self, outbox: Outbox) -> None:
        verification = start()
        code = outbox[0].code
        cost = cost_of(lambda: services.check_code(verification, code, visitor=VISITOR))
        assert cost == Cost(3, 2)

    @pytest.mark.usefixtures("present")
    def test_a_wrong_code_is_three_statements(self, outbox: Outbox) -> None:
        verification = start()
        wrong = "1111" if outbox[0].code == "0000" else "0000"

        def check() -> None:
            with pytest.raises(WrongCode):
                services.check_code(verification, wrong, visitor=VISITOR)

        assert cost_of(check) == Cost(3, 1)

    @pytest.mark.usefixtures("present")
    def test_a_login_of_a_known_number_is_three_statements(self, outbox: Outbox) -> None:
        verification = start()
        Phone.objects.update(user=UserFactory(), verified_at=timezone.now())
        services.check_code(verification, outbox[0].code, visitor=VISITOR)
        assert cost_of(lambda: log_in(verification)) == Cost(3, 2)

    @pytest.mark.usefixtures("present")
    def test_a_login_of_a_new_number_is_six_statements(self, outbox: Outbox) -> None:
        verification = services.check_code(start(), outbox[0].code, visitor=VISITOR)
        assert cost_of(lambda: log_in(verification)) == Cost(6, 3)


class TestGrowth:
    @pytest.mark.usefixtures("present")
    def test_a_start_costs_the_same_as_the_record_grows(self, clock: Clock) -> None:
        first = cost_of(start)
        clock.shift(timedelta(minutes=1))
        second = cost_of(start)
        assert first == second

    @pytest.mark.usefixtures("present")
    def test_no_transaction_is_open_while_the_provider_is_asked(
        self, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(PROVIDER="tests.promises.test_query_counts.WatchingProvider")
        seen_while_asked.clear()
        verification = start()
        for seconds in (60, 120):
            clock.shift(timedelta(seconds=seconds))
            services.resend(verification, visitor=VISITOR)
        assert seen_while_asked == [False, False, False]
