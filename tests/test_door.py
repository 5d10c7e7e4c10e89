"""Who asks, how often, and what their browser began."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core import signing
from django.core.cache.backends.base import BaseCache
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from django_flashcall.exceptions import RateExceeded
from django_flashcall.limits import rates
from django_flashcall.visitors import devices, sessions
from django_flashcall.visitors import visitor as visitor_module

from .factories import UserFactory

NOON = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)


class DeadCache(BaseCache):
    """A cache whose server is gone; it raises what its client happens to raise."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Fail as a socket does."""
        raise ConnectionRefusedError(111, "Connection refused")

    incr = add  # type: ignore[assignment]


class SilentCache(DeadCache):
    """A cache whose server is gone, with a client that is told to ignore that."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Store nothing."""
        return False

    def incr(self, *args: Any, **kwargs: Any) -> int:
        """Find nothing."""
        raise ValueError("no such key")


def address_of_header(request: HttpRequest) -> str:
    """Be what a site writes to read its proxy's header."""
    return str(request.META["HTTP_X_CLIENT"])


def request_from(address: str = "203.0.113.7", **meta: str) -> HttpRequest:
    """Return a request from ``address``, with an empty session."""
    request = RequestFactory().post("/", REMOTE_ADDR=address, **meta)
    request.session = SessionStore()
    return request


def knock(times: int, *addresses: str) -> None:
    """Knock at the start door, from all ``addresses`` in turn."""
    for _ in range(times):
        for address in addresses:
            rates.enforce_rate(request_from(address), action="start")


