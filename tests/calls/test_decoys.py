"""Decoys: a call that is not placed takes as long as one that is, and fails as one does."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall.backends import PhoneBackend
from django_flashcall.calls import decoys
from django_flashcall.choices import Channel, ErrorCode
from django_flashcall.databases import written_users
from django_flashcall.exceptions import (
    NotSent,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
)
from django_flashcall.models import Phone, Verification, VerificationAttempt
from django_flashcall.phone import display
from tests import wire
from tests.browser import Page
from tests.constants import MOBILGROUP, NUMBER
from tests.factories import PhoneFactory, PriceFactory, UserFactory

pytestmark = pytest.mark.django_db


class NamedByNumberBackend(PhoneBackend):
    """A site that keeps the number as the username."""

    def find_user(self, number: str) -> AbstractBaseUser | None:
        """Find the user by the name."""
        return written_users().filter(username=number).first()


VOICE = Channel.VOICE


REPLY = b'{"result": "ok", "id": "1", "price": "0.35", "code": "4217"}'


DELAY = 0.2


def waited() -> float:
    began = time.monotonic()
    decoys.imitate(VOICE)
    return time.monotonic() - began


def late(connection: Any, ended: threading.Event) -> None:
    """Answer, but not at once."""
    ended.wait(DELAY)
    connection.sendall(wire.response(REPLY))


@pytest.fixture
def server(flashcall: Any) -> Iterator[wire.Server]:
    with wire.serving(late) as server:
        options = {"api_key": "key", "url": server.url}
        flashcall(PROVIDER=MOBILGROUP, OPTIONS=options, SIGN_UP=False, RATES={})
        decoys.past_calls.clear()
        cache.clear()
        yield server


def seconds_for(number: str) -> float:
    client = Client()
    began = time.monotonic()
    client.post("/phone/login/", {"number": number})
    return time.monotonic() - began


def page_for(number: str) -> str:
    """Return what can be read after a number was typed, but for the number."""
    client = Client()
    page = Page(client.get(client.post("/phone/login/", {"number": number}).url).text)
    return page.text.replace(display(number), "…")


def statements_for(number: str) -> Counter[str]:
    """Return how many there are of each kind of statement that a start takes."""
    with CaptureQueriesContext(connection) as captured:
        Client().post("/phone/login/", {"number": number})
    return Counter(kind_of(query["sql"]) for query in captured.captured_queries)


def kind_of(sql: str) -> str:
    tables = re.findall(r'(?:FROM|INTO|UPDATE) [`"](\w+)', sql)
    return " ".join([sql.partition(" ")[0], *tables])


class TestKnownNumbers:
    def test_a_number_is_known_if_it_has_a_user(self) -> None:
        PhoneFactory(number=NUMBER)
        assert not decoys.is_known(NUMBER)
        Phone.objects.update(user=UserFactory())
        assert decoys.is_known(NUMBER)

    def test_a_number_is_known_if_the_sites_own_backend_finds_a_user(self, settings: Any) -> None:
        UserFactory(username=NUMBER)
        assert not decoys.is_known(NUMBER)
        settings.AUTHENTICATION_BACKENDS = ["tests.calls.test_decoys.NamedByNumberBackend"]
        assert decoys.is_known(NUMBER)


class TestImitating:
    def test_a_decoy_waits_as_long_as_a_call_took(self) -> None:
        decoys.past_calls.clear()
        cache.clear()
        decoys.remember(VOICE, seconds=0.1)
        assert 0.1 <= waited() < 0.2

    def test_what_another_process_remembered_is_in_the_cache(self) -> None:
        decoys.past_calls.clear()
        cache.clear()
        decoys.remember(VOICE, seconds=0.1)
        decoys.past_calls.clear()
        assert 0.1 <= waited() < 0.2

    def test_before_the_first_call_a_decoy_is_not_answered_at_once(self) -> None:
        decoys.past_calls.clear()
        cache.clear()
        assert waited() >= decoys.FIRST_CALL.seconds

    def test_a_dead_cache_disturbs_no_call(self, settings: Any) -> None:
        settings.CACHES = {"default": {"BACKEND": "tests.doubles.DeadCache"}}
        decoys.past_calls.clear()
        decoys.remember(VOICE, seconds=0)
        assert waited() < 0.1
        decoys.past_calls.clear()
        assert waited() >= decoys.FIRST_CALL.seconds

    @pytest.mark.parametrize(
        "error",
        [
            NotSent("ConnectTimeout"),
            OutcomeUnknown("ReadTimeout"),
            ProviderRefused(ErrorCode.NOT_ENOUGH_MONEY),
        ],
    )
    def test_a_decoy_fails_as_the_latest_call_did(self, error: ProviderError) -> None:
        decoys.remember(VOICE, seconds=0, error=error)
        with pytest.raises(type(error)):
            decoys.imitate(VOICE)
        decoys.remember(VOICE, seconds=0)
        decoys.imitate(VOICE)

    def test_a_decoy_fails_no_quicker_than_calls_fail(self) -> None:
        for _ in range(5):
            decoys.remember(VOICE, seconds=0)
        decoys.remember(VOICE, seconds=0.1, error=OutcomeUnknown("ReadTimeout"))
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                decoys.imitate(VOICE)
            assert time.monotonic() - began >= 0.1

    def test_a_failure_that_is_long_ago_is_not_repeated(self) -> None:
        with time_machine.travel(0, tick=False) as clock:
            decoys.past_calls.clear()
            decoys.remember(VOICE, seconds=0)
            decoys.remember(VOICE, seconds=0, error=NotSent("x"))
            clock.shift(decoys.FAILED_FOR)
            decoys.imitate(VOICE)

    def test_a_refused_number_says_nothing_about_others(self) -> None:
        decoys.remember(VOICE, seconds=5, error=ProviderRefused(ErrorCode.NUMBER_NOT_VALID))
        assert waited() < 0.1


class TestTiming:
    def test_the_time_does_not_reveal_who_has_an_account(self, server: wire.Server) -> None:
        members = [PhoneFactory(user=UserFactory()).number for _ in range(9)]
        known, unknown = [], []
        for turn, number in enumerate(members):
            known.append(seconds_for(number))
            unknown.append(seconds_for(f"+79{turn}51234567"))
        assert Phone.objects.count() == 18
        assert len(server.requests) == 9
        assert statistics.median(unknown) == pytest.approx(statistics.median(known), rel=0.1)

    def test_a_provider_that_is_down_does_not_reveal_who_has_an_account(
        self,
        server: wire.Server,
    ) -> None:
        server.script = wire.hanging_up
        pages = [page_for(PhoneFactory(user=UserFactory()).number), page_for("+79051234567")]
        real, decoy = VerificationAttempt.objects.order_by("pk")
        assert decoy.verification.is_decoy
        assert decoy.status == real.status == "unknown"
        assert "We do not know whether the call" in pages[0]
        assert pages[0] == pages[1]

    @pytest.mark.parametrize("code", [ErrorCode.ANI_PHONE_NOT_VALID, "sms_is_switched_off"])
    def test_a_refusal_that_is_not_about_the_number_is_repeated(self, code: str) -> None:
        decoys.remember(VOICE, seconds=0, error=ProviderRefused(code))
        with pytest.raises(ProviderRefused, match=code):
            decoys.imitate(VOICE)

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
