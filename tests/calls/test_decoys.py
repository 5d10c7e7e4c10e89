"""Decoys: a call that is not placed takes as long as one that is, and fails as one does."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.test import Client

from django_flashcall.backends import PhoneBackend
from django_flashcall.calls import decoys, draws
from django_flashcall.calls.draws import PastCall
from django_flashcall.choices import Channel, ErrorCode
from django_flashcall.databases import written_users
from django_flashcall.exceptions import (
    NotSent,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
)
from django_flashcall.models import Phone, VerificationAttempt
from django_flashcall.phone import display
from django_flashcall.providers.base import Answer
from tests import wire
from tests.browser import Page
from tests.constants import MOBILGROUP, NUMBER
from tests.factories import PhoneFactory, UserFactory
from tests.probing import (
    DELAYS,
    VIEWS,
    Delay,
    Probe,
    draw_error,
    guess,
    seeded,
    with_history,
)

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
    decoys.imitate(VOICE, code="")
    return time.monotonic() - began


def failure(limit: int = 50) -> ProviderError:
    """Return the first error that a decoy raises."""
    for _ in range(limit):
        try:
            decoys.imitate(VOICE, code="")
        except ProviderError as error:
            return error
    raise AssertionError("No decoy has failed.")


def probes(delay: Delay, *, rate: float, seed: int, count: int = 300) -> list[Probe]:
    """Return what a stranger sees of calls and of decoys, which are drawn from the calls before."""
    random, calls, seen = seeded(seed), list[PastCall](), list[Probe]()
    for second in range(0, 5 * count, 5):
        if is_known := random.random() < 0.5:
            error = draw_error(random, rate=rate)
            name = "" if error is None else error.error_code or decoys.UNKNOWN
            one = PastCall(seconds=delay(random), error=name, at=second)
            calls = draws.shorten([*calls, one])
        else:
            one = draws.draw(calls, now=second, random=random)
        seen.append(Probe(is_known=is_known, seconds=one.seconds, outcome=one.error))
    return with_history(seen)


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
        assert 0.09 <= waited() < 0.2

    def test_what_another_process_remembered_is_in_the_cache(self) -> None:
        decoys.past_calls.clear()
        cache.clear()
        decoys.remember(VOICE, seconds=0.1)
        decoys.past_calls.clear()
        assert 0.09 <= waited() < 0.2

    def test_before_the_first_call_a_decoy_is_not_answered_at_once(self) -> None:
        decoys.past_calls.clear()
        cache.clear()
        assert waited() >= min(call.seconds for call in draws.FIRST_CALLS)

    def test_a_dead_cache_disturbs_no_call(self, settings: Any) -> None:
        settings.CACHES = {"default": {"BACKEND": "tests.doubles.DeadCache"}}
        decoys.past_calls.clear()
        decoys.remember(VOICE, seconds=0)
        assert waited() < 0.1
        decoys.past_calls.clear()
        assert waited() >= min(call.seconds for call in draws.FIRST_CALLS)

    @pytest.mark.parametrize(
        "error",
        [
            NotSent("ConnectTimeout"),
            OutcomeUnknown("ReadTimeout"),
            ProviderRefused(ErrorCode.NOT_ENOUGH_MONEY),
        ],
    )
    def test_a_decoy_fails_as_recent_calls_did(self, error: ProviderError) -> None:
        for _ in range(5):
            decoys.remember(VOICE, seconds=0, error=error)
        failed = failure()
        assert (type(failed), failed.error_code) == (type(error), error.error_code)

    def test_one_failure_is_not_repeated_by_every_decoy(self) -> None:
        for _ in range(30):
            decoys.remember(VOICE, seconds=0)
        decoys.remember(VOICE, seconds=0, error=OutcomeUnknown("ReadTimeout"))
        answered = 0
        for _ in range(40):
            with suppress(OutcomeUnknown):
                decoys.imitate(VOICE, code="")
                answered += 1
        assert answered > 20

    def test_a_decoy_fails_no_quicker_than_calls_fail(self) -> None:
        for _ in range(5):
            decoys.remember(VOICE, seconds=0)
        for _ in range(5):
            decoys.remember(VOICE, seconds=0.1, error=OutcomeUnknown("ReadTimeout"))
        for _ in range(20):
            began = time.monotonic()
            with suppress(OutcomeUnknown):
                decoys.imitate(VOICE, code="")
                continue
            assert time.monotonic() - began >= 0.09
            return
        raise AssertionError("No decoy has failed.")

    def test_a_failure_that_is_long_ago_is_not_repeated(self) -> None:
        with time_machine.travel(0, tick=False) as clock:
            decoys.past_calls.clear()
            decoys.remember(VOICE, seconds=0)
            for _ in range(20):
                decoys.remember(VOICE, seconds=0, error=NotSent("x"))
            clock.shift(draws.FAILED_FOR)
            for _ in range(20):
                decoys.imitate(VOICE, code="")

    def test_a_decoy_is_not_remembered(self) -> None:
        before = list(decoys.past_calls[VOICE])
        decoys.imitate(VOICE, code="")
        decoys.remember(VOICE, seconds=0)
        assert decoys.past_calls[VOICE][:-1] == before

    @pytest.mark.parametrize("has_id", [True, False])
    def test_a_decoy_has_an_id_if_calls_have_one(self, has_id: bool) -> None:
        decoys.past_calls.clear()
        cache.clear()
        decoys.observe(VOICE, lambda: Answer(id="1" if has_id else ""))
        assert bool(decoys.imitate(VOICE, code="").id) is has_id

    def test_a_refused_number_says_nothing_about_others(self) -> None:
        decoys.remember(VOICE, seconds=5, error=ProviderRefused(ErrorCode.NUMBER_NOT_VALID))
        assert waited() < 0.1


class TestGuessing:
    @pytest.mark.parametrize("rate", [0, 0.05, 0.5])
    @pytest.mark.parametrize("delay", DELAYS)
    def test_a_stranger_can_only_guess_which_numbers_have_a_user(
        self, delay: str, rate: float
    ) -> None:
        probed = [probes(DELAYS[delay], rate=rate, seed=seed) for seed in range(4)]
        areas = {view: statistics.mean(guess(one, view=view) for one in probed) for view in VIEWS}
        assert {view for view, area in areas.items() if abs(area - 0.5) >= 0.05} == set()


class TestTiming:
    def test_the_time_does_not_reveal_who_has_an_account(self, server: wire.Server) -> None:
        members = [PhoneFactory(user=UserFactory()).number for _ in range(9)]
        known, unknown = [], []
        for turn, number in enumerate(members):
            known.append(seconds_for(number))
            unknown.append(seconds_for(f"+79{turn}51234567"))
        assert Phone.objects.count() == 18
        assert len(server.requests) == 9
        assert statistics.median(unknown) == pytest.approx(statistics.median(known), rel=0.2)

    def test_a_provider_that_is_down_does_not_reveal_who_has_an_account(
        self,
        server: wire.Server,
    ) -> None:
        server.script = wire.hanging_up
        page = page_for(PhoneFactory(user=UserFactory()).number)
        assert "We do not know whether the call" in page
        # Each decoy fails more likely than not, and the pause comes later.
        assert page in (page_for(f"+7905123{turn:04}") for turn in range(30))
        decoy = VerificationAttempt.objects.order_by("pk").last()
        assert decoy is not None
        assert decoy.verification.is_decoy
        assert decoy.status == "unknown"

    @pytest.mark.parametrize("code", [ErrorCode.ANI_PHONE_NOT_VALID, "sms_is_switched_off"])
    def test_a_refusal_that_is_not_about_the_number_is_repeated(self, code: str) -> None:
        for _ in range(5):
            decoys.remember(VOICE, seconds=0, error=ProviderRefused(code))
        assert failure().error_code == code
