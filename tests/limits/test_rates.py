"""Rates by address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_flashcall.exceptions import RateExceeded
from django_flashcall.limits import rates
from tests.browser import Browser, request_from
from tests.constants import NOON, Clock


def visit(times: int, *addresses: str) -> None:
    """Ask for a call, from all ``addresses`` in turn."""
    for _ in range(times):
        for address in addresses:
            rates.enforce_rate(request_from(address), action="start")


def use_cache(settings: Any, **cache: Any) -> None:
    """Let the rates be counted in another cache."""
    settings.CACHES = {**settings.CACHES, "rates": cache}
    settings.RATELIMIT_USE_CACHE = "rates"


class TestRates:
    def test_too_many_requests_are_refused_until_the_window_ends(
        self, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(RATES={"start": ["2/m"]})
        visit(2, "203.0.113.7")
        with pytest.raises(RateExceeded) as caught:
            visit(1, "203.0.113.7")
        assert caught.value.retry_at is not None
        wait = caught.value.retry_at - NOON
        assert timedelta(0) < wait <= timedelta(minutes=1)
        clock.shift(wait + timedelta(seconds=1))
        visit(1, "203.0.113.7")

    def test_the_strictest_of_several_rates_holds(self, flashcall: Any, clock: Clock) -> None:
        flashcall(RATES={"start": ["100/m", "1/h"]})
        visit(1, "203.0.113.7")
        with pytest.raises(RateExceeded):
            visit(1, "203.0.113.7")

    def test_each_action_is_counted_separately(self, flashcall: Any, clock: Clock) -> None:
        flashcall(RATES={"start": ["1/h"], "check": ["1/h"]})
        visit(1, "203.0.113.7")
        rates.enforce_rate(request_from(), action="check")
        with pytest.raises(RateExceeded):
            rates.enforce_rate(request_from(), action="check")

    def test_an_action_without_rates_is_not_limited(self, flashcall: Any) -> None:
        flashcall(RATES={})
        visit(100, "203.0.113.7")

    def test_a_rate_of_zero_refuses_everything(self, flashcall: Any) -> None:
        flashcall(RATES={"start": ["0/h"]})
        with pytest.raises(RateExceeded):
            visit(1, "203.0.113.7")


class TestAddresses:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
            ("203.0.113.7", "::ffff:203.0.113.7"),
            ("203.0.113.7:50001", "203.0.113.7:50002"),
            ("[2001:db8:1:2::1]:443", '"[2001:DB8:1:2::9]"'),
            ("203.0.113.7", "64:ff9b::203.0.113.7"),
        ],
        ids=["one-household", "mapped", "ports", "brackets", "translated"],
    )
    def test_addresses_of_one_visitor_share_a_bucket(
        self, one: str, other: str, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        visit(1, one)
        with pytest.raises(RateExceeded):
            visit(1, other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("203.0.113.7", "203.0.113.8"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1"),
            ("::ffff:203.0.113.7", "::ffff:203.0.113.8"),
            ("203.0.113.7:443", "203.0.113.8:443"),
            ("64:ff9b::203.0.113.7", "64:ff9b::203.0.113.8"),
            ("", "203.0.113.7"),
        ],
    )
    def test_addresses_of_others_do_not(
        self, one: str, other: str, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        visit(1, one, other)


class TestVisitorsWithoutAddress:
    @pytest.mark.parametrize(
        "text", ["", "unix:", "unknown", "_hidden", "203.0.113.7, 10.0.0.1", "<script>"]
    )
    def test_strangers_do_not_share_a_limit_and_the_first_sounds_an_alarm(
        self, text: str, flashcall: Any, clock: Clock, warnings_sent: list[str]
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        visit(1, text)
        assert len(warnings_sent) == 1
        assert "RATELIMIT_IP_META_KEY" in warnings_sent[0]
        visit(130, text)
        assert len(warnings_sent) == 1

    def test_visitors_with_an_address_keep_their_limit_meanwhile(
        self, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        visit(1, "203.0.113.7", "")
        with pytest.raises(RateExceeded):
            visit(1, "203.0.113.7")

    @pytest.mark.django_db
    def test_the_limits_in_the_database_still_hold(
        self, flashcall: Any, browser: Browser, settings: Any, clock: Clock
    ) -> None:
        settings.RATELIMIT_IP_META_KEY = "HTTP_X_CLIENT"
        flashcall(SITE_DAILY_ATTEMPTS=2, RATES={"start": ["1/h"]})
        pages = [browser.ask(f"+799912345{n}0") for n in range(3)]
        assert ["Too many calls" in page.text for page in pages] == [False, False, True]


class TestCaches:
    @pytest.mark.parametrize("cache", ["DeadCache", "SilentCache"])
    def test_a_dead_cache_turns_nobody_away(
        self, cache: str, settings: Any, flashcall: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        use_cache(settings, BACKEND=f"tests.doubles.{cache}")
        visit(3, "203.0.113.7")
        assert "not counted" in caplog.text
        assert "203.0.113.7" not in caplog.text

    def test_a_redis_that_is_gone_turns_nobody_away(self, settings: Any, flashcall: Any) -> None:
        pytest.importorskip("redis", reason="the client of Redis: pip install redis")
        flashcall(RATES={"start": ["1/h"]})
        use_cache(
            settings,
            BACKEND="django.core.cache.backends.redis.RedisCache",
            LOCATION="redis://127.0.0.1:1/0",
        )
        visit(3, "203.0.113.7")


class TestProxies:
    @pytest.mark.parametrize(
        ("addresses", "expected"),
        [
            (["10.0.0.1"], True),
            (["fd00::1"], True),
            (["8.8.8.8"], False),
            (["10.0.0.1", "10.0.0.2"], False),
            (["10.0.0.1", "8.8.8.8"], False),
        ],
    )
    def test_a_proxy_that_is_not_configured_is_noticed(
        self, addresses: list[str], expected: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        counter = rates.PrivateAddressCounter()
        for turn in range(rates.PROXY_THRESHOLD):
            counter.count_request(addresses[turn % len(addresses)])
        assert ("RATELIMIT_IP_META_KEY" in caplog.text) is expected

    def test_a_request_is_counted_as_an_arrival(
        self, monkeypatch: pytest.MonkeyPatch, flashcall: Any
    ) -> None:
        monkeypatch.setattr(rates, "private_addresses", rates.PrivateAddressCounter())
        flashcall(RATES={})
        visit(3, "10.0.0.1")
        assert (rates.private_addresses.address, rates.private_addresses.count) == ("10.0.0.1", 3)
