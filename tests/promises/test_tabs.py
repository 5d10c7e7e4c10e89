"""A slow answer changes nothing in its browser, whatever another tab did while it was awaited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import Client
from django.urls import path

from django_flashcall.choices import AttemptStatus
from django_flashcall.models import Phone, VerificationAttempt
from django_flashcall.visitors import sessions
from tests import doubles, urls
from tests.browser import Browser, is_logged_in, user_of
from tests.constants import (
    AGAIN,
    CHANGE,
    CONFIRM,
    DISTANT,
    LOGIN,
    MODEL_BACKEND,
    NUMBER,
    OTHER,
    PASSWORD,
    Clock,
    Outbox,
)
from tests.factories import PhoneFactory

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

ENGINES = ("db", "cache", "cached_db", "file", "signed_cookies")
SERVER_SIDE = ENGINES[:-1]


def count_views(get_response: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Write into the session with every request, as the middleware of many a site does."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.session["views"] = request.session.get("views", 0) + 1
        return get_response(request)

    return middleware


@login_not_required
def shop(request: HttpRequest) -> HttpResponse:
    """Fill the basket of the visitor."""
    request.session["basket"] = ["book"]
    return HttpResponse("<p>In your basket</p>")


urlpatterns = [
    path("out/", LogoutView.as_view(next_page="/")),
    path("shop/", shop),
    *urls.urlpatterns,
]


@pytest.fixture(params=ENGINES, autouse=True)
def session_engine(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    settings.SESSION_FILE_PATH = str(tmp_path)
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["save-changes", "save-every-request"])
def saving(request: pytest.FixtureRequest, settings: Any) -> None:
    """Let Django save a session that was changed, or with every request."""
    settings.SESSION_SAVE_EVERY_REQUEST = request.param


@pytest.fixture(autouse=True)
def slow(flashcall: Any, db: None) -> Iterator[None]:
    flashcall(PROVIDER="tests.doubles.SlowProvider")
    yield
    # What fails in the other tab, an assertion too, fails the call.
    assert not VerificationAttempt.objects.exclude(status=AttemptStatus.ACCEPTED).exists()
    assert not doubles.meanwhile
    doubles.hooks.clear()


@pytest.fixture
def slow_tab(user: Any) -> Browser:
    """Return the browser of ``user``, with a number, who has just logged in by password."""
    PhoneFactory(number=DISTANT, user=user)
    browser = Browser()
    browser.client.login(username=user.username, password=PASSWORD)
    return browser


def meanwhile(act: Callable[[], Any]) -> None:
    """Do this in another tab, in the middle of the next answer of the provider."""
    doubles.meanwhile.append(act)


def log_in_with(browser: Browser, number: str, outbox: Outbox) -> None:
    """Have the number called, and type the digits."""
    browser.ask(number)
    browser.answer(next(call.code for call in outbox[::-1] if call.number == number))
    assert is_logged_in(browser)


def log_out(browser: Browser) -> None:
    """Press the button of the site that logs out."""
    tab = Client()  # without a token, which a page of the site would hold
    tab.cookies = browser.client.cookies
    tab.post("/out/")
    assert not is_logged_in(browser)


@pytest.mark.usefixtures("saving")
class TestSlowStart:
    def test_the_right_number_typed_meanwhile_can_be_finished_and_so_can_the_other(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        other_tab = browser.second_tab()
        meanwhile(lambda: other_tab.ask(OTHER))

        browser.ask(NUMBER)  # mistyped

        assert [call.number for call in outbox] == [NUMBER, OTHER]
        browser.open(browser.url)
        assert "+7 999 123-45-67" in browser.page.text
        other_tab.answer(outbox[1].code)
        assert user_of(other_tab) == Phone.objects.get(number=OTHER).user

    def test_a_login_meanwhile_stays(self, browser: Browser, outbox: Outbox) -> None:
        other_tab = browser.second_tab()
        meanwhile(lambda: log_in_with(other_tab, OTHER, outbox))

        browser.ask(NUMBER)

        assert user_of(browser) == Phone.objects.get(number=OTHER).user

    def test_a_login_by_password_meanwhile_stays(self, browser: Browser, user: Any) -> None:
        browser.open(LOGIN)
        meanwhile(lambda: browser.client.force_login(user, MODEL_BACKEND))

        browser.press("Call me", number=NUMBER)

        assert user_of(browser) == user

    def test_the_first_page_of_a_browser_can_be_finished_after_a_login_by_password(
        self, browser: Browser, user: Any
    ) -> None:
        tab = Client()
        tab.cookies = browser.client.cookies
        password = {"username": user.username, "password": PASSWORD}
        meanwhile(lambda: tab.post("/password/", password))

        browser.open(LOGIN)
        browser.press("Call me", number=NUMBER)

        assert user_of(browser) == user
        assert browser.page.title == "Enter the digits"

    def test_a_slow_answer_sets_no_cookie(self, browser: Browser, outbox: Outbox) -> None:
        browser.open(LOGIN)
        data = browser.data("Call me", number=NUMBER)
        other_tab = browser.second_tab()
        meanwhile(lambda: log_in_with(other_tab, OTHER, outbox))

        answer = browser.client.post(LOGIN, data)

        assert answer.status_code == 302
        assert not answer.cookies

    @pytest.mark.parametrize("page", [CONFIRM, CHANGE])
    def test_a_logout_meanwhile_stays(self, page: str, slow_tab: Browser) -> None:
        slow_tab.open(page)
        meanwhile(lambda: log_out(slow_tab))

        slow_tab.press("Call me", number=NUMBER)

        assert not is_logged_in(slow_tab)

    def test_a_proof_meanwhile_stays(self, slow_tab: Browser, outbox: Outbox) -> None:
        other_tab = slow_tab.second_tab()
        other_tab.open(AGAIN)
        other_tab.press("Call me")
        slow_tab.open(CONFIRM)
        meanwhile(lambda: other_tab.answer(outbox[0].code))

        slow_tab.press("Call me", number=NUMBER)

        assert sessions.PROOF in slow_tab.client.session[sessions.EVENTS_KEY]
        slow_tab.answer(outbox[1].code)
        assert Phone.objects.get(number=NUMBER).user == user_of(slow_tab)

    def test_a_second_step_finished_meanwhile_stays(
        self, browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        PhoneFactory(number=NUMBER, user=user)
        PhoneFactory(number=OTHER, user=user)
        browser.client = Client()
        browser.client.post("/password/", {"username": user.username, "password": PASSWORD})
        browser.open("/phone/second-step/")
        other_tab = browser.second_tab()
        other_tab.open("/phone/second-step/")
        first, second = (one["value"] for one in browser.page.elements("input", name="phone"))

        def finish() -> None:
            other_tab.press("Call me", phone=second)
            other_tab.answer(outbox[-1].code)

        meanwhile(finish)
        browser.press("Call me", phone=first)

        assert user_of(browser) == user
        assert sessions.HELD_KEY not in browser.client.session


@pytest.mark.usefixtures("saving")
class TestSlowResend:
    def test_a_login_meanwhile_stays(self, browser: Browser, outbox: Outbox, clock: Clock) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=2))
        browser.open(browser.url)
        other_tab = browser.second_tab()
        meanwhile(lambda: log_in_with(other_tab, OTHER, outbox))

        browser.press("Call again")

        assert user_of(browser) == Phone.objects.get(number=OTHER).user

    def test_a_refusal_is_told_and_a_login_meanwhile_stays(
        self, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        browser.ask(NUMBER)
        other_tab = browser.second_tab()
        refusals: list[str] = []

        def slow_hook(call: Any) -> str:
            if call.verification:
                log_in_with(other_tab, OTHER, outbox)
                refusals.append("deny")
            return "deny" if call.verification else "allow"

        doubles.hooks.append(slow_hook)
        flashcall(BEFORE_CALL="tests.doubles.ask_hook")
        page = browser.press("Call again")

        assert refusals
        assert "We cannot call this number." in page.text
        assert user_of(browser) == Phone.objects.get(number=OTHER).user


@pytest.mark.usefixtures("saving")
class TestDoubleClick:
    def test_the_answer_to_the_second_click_does_not_undo_the_login_of_the_first(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.open("/shop/")
        browser.ask(NUMBER)
        data = browser.data("Continue", code=outbox[0].code)
        code_page = browser.url
        second_click = Client(enforce_csrf_checks=True)
        second_click.cookies.load(browser.client.cookies.output(header="", sep=";"))
        browser.answer(outbox[0].code)

        answers = [
            second_click.post(code_page, guess)
            for guess in (data, {name: data[name] for name in data if name != "checks"})
        ]

        for answer in answers:
            browser.client.cookies.update(answer.cookies)
        assert is_logged_in(browser)


class TestOtherPartsOfASite:
    @pytest.mark.parametrize("session_engine", SERVER_SIDE, indirect=True)
    def test_a_login_meanwhile_stays_though_a_middleware_writes_into_each_session(
        self, settings: Any, slow_tab: Browser, outbox: Outbox
    ) -> None:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.promises.test_tabs.count_views"]
        slow_tab.open(CONFIRM)
        other_tab = slow_tab.second_tab()
        meanwhile(lambda: log_in_with(other_tab, OTHER, outbox))

        slow_tab.press("Call me", number=NUMBER)

        assert slow_tab.response.status_code == 200
        assert user_of(slow_tab) == Phone.objects.get(number=OTHER).user
        assert slow_tab.client.session["views"] > 1

    @pytest.mark.parametrize("session_engine", SERVER_SIDE, indirect=True)
    def test_what_the_sites_hook_writes_is_saved_before_the_call(
        self, slow_tab: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        def hook(call: Any) -> str:
            call.visitor.request.session["hook"] = "asked"
            return "allow"

        doubles.hooks.append(hook)
        flashcall(BEFORE_CALL="tests.doubles.ask_hook")
        slow_tab.open(CONFIRM)
        seen: list[str] = []
        meanwhile(lambda: seen.append(slow_tab.client.session["hook"]))
        meanwhile(lambda: log_out(slow_tab))

        slow_tab.press("Call me", number=NUMBER)

        assert seen == ["asked"]
        assert not is_logged_in(slow_tab)

    def test_a_login_meanwhile_stays_though_the_hook_has_a_captcha(
        self, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        def hook(call: Any) -> str:
            session = call.visitor.request.session
            session["captcha_solved"] = True  # as a form does
            return "allow" if session.pop("captcha_solved") else "challenge"

        browser.open("/shop/")
        doubles.hooks.append(hook)
        flashcall(BEFORE_CALL="tests.doubles.ask_hook")
        browser.open(LOGIN)
        other_tab = browser.second_tab()
        meanwhile(lambda: log_in_with(other_tab, OTHER, outbox))

        browser.press("Call me", number=NUMBER)

        assert user_of(browser) == Phone.objects.get(number=OTHER).user
        assert browser.client.session["basket"] == ["book"]

    @pytest.mark.parametrize("session_engine", SERVER_SIDE, indirect=True)
    def test_nobody_is_called_for_a_session_that_ended_before_the_call(
        self, slow_tab: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        def hook(call: Any) -> str:
            log_out(slow_tab)
            call.visitor.request.session["hook"] = "asked"
            return "allow"

        doubles.hooks.append(hook)
        flashcall(BEFORE_CALL="tests.doubles.ask_hook")
        slow_tab.open(CONFIRM)

        answer = slow_tab.client.post(CONFIRM, slow_tab.data("Call me", number=NUMBER))

        assert answer.status_code == 400
        assert not outbox
        assert not is_logged_in(slow_tab)