@pytest.fixture
def clock() -> Any:
    """Stop the time."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


# --- the address -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%" + "x" * 48, "fe80::1"),
        ("", ""),
        ("unix:", ""),
        ("203.0.113.7, 10.0.0.1", ""),
        ("<script>", ""),
    ],
)
def test_an_address_is_read_or_is_none(given: str, read: str) -> None:
    assert visitor_module.client_address(request_from(given)) == read


@pytest.mark.parametrize(
    "source",
    ["HTTP_X_CLIENT", address_of_header, "tests.test_door.address_of_header"],
    ids=["key", "callable", "dotted-path"],
)
def test_the_address_is_where_django_ratelimit_is_told(
    source: str | Callable[[HttpRequest], str], settings: Any
) -> None:
    settings.RATELIMIT_IP_META_KEY = source
    request = request_from("10.0.0.1", HTTP_X_CLIENT="203.0.113.9")
    assert visitor_module.client_address(request) == "203.0.113.9"


def test_a_header_that_is_missing_is_no_address(settings: Any) -> None:
    settings.RATELIMIT_IP_META_KEY = "HTTP_X_CLIENT"
    assert visitor_module.client_address(request_from()) == ""


def test_without_the_setting_a_header_means_nothing() -> None:
    request = request_from("203.0.113.7", HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert visitor_module.client_address(request) == "203.0.113.7"


def test_a_visitor_is_nobody_without_authentication() -> None:
    request = request_from()
    visitor = visitor_module.visitor_of(request)
    assert (visitor.address, visitor.user, visitor.request) == ("203.0.113.7", None, request)


def test_an_anonymous_user_is_nobody() -> None:
    request = request_from()
    request.user = AnonymousUser()
    assert visitor_module.visitor_of(request).user is None


def test_a_visitor_is_who_is_logged_in() -> None:
    request = request_from()
    request.user = UserFactory.build()
    assert visitor_module.visitor_of(request).user == request.user


# --- the rates ---------------------------------------------------------------------------------


def test_too_many_knocks_are_refused_until_the_window_ends(
    flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(RATES={"start": ["2/m"]})
    knock(2, "203.0.113.7")
    with pytest.raises(RateExceeded) as caught:
        knock(1, "203.0.113.7")
    assert caught.value.retry_at is not None
    wait = caught.value.retry_at - NOON
    assert timedelta(0) < wait <= timedelta(minutes=1)
    clock.shift(wait + timedelta(seconds=1))
    knock(1, "203.0.113.7")


def test_the_strictest_of_several_rates_holds(
    flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(RATES={"start": ["100/m", "1/h"]})
    knock(1, "203.0.113.7")
    with pytest.raises(RateExceeded):
        knock(1, "203.0.113.7")


def test_each_door_counts_for_itself(flashcall: Any, clock: time_machine.Traveller) -> None:
    flashcall(RATES={"start": ["1/h"], "check": ["1/h"]})
    knock(1, "203.0.113.7")
    rates.enforce_rate(request_from(), action="check")
    with pytest.raises(RateExceeded):
        rates.enforce_rate(request_from(), action="check")


def test_a_door_without_rates_is_open(flashcall: Any) -> None:
    flashcall(RATES={})
    knock(100, "203.0.113.7")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("203.0.113.7", "::ffff:203.0.113.7"),
        ("", "unix:"),
        ("<script>", "203.0.113.7, 10.0.0.1"),
    ],
    ids=["one-household", "mapped", "no-address", "garbage"],
)
def test_addresses_of_one_visitor_share_a_bucket(
    one: str, other: str, flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(RATES={"start": ["1/h"]})
    knock(1, one)
    with pytest.raises(RateExceeded):
        knock(1, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.7", "203.0.113.8"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8"),
        ("", "203.0.113.7"),
    ],
)
def test_addresses_of_others_do_not(
    one: str, other: str, flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(RATES={"start": ["1/h"]})
    knock(1, one, other)


def use_cache(settings: Any, **cache: Any) -> None:
    """Let the rates be counted in another cache."""
    settings.CACHES = {**settings.CACHES, "rates": cache}
    settings.RATELIMIT_USE_CACHE = "rates"


@pytest.mark.parametrize("cache", ["DeadCache", "SilentCache"])
def test_a_dead_cache_turns_nobody_away(
    cache: str, settings: Any, flashcall: Any, caplog: pytest.LogCaptureFixture
) -> None:
    flashcall(RATES={"start": ["1/h"]})
    use_cache(settings, BACKEND=f"tests.test_door.{cache}")
    knock(3, "203.0.113.7")
    assert "not counted" in caplog.text
    assert "203.0.113.7" not in caplog.text


def test_a_redis_that_is_gone_turns_nobody_away(settings: Any, flashcall: Any) -> None:
    pytest.importorskip("redis", reason="the client of Redis: pip install redis")
    flashcall(RATES={"start": ["1/h"]})
    use_cache(
        settings,
        BACKEND="django.core.cache.backends.redis.RedisCache",
        LOCATION="redis://127.0.0.1:1/0",
    )
    knock(3, "203.0.113.7")


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["10.0.0.1"], True),
        (["fd00::1"], True),
        (["8.8.8.8"], False),
        (["10.0.0.1", "10.0.0.2"], False),
        (["10.0.0.1", "8.8.8.8"], False),
        ([""], True),
    ],
)
def test_a_proxy_that_nobody_was_told_of_is_noticed(
    addresses: list[str], expected: bool, caplog: pytest.LogCaptureFixture
) -> None:
    arrivals = rates.Arrivals()
    for turn in range(rates.PROXY_THRESHOLD):
        arrivals.note(addresses[turn % len(addresses)])
    assert ("RATELIMIT_IP_META_KEY" in caplog.text) is expected


def test_a_knock_is_noticed(monkeypatch: pytest.MonkeyPatch, flashcall: Any) -> None:
    monkeypatch.setattr(rates, "arrivals", rates.Arrivals())
    flashcall(RATES={})
    knock(3, "10.0.0.1")
    assert (rates.arrivals.address, rates.arrivals.count) == ("10.0.0.1", 3)


def test_a_rate_of_nothing_shuts_the_door(flashcall: Any) -> None:
    flashcall(RATES={"start": ["0/h"]})
    with pytest.raises(RateExceeded):
        knock(1, "203.0.113.7")


# --- what a browser began ----------------------------------------------------------------------


def test_a_browser_remembers_what_it_began_and_where_to_go() -> None:
    request, key = request_from(), uuid4()
    sessions.remember(request, key, next_url="/basket/")
    assert sessions.remembers(request, key)
    assert sessions.next_url_of(request, key) == "/basket/"
    assert not sessions.remembers(request_from(), key)
    assert sessions.next_url_of(request, uuid4()) == ""


def test_a_browser_remembers_so_many_and_forgets_the_oldest() -> None:
    request = request_from()
    keys = [uuid4() for _ in range(sessions.MAX_OPEN_VERIFICATIONS + 2)]
    for key in keys:
        sessions.remember(request, key)
    assert list(map(UUID, sessions.remembered_keys(request))) == keys[2:]


def test_what_is_begun_again_is_the_latest() -> None:
    request = request_from()
    keys = [uuid4() for _ in range(sessions.MAX_OPEN_VERIFICATIONS)]
    for key in [*keys, keys[0]]:
        sessions.remember(request, key)
    assert list(map(UUID, sessions.remembered_keys(request))) == [*keys[1:], keys[0]]


def test_what_is_remembered_survives_a_session_in_a_cookie() -> None:
    request, key = request_from(), uuid4()
    sessions.remember(request, key, next_url="/basket/")
    request.session.save()
    later = request_from()
    later.session = SessionStore(request.session.session_key)
    assert sessions.remembers(later, key)


# --- browsers that are trusted -----------------------------------------------------------------


def cookie_after(phone_id: int, request: HttpRequest | None = None) -> str:
    """Return the cookie of a browser in which the number was proved."""
    response = HttpResponse()
    devices.trust(request or request_from(), response, phone_id=phone_id)
    return response.cookies[devices.DEVICE_COOKIE].value


def devices_with(cookie: str) -> tuple[devices.Device, ...]:
    request = request_from()
    request.COOKIES[devices.DEVICE_COOKIE] = cookie
    return devices.devices_of(request)


def test_a_browser_is_known_by_its_cookie(clock: time_machine.Traveller) -> None:
    [device] = devices_with(cookie_after(7))
    assert (device.phone_id, device.issued_at) == (7, timezone.now())


def test_a_browser_that_proves_the_number_again_stays_the_same(
    clock: time_machine.Traveller,
) -> None:
    request = request_from()
    request.COOKIES[devices.DEVICE_COOKIE] = cookie_after(7)
    [before] = devices.devices_of(request)
    clock.shift(timedelta(days=1))
    [again] = devices_with(cookie_after(7, request))
    assert again.issued_at == before.issued_at + timedelta(days=1)


def test_a_browser_is_known_to_the_numbers_that_were_proved_in_it_last() -> None:
    request = request_from()
    for phone_id in (1, 2, 1, 3, 4, 5, 6):
        request.COOKIES[devices.DEVICE_COOKIE] = cookie_after(phone_id, request)
    known = devices.devices_of(request)
    assert [device.phone_id for device in known] == [1, 3, 4, 5, 6]
    assert len(known) == devices.MAX_TRUSTED_NUMBERS
    assert len(request.COOKIES[devices.DEVICE_COOKIE]) < 1000


@pytest.mark.parametrize(
    "change",
    [lambda cookie: "", lambda cookie: cookie[:-1], lambda cookie: "x" + cookie, str.upper],
    ids=["none", "cut", "longer", "other letters"],
)
def test_a_cookie_that_was_changed_is_none(change: Any) -> None:
    assert devices_with(change(cookie_after(7))) == ()


def test_a_cookie_signed_for_something_else_is_none() -> None:
    assert devices_with(signing.dumps([[str(uuid4()), 7, "2026-03-14"]])) == ()
    assert devices_with(signing.dumps([1], salt=devices.DEVICE_COOKIE)) == ()


def test_a_cookie_grows_old(clock: time_machine.Traveller) -> None:
    cookie = cookie_after(7)
    clock.shift(devices.TRUSTED_FOR + timedelta(seconds=1))
    assert devices_with(cookie) == ()


def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    response = HttpResponse()
    devices.trust(request_from(), response, phone_id=7)
    cookie = response.cookies[devices.DEVICE_COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
