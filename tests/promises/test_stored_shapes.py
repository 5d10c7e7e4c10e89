"""What was signed, or is in a session or a cache, may have any shape, and is never a 500."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import signing
from django.core.cache import cache
from django.urls import reverse

from django_flashcall.calls import decoys
from django_flashcall.choices import Channel
from django_flashcall.exceptions import NotSent
from django_flashcall.limits import breaker
from django_flashcall.models import Phone, Verification
from django_flashcall.visitors import browsers, devices, messages, sessions
from tests.browser import Browser, is_logged_in, request_from
from tests.constants import (
    CONFIRM,
    LOGIN,
    MODEL_BACKEND,
    NOON,
    NUMBER,
    PHONE_BACKEND,
    Clock,
    Outbox,
)
from tests.factories import PhoneFactory, UserFactory
from tests.values import WRONG_VALUES

KEYS = [
    sessions.EVENTS_KEY,
    sessions.HELD_KEY,
]
PAGES = [LOGIN, CONFIRM, "/phone/second-step/", "/phone/again/"]
AN_HOUR_AND_A_SECOND = timedelta(hours=1, seconds=1).total_seconds()

#: The wrong values that may be a URL or a message all the same.
PLAIN_TEXTS = [value for value in WRONG_VALUES if isinstance(value, str) and value.isprintable()]

wrong_values = pytest.mark.parametrize("wrong", WRONG_VALUES, ids=lambda value: repr(value)[:30])


DEVICE_7 = f"{devices.DEVICE_COOKIE}7"


def signed(value: Any, *, name: str) -> str:
    """Return the cookie ``name`` as the site signs it."""
    return signing.dumps(value, salt=name)


def request_with(value: Any, *, name: str) -> Any:
    """Return a request with a signed cookie."""
    request = request_from()
    request.COOKIES[name] = signed(value, name=name)
    return request


def devices_with(value: Any) -> tuple[devices.Device, ...]:
    """Return what is read from a signed cookie."""
    return devices.devices_of(request_with(value, name=DEVICE_7))


def session_with(**stored: Any) -> Any:
    """Return a request whose session holds ``stored``."""
    request: Any = request_from()
    request.session.update(stored)
    return request


def held(owner: Any, **fields: Any) -> dict[str, Any]:
    """Return what a session holds of a user at the second step, with other ``fields``."""
    request = request_from()
    owner.backend = MODEL_BACKEND
    sessions.hold_user(request, owner)
    return {**request.session[sessions.HELD_KEY], **fields}


class TestDeviceCookies:
    @wrong_values
    def test_a_cookie_of_another_shape_trusts_nothing(self, wrong: Any) -> None:
        assert devices_with(wrong) == ()
        assert devices_with([wrong]) == ()
        assert devices_with([wrong, wrong]) == ()
        assert devices_with([7, wrong]) == ()
        if type(wrong) is not int:
            assert devices_with([wrong, time.time()]) == ()

    @wrong_values
    def test_what_cannot_be_read_does_not_take_the_rest_with_it(self, wrong: Any) -> None:
        request = request_with([7, time.time() - 1], name=DEVICE_7)
        other = f"{devices.DEVICE_COOKIE}8"
        request.COOKIES[other] = signed(wrong, name=other)
        assert [device.phone_id for device in devices.devices_of(request)] == [7]

    def test_a_time_in_the_future_is_none_beyond_what_clocks_differ(self) -> None:
        assert devices_with([7, time.time() + 60])
        assert not devices_with([7, time.time() + AN_HOUR_AND_A_SECOND])

    @pytest.mark.django_db
    @wrong_values
    def test_a_login_works_whatever_the_cookie_holds(
        self, wrong: Any, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        PhoneFactory(number=NUMBER, trusted_since=NOON - timedelta(days=1))
        phone_id = Phone.objects.get().pk
        name = f"{devices.DEVICE_COOKIE}{phone_id}"
        browser.client.cookies[name] = signed([phone_id, wrong], name=name)
        browser.ask(NUMBER)
        assert not Verification.objects.get().is_trusted
        browser.answer(outbox[-1].code)
        assert is_logged_in(browser)


class TestSessions:
    @pytest.mark.django_db
    @pytest.mark.parametrize("name", KEYS)
    @wrong_values
    def test_a_login_works_whatever_the_session_holds(
        self, name: str, wrong: Any, browser: Browser, outbox: Outbox
    ) -> None:
        session = browser.client.session
        session[name] = wrong
        session.save()
        for page in PAGES:
            assert browser.client.get(page).status_code in (200, 302)
        browser.ask(NUMBER)
        session = browser.client.session
        session[name] = wrong
        session.save()
        browser.answer(outbox[-1].code)
        assert is_logged_in(browser)

    @wrong_values
    def test_an_event_at_no_time_did_not_happen(self, wrong: Any) -> None:
        request = session_with(**{sessions.EVENTS_KEY: {sessions.PROOF: wrong}})
        assert not sessions.has_event(request, sessions.PROOF)
        assert not sessions.has_event(request, sessions.PROOF, max_age=timedelta(minutes=5))
        sessions.record_event(request, sessions.PROOF)
        assert sessions.has_event(request, sessions.PROOF)

    def test_an_event_in_the_future_did_not_happen(self) -> None:
        future = time.time() + AN_HOUR_AND_A_SECOND
        request = session_with(**{sessions.EVENTS_KEY: {sessions.PROOF: future}})
        assert not sessions.has_event(request, sessions.PROOF)

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", ["user", "backend", "hash", "at"])
    @wrong_values
    def test_a_held_user_of_another_shape_is_nobody(self, name: str, wrong: Any) -> None:
        user: Any = UserFactory()
        assert sessions.held_user(session_with(**{sessions.HELD_KEY: held(user)})) == user
        request = session_with(**{sessions.HELD_KEY: held(user, **{name: wrong})})
        assert sessions.held_user(request) is None

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", ["user", "backend", "hash", "page", "at"])
    def test_a_held_user_without_a_field_is_nobody(self, name: str) -> None:
        stored = held(UserFactory())
        del stored[name]
        request = session_with(**{sessions.HELD_KEY: stored})
        assert name == "page" or sessions.held_user(request) is None
        assert bool(sessions.password_page(request)) is (name != "page")

    @pytest.mark.django_db
    @wrong_values
    def test_without_a_readable_password_page_the_second_step_starts_at_the_login(
        self, wrong: Any, browser: Browser, settings: Any
    ) -> None:
        session = browser.client.session
        session[sessions.HELD_KEY] = {**held(UserFactory(), at=0), "page": wrong}
        session.save()
        response = browser.client.get(reverse("django_flashcall:second_step"))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse(settings.LOGIN_URL))


class TestCookies:
    @wrong_values
    def test_a_browser_of_another_shape_is_none(self, wrong: Any) -> None:
        request = request_with(wrong, name=browsers.BROWSER_COOKIE)
        assert browsers.browser_of(request) is None

    @wrong_values
    def test_a_message_of_another_shape_is_none(self, wrong: Any) -> None:
        key = uuid4()
        request = request_with(wrong, name=f"{messages.MESSAGE_COOKIE}{key.hex}")
        shown = messages.read_message(request, key=key)
        assert shown == (wrong if isinstance(wrong, str) else "")


class TestPostedFields:
    VALUES = ("", "x", "-1", "9" * 5000, "\x00", "[]", "{}", "None", "1e300", "\u0661")

    @pytest.mark.django_db
    @pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:10])
    def test_a_hidden_field_of_the_first_page_may_hold_anything(
        self, value: str, browser: Browser
    ) -> None:
        browser.open(LOGIN)
        data = browser.data("Call me", number=NUMBER)
        for name in ("key", "next"):
            response = browser.client.post(LOGIN, {**data, name: value})
            assert response.status_code in (200, 302)

    @pytest.mark.django_db
    @pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:10])
    def test_a_field_of_the_code_page_may_hold_anything(self, value: str, browser: Browser) -> None:
        browser.ask(NUMBER)
        data = browser.data("Continue", code="12")
        for name in ("attempt_count", "checks", "channel", "next"):
            response = browser.client.post(browser.url, {**data, name: value})
            assert response.status_code in (200, 302)

    @pytest.mark.django_db
    @pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:10])
    def test_the_chosen_number_may_be_anything(self, value: str, browser: Browser) -> None:
        user: Any = UserFactory()
        PhoneFactory(user=user)
        browser.client.force_login(user, backend=PHONE_BACKEND)
        browser.open("/phone/again/")
        data = browser.data("Call me")
        response = browser.client.post("/phone/again/", {**data, "phone": value})
        assert response.status_code in (200, 302)


class TestCaches:
    @pytest.fixture(autouse=True)
    def _fresh(self) -> Any:
        cache.clear()
        decoys.past_calls.clear()
        yield
        cache.clear()
        decoys.past_calls.clear()

    @wrong_values
    def test_a_past_call_of_another_shape_is_not_imitated(self, wrong: Any) -> None:
        good = (0.25, "", True, time.time() - 1)
        calls = [(wrong, "", True, good[3]), (0.1, "", wrong, good[3]), (0.1, "", True, wrong)]
        for stored in (wrong, [wrong], [[wrong] * 4], *([call] for call in calls)):
            cache.set("flashcall.past_calls.voice", stored)
            decoys.remember(Channel.VOICE, seconds=0)
            decoys.imitate(Channel.VOICE, code="1234")
        cache.set("flashcall.past_calls.voice", [good, wrong])
        decoys.past_calls.clear()
        decoys.remember(Channel.VOICE, seconds=0)
        assert [call.seconds for call in decoys.past_calls[Channel.VOICE]] == [0.25, 0]

    @wrong_values
    def test_failures_that_are_no_number_are_none(self, wrong: Any) -> None:
        if type(wrong) is int and wrong > 0:
            return  # the provider failed as often as that
        cache.set("flashcall.failures.voice", wrong)
        with breaker.slot(Channel.VOICE):
            pass
        cache.set("flashcall.failures.voice", wrong)
        for _ in range(breaker.MAX_FAILURES):
            with pytest.raises(OSError), breaker.slot(Channel.VOICE):
                raise OSError
        assert cache.get("flashcall.failures.voice") == breaker.MAX_FAILURES

    @wrong_values
    def test_failed_calls_that_are_no_number_do_not_prevent_a_pause(self, wrong: Any) -> None:
        if type(wrong) is int and wrong > 0:
            return  # calls failed as often as that
        cache.set("flashcall.failed_calls.voice", wrong)
        for _ in range(breaker.MAX_FAILURES):
            with pytest.raises(OSError), breaker.decoy_slot(Channel.VOICE):
                raise OSError
        with pytest.raises(NotSent), breaker.decoy_slot(Channel.VOICE):
            pass
