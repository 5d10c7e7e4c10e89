"""A decoy asks the database the same as a call, whatever the call costs."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import Channel
from django_flashcall.models import Price, Verification
from tests.constants import VISITOR, Clock
from tests.factories import PhoneFactory, PriceFactory, UserFactory
from tests.logins import start

pytestmark = pytest.mark.django_db


def statements_for(number: str) -> Counter[str]:
    """Return how many there are of each kind of statement that a start takes."""
    with CaptureQueriesContext(connection) as captured:
        Client().post("/phone/login/", {"number": number})
    return Counter(kind_of(query["sql"]) for query in captured.captured_queries)


def statements_of_resend(verification: Verification, *, channel: str) -> Counter[str]:
    with CaptureQueriesContext(connection) as captured:
        services.resend(verification, visitor=VISITOR, channel=channel)
    return Counter(kind_of(query["sql"]) for query in captured.captured_queries)


def kind_of(sql: str) -> str:
    tables = re.findall(r'(?:FROM|INTO|UPDATE) [`"](\w+)', sql)
    return " ".join([sql.partition(" ")[0], *tables])


class TestStatements:
    @pytest.mark.parametrize("amount", ["0.20", "0.35", "0.50", None])
    def test_the_database_is_asked_the_same_whatever_the_provider_bills(
        self, amount: str | None, flashcall: Any
    ) -> None:
        flashcall(SIGN_UP=False, RATES={})
        member, other = (PhoneFactory(user=UserFactory()).number for _ in range(2))
        if amount is not None:
            PriceFactory(amount=Decimal(amount), valid_from=timezone.now() - timedelta(hours=1))
        numbers = ("+79051234567", member, "+79061234567", other)
        asked = [statements_for(number) for number in numbers]
        assert asked[0] == asked[1] == asked[2] == asked[3]

    @pytest.mark.parametrize("amount", ["0.20", "0.35"])
    def test_another_call_asks_the_database_the_same(
        self, amount: str, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(SIGN_UP=False, RATES={})
        PriceFactory(amount=Decimal(amount), valid_from=timezone.now() - timedelta(hours=1))
        member = PhoneFactory(user=UserFactory()).number
        started = [start(number) for number in (member, "+79051234567")]
        for channel in (Channel.VOICE, Channel.SMS):
            clock.shift(timedelta(minutes=2))
            Price.objects.update(billed=None)
            asked = [statements_of_resend(one, channel=channel) for one in reversed(started)]
            assert asked[0] == asked[1]

    def test_the_price_list_learns_nothing_from_a_decoy(self, flashcall: Any) -> None:
        flashcall(SIGN_UP=False, RATES={})
        price = PriceFactory(amount=Decimal("0.20"), valid_from=timezone.now())
        statements_for("+79051234567")
        price.refresh_from_db()
        assert price.billed is None

    @pytest.mark.parametrize("field", ["", "last_name"])
    @pytest.mark.parametrize(
        "dialer", ["django_flashcall.calls.dialing.dial", "tests.doubles.ignore"]
    )
    def test_the_database_is_asked_the_same_for_everybody(
        self, field: str, dialer: str, flashcall: Any
    ) -> None:
        flashcall(SIGN_UP=False, RATES={}, USER_PHONE_FIELD=field, DIALER=dialer)
        member = PhoneFactory(user=UserFactory()).number
        former = PhoneFactory(verified_at=timezone.now(), released_at=timezone.now()).number
        PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now() - timedelta(hours=1))
        asked = [statements_for(number) for number in (member, former, "+79051234567")]
        assert asked[0] == asked[1] == asked[2]
        assert Verification.objects.filter(is_decoy=True).count() == 2
