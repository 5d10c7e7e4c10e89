"""The pages, used as a visitor uses them: without JavaScript, impatiently, and by strangers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth import get_user
from django.contrib.auth.models import AbstractBaseUser
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from django_flashcall import services
from django_flashcall.backends import PhoneBackend
from django_flashcall.choices import ErrorCode, VerificationStatus
from django_flashcall.exceptions import NotSent, OutcomeUnknown
from django_flashcall.limits import breaker
from django_flashcall.models import Phone, Verification, VerificationAttempt
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import Delivery, LocMemProvider
from django_flashcall.visitors.visitor import Visitor

from .browser import Browser, Page
from .factories import PhoneFactory, PriceFactory, UserFactory, VerificationFactory

pytestmark = pytest.mark.django_db

NUMBER = "+79991234567"
TYPED = "8 (999) 123-45-67"
SHOWN = "+7 999 123-45-67"
OTHER = "+79991234568"
NOON = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)  # 12:00 in Moscow
LOGIN = "/phone/login/"
LOST = "/phone/login/?lost"

Outbox = list[Delivery]


class LostProvider(LocMemProvider):
    """Takes every order, and its answer is lost."""

    def _deliver(self, *args: Any, **kwargs: Any) -> Answer:
        super()._deliver(*args, **kwargs)
        raise OutcomeUnknown("read timed out")


class DeadProvider(LocMemProvider):
    """Cannot be reached."""

    def _deliver(self, *args: Any, **kwargs: Any) -> Answer:
        raise NotSent("connection refused")


class BrokenProvider(LocMemProvider):
    """Has a mistake, and tells all it knows about it."""

    def _deliver(self, channel: Any, number: str, *, code: str) -> Answer:
        super()._deliver(channel, number, code=code)
        raise RuntimeError(f"number {number}, key secret-api-key")


class BrokenBackend(PhoneBackend):
    """Has a mistake where users are judged."""

    def may_log_in(self, user: AbstractBaseUser) -> bool:
        """Fail."""
        raise RuntimeError("the table is gone")


def broken_dialer(attempt_id: int) -> None:
    """Be a queue that cannot be reached."""
    raise RuntimeError("the queue is gone")


def idle_dialer(attempt_id: int) -> None:
    """Be a queue whose worker has not come to it yet."""


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Stop the time at noon in Moscow."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def browser() -> Browser:
    """Return a browser without cookies."""
    return Browser()


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """Return the error reports that the operators would get, with all local variables."""
    written: list[str] = []

    def report(request: HttpRequest, **kwargs: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        written.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    got_request_exception.connect(report)
    yield written
    got_request_exception.disconnect(report)


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    """Wrap every request into a transaction, as many sites do."""
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


def wrong(code: str) -> str:
    """Return a code of the same length that is not ``code``."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def the_verification() -> Verification:
    """Return the only verification."""
    return Verification.objects.get()


def fail_three_times(browser: Browser, code: str) -> Page:
    """Type three wrong codes."""
    for _ in range(3):
        browser.answer(wrong(code))
    return browser.page


def user_of(browser: Browser) -> Any:
    """Return who is logged in."""
    request = RequestFactory().get("/")
    request.session = browser.client.session
    return get_user(request)


def is_logged_in(browser: Browser) -> bool:
    """Tell whether the site knows who this is."""
    return bool(user_of(browser).is_authenticated)


# The way through


def test_a_visitor_types_a_number_and_the_digits_that_called_and_is_in(
    browser: Browser, outbox: Outbox
) -> None:
    page = browser.ask(TYPED)
    assert f"We are calling {SHOWN}" in page.text
    assert [(call.channel, call.number) for call in outbox] == [("flash_call", NUMBER)]

    browser.answer(outbox[0].code)

    assert browser.url == "/welcome/"
    assert user_of(browser) == Phone.objects.get().user


def test_the_whole_number_that_called_may_be_pasted(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    browser.answer(f"+7 495 000-{outbox[0].code}")

    assert is_logged_in(browser)


def test_a_known_number_logs_in_its_user(browser: Browser, outbox: Outbox) -> None:
    user = UserFactory()
    PhoneFactory(number=NUMBER, user=user)
    browser.ask(NUMBER)

    browser.answer(outbox[0].code)

    assert user_of(browser) == user


def test_a_lost_call_is_followed_by_a_voice_and_that_by_an_sms(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))
    page = browser.press("Get the code by voice call")
    assert "Answer the call: a voice will say a 4-digit code." in page.text
    clock.shift(timedelta(seconds=120))
    page = browser.press("Send an SMS")
    assert f"We have sent an SMS with the code to {SHOWN}" in page.text
    assert [call.channel for call in outbox] == ["flash_call", "voice", "sms"]

    browser.answer(outbox[-1].code)

    assert is_logged_in(browser)


@pytest.mark.parametrize("call", [0, 1])
def test_the_digits_of_either_of_two_calls_are_right(
    call: int, browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))
    browser.press("Call again")

    browser.answer(outbox[call].code)

    assert is_logged_in(browser)


def test_an_sms_is_offered_only_after_a_call_that_it_can_repeat(browser: Browser) -> None:
    assert "Send an SMS" in browser.ask(NUMBER).buttons


def test_no_sms_is_offered_where_no_call_was_accepted(browser: Browser, flashcall: Any) -> None:
    flashcall(OPTIONS={"error_code": "not_enough_money"})

    assert "Send an SMS" not in browser.ask(NUMBER).buttons


def test_no_further_call_is_offered_when_all_are_used(
    browser: Browser, clock: time_machine.Traveller, flashcall: Any
) -> None:
    flashcall(MAX_ATTEMPTS=2)
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))

    page = browser.press("Call again")

    assert page.buttons == ["Continue", "Change the number"]


def test_the_key_of_the_session_changes_with_the_login(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)
    before = browser.client.session.session_key

    browser.answer(outbox[0].code)

    assert browser.client.session.session_key != before
    assert not browser.client.session.exists(before)


def test_sessions_in_signed_cookies_work(browser: Browser, outbox: Outbox, settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    browser.ask(NUMBER)

    browser.answer(outbox[0].code)

    assert "welcome phone-" in browser.page.text


def test_a_session_cookie_that_is_rolled_back_gives_no_checks_back(
    browser: Browser, outbox: Outbox, settings: Any
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    browser.ask(NUMBER)
    guess = browser.data("Continue", code=wrong(outbox[0].code))
    del guess["checks"]  # which would tell that it was answered already
    cookie = browser.client.cookies["sessionid"].value

    for _ in range(4):
        browser.client.cookies["sessionid"] = cookie
        browser.client.post(browser.url, guess)

    assert the_verification().checks == 3


def test_no_page_header_or_session_holds_the_code(
    browser: Browser, outbox: Outbox, flashcall: Any
) -> None:
    flashcall(CODE_LENGTH=8)
    asked = browser.ask(NUMBER)
    code = outbox[0].code
    refused = browser.answer(wrong(code))

    for page in (asked, refused):
        assert code not in page.html
        assert wrong(code) not in page.html
    assert code not in str(browser.response.headers) + str(browser.response.cookies)
    assert code not in str(dict(browser.client.session))


def test_who_is_logged_in_may_be_sent_on_from_the_login_page(browser: Browser) -> None:
    browser.client.force_login(UserFactory(), backend="django_flashcall.backends.PhoneBackend")

    assert "Call me" in browser.open(LOGIN).buttons


# One click is one call


def test_a_double_click_is_one_call_and_both_answers_lead_to_the_same_page(
    browser: Browser, outbox: Outbox
) -> None:
    browser.open(LOGIN)
    data = browser.data("Call me", number=NUMBER)

    first = browser.client.post(LOGIN, data)
    second = browser.client.post(LOGIN, data)

    assert first.headers["Location"] == second.headers["Location"]
    assert len(outbox) == 1


def test_a_double_click_before_any_cookie_is_one_call(browser: Browser, outbox: Outbox) -> None:
    browser.open(LOGIN)
    data = browser.data("Call me", number=NUMBER)
    other = Client(enforce_csrf_checks=True)
    other.cookies["csrftoken"] = browser.client.cookies["csrftoken"].value

    first = browser.client.post(LOGIN, data)
    second = other.post(LOGIN, data)  # neither saw the session that the other one began

    assert first.headers["Location"] == second.headers["Location"]
    assert other.get(second.headers["Location"]).status_code == 200
    assert len(outbox) == 1


def test_the_number_typed_again_leads_to_the_call_that_was_placed(
    browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)
    code_page = browser.url

    browser.ask(TYPED)

    assert browser.url == code_page
    assert len(outbox) == 1


def test_a_form_sent_again_with_another_number_is_refused_and_heals(
    browser: Browser, outbox: Outbox
) -> None:
    browser.open(LOGIN)
    login_page = browser.second_tab()
    browser.press("Call me", number=NUMBER)

    page = login_page.press("Call me", number=OTHER)  # after the back button
    assert "This form was already sent with another number. Send it again." in page.text
    assert len(outbox) == 1

    login_page.press("Call me", number=OTHER)
    assert [call.number for call in outbox] == [NUMBER, OTHER]


def test_a_form_whose_key_was_mangled_heals(browser: Browser, outbox: Outbox) -> None:
    browser.open(LOGIN)
    browser.press("Call me", number=NUMBER, key="mangled")

    browser.press("Call me", number=NUMBER)

    assert len(outbox) == 1


def test_a_double_click_on_call_again_is_one_call(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))
    other_click = browser.second_tab()

    browser.press("Call again")
    page = other_click.press("Call again")

    assert len(outbox) == 2
    assert not page.title.startswith("Error:")


def test_a_double_click_on_call_again_is_one_call_however_slow_it_is(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))
    other_click = browser.second_tab()

    browser.press("Call again")
    clock.shift(timedelta(seconds=150))  # the cooldown is over
    other_click.press("Call again")

    assert len(outbox) == 2


@pytest.mark.parametrize("count", ["", "-1", "one", "²", "9" * 5000])
def test_a_mangled_count_of_calls_breaks_nothing(
    count: str, browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)

    page = browser.press("Call again", attempt_count=count)

    assert "You can ask again after 12:01." in page.text
    assert len(outbox) == 1


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_never_calls_and_never_spends_a_check(
    method: str, browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=3))
    everything = {
        "number": OTHER,
        "code": outbox[0].code,
        "channel": "voice",
        "cancel": "1",
        "attempt_count": "1",
    }

    for _ in range(20):
        for url in (LOGIN, browser.url):
            assert getattr(browser.client, method)(url, everything).status_code == 200

    verification = the_verification()
    assert len(outbox) == 1
    assert (verification.checks, verification.status) == (0, VerificationStatus.PENDING)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_other_methods_are_not_allowed(method: str, browser: Browser) -> None:
    browser.ask(NUMBER)
    client = Client()
    client.cookies = browser.client.cookies

    for url in (LOGIN, browser.url):
        assert getattr(client, method)(url).status_code == 405


def test_the_code_page_survives_a_reload_without_a_call(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    browser.open(browser.url)
    browser.answer(outbox[0].code)

    assert is_logged_in(browser)
    assert len(outbox) == 1


def test_the_code_page_of_a_finished_login_leads_on(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER, next_url="/?a=1")
    code_page = browser.url
    browser.answer(outbox[0].code)

    browser.open(code_page)  # the back button

    assert browser.url == "/?a=1"


def test_a_reload_of_a_wrong_code_costs_no_check(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)
    sent = browser.data("Continue", code=wrong(outbox[0].code))
    browser.press("Continue", code=wrong(outbox[0].code))

    reloaded = browser.client.post(browser.url, sent)

    assert (reloaded.status_code, reloaded.url) == (302, browser.url)
    assert the_verification().checks == 1
    browser.open(browser.url)
    browser.answer(outbox[0].code)
    assert is_logged_in(browser)


def test_a_reload_of_a_refused_call_calls_nobody(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    page = browser.press("Call again")
    assert "We have just called this number." in page.text
    assert browser.response.request["REQUEST_METHOD"] == "GET"

    clock.shift(timedelta(minutes=2))
    page = browser.open(browser.url)

    assert "We have just called this number." not in page.text
    assert len(outbox) == 1


def test_what_a_page_has_to_tell_is_told_there_and_nowhere_else(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    other = browser.second_tab()
    browser.client.post(browser.url, browser.data("Call again"))

    other.ask("+79997654321")
    assert "We have just called this number." not in other.page.text
    assert "We have just called this number." in browser.open(browser.url).text


def test_the_right_digits_sent_twice_lead_to_the_same_page(
    browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)
    other_click = browser.second_tab()
    browser.answer(outbox[0].code)
    # A login gives a new CSRF token, which only a click before its answer would not have.
    other_click.client = Client()
    other_click.client.cookies = browser.client.cookies

    other_click.answer(outbox[0].code)

    assert other_click.url == "/welcome/"


def test_a_double_click_on_continue_does_not_log_out_again(
    browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)
    data = browser.data("Continue", code=outbox[0].code)
    second_click = Client(enforce_csrf_checks=True)
    for name, cookie in browser.client.cookies.items():
        second_click.cookies[name] = cookie.value

    browser.client.post(browser.url, data)
    answer = second_click.post(browser.url, data)  # with the cookies of before the login

    assert "sessionid" not in answer.cookies, "it would delete the cookie of the login"
    browser.open(answer.headers["Location"])
    assert browser.url == "/welcome/"


def test_a_call_that_waits_in_a_queue_is_shown_as_being_placed(
    browser: Browser, outbox: Outbox, flashcall: Any
) -> None:
    flashcall(DIALER="tests.test_views.idle_dialer")

    page = browser.ask(NUMBER)

    assert f"We are calling {SHOWN}" in page.text
    assert "Continue" in page.buttons
    page = browser.answer("1234")
    assert "We do not know the code for this call yet." in page.text
    assert the_verification().checks == 0


# Who may see and do it


def test_every_post_needs_its_token(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    for url, data in [
        (LOGIN, {"number": OTHER}),
        (browser.url, {"code": outbox[0].code}),
        (browser.url, {"channel": "voice"}),
        (browser.url, {"cancel": "1"}),
    ]:
        assert browser.client.post(url, data).status_code == 403

    assert len(outbox) == 1
    assert the_verification().checks == 0
    assert the_verification().status == VerificationStatus.PENDING


def test_the_code_page_of_another_browser_does_not_exist(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)
    stranger = Client()

    answers = [
        stranger.get(browser.url),
        stranger.post(browser.url, {"code": outbox[0].code}),
        stranger.post(browser.url, {"channel": "voice"}),
        stranger.post(browser.url, {"cancel": "1"}),
    ]

    # A post is sent back to the page first, which a stranger may not see either.
    assert [answer.headers["Location"] for answer in answers] == [LOST] + [browser.url] * 3
    assert "_auth_user_id" not in stranger.session
    verification = the_verification()
    assert (verification.checks, verification.status) == (0, VerificationStatus.PENDING)
    assert len(outbox) == 1


def test_a_strange_code_page_and_one_that_never_was_look_the_same(browser: Browser) -> None:
    browser.ask(NUMBER)
    stranger = Client()

    existing = stranger.get(browser.url)
    missing = stranger.get(reverse("django_flashcall:code", args=[uuid4()]))

    assert existing.status_code == missing.status_code
    assert existing.headers == missing.headers


def test_two_tabs_with_two_numbers_do_not_disturb_each_other(
    browser: Browser, outbox: Outbox
) -> None:
    other_tab = browser.second_tab()
    browser.ask(NUMBER)
    page = other_tab.ask(OTHER)
    assert "+7 999 123-45-68" in page.text

    page = other_tab.answer(outbox[0].code if outbox[0].code != outbox[1].code else "0")
    assert page.title.startswith("Error:")
    browser.answer(outbox[0].code)

    assert browser.url == "/welcome/"
    assert user_of(browser) == Phone.objects.get(number=NUMBER).user


def test_a_tab_that_is_out_of_date_says_so_and_goes_on(browser: Browser, outbox: Outbox) -> None:
    other_tab = browser.second_tab()
    browser.ask(NUMBER)
    other_tab.ask(OTHER)
    browser.answer(outbox[0].code)

    page = other_tab.answer(outbox[1].code)

    assert other_tab.response.status_code == 403
    assert page.title == "This page is out of date"
    [link] = [one["href"] for one in page.elements("a")]
    other_tab.open(link)
    other_tab.answer(outbox[1].code)
    assert other_tab.url == "/welcome/"
    assert user_of(other_tab) == Phone.objects.get(number=OTHER).user


def test_without_cookies_the_page_says_what_to_do(browser: Browser) -> None:
    browser.open(LOGIN)
    browser.client.cookies.clear()

    page = browser.press("Call me", number=NUMBER)

    assert "If you see this every time, allow cookies for this site." in page.text


@pytest.mark.parametrize("minutes", [0, 1])
def test_the_page_says_how_long_the_code_is_good(
    browser: Browser, clock: time_machine.Traveller, minutes: int
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=minutes))

    page = browser.open(browser.url)

    assert "You can enter the code until 12:05 ." in page.text
    assert "counts as well" not in page.text


def test_after_another_call_both_codes_count_and_the_page_says_so(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))

    page = browser.press("Call again")

    assert "until 12:06 . An earlier code will also work." in page.text
    browser.answer(outbox[0].code)
    assert browser.url == "/welcome/"


def test_another_way_is_promised_only_where_there_is_one(browser: Browser, flashcall: Any) -> None:
    flashcall(CHANNELS=["flash_call"], OPTIONS={"error_code": "user_disabled"})

    page = browser.ask(NUMBER)

    assert "Choose another way" not in page.text
    assert "at the moment. Try again later." in page.text


def test_a_summary_links_only_to_what_is_on_the_page(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)
    for left in (2, 1, 0):
        page = browser.answer(wrong(outbox[0].code))
        targets = [one["href"] for one in page.elements("a")]
        assert targets == (["#id_code"] if left else [])


def test_a_verification_for_something_else_has_no_page_here(browser: Browser) -> None:
    verification = VerificationFactory(purpose="confirm")
    browser.open(LOGIN)
    session = browser.client.session
    session["flashcall"] = {str(verification.key): ""}
    session.save()
    browser.client.cookies["sessionid"] = session.session_key

    browser.open(reverse("django_flashcall:code", args=[verification.key]))

    assert browser.url == LOST
    assert "This browser no longer has that request" in browser.page.text
    assert "This browser no longer has" not in browser.open(LOGIN).text


def test_the_pages_open_to_strangers_where_a_login_is_required(browser: Browser) -> None:
    browser.open("/welcome/")

    assert browser.url == f"{LOGIN}?next=/welcome/"
    assert "Call me" in browser.page.buttons


def test_no_answer_is_kept_in_a_cache(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    for answer in (
        browser.client.get(LOGIN),
        browser.client.get(browser.url),
        browser.client.post(browser.url, browser.data("Continue", code="12")),
        browser.client.post(browser.url, browser.data("Continue", code=outbox[0].code)),
        browser.client.get(reverse("django_flashcall:code", args=[uuid4()])),
    ):
        assert "no-store" in answer.headers["Cache-Control"]
        assert "private" in answer.headers["Cache-Control"]


# Where to go afterwards


@pytest.mark.parametrize("next_url", ["/?a=1&b=2", "/welcome/?x=%D1%8F", "http://testserver/"])
def test_a_visitor_goes_where_he_wanted_to(next_url: str, browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER, next_url=next_url)

    browser.answer(outbox[0].code)

    assert browser.url == next_url


def test_where_to_go_is_kept_through_an_error(browser: Browser, outbox: Outbox) -> None:
    browser.ask("12", next_url="/?a=1")
    browser.press("Call me", number=NUMBER)
    browser.answer(wrong(outbox[0].code))

    browser.answer(outbox[0].code)

    assert browser.url == "/?a=1"


@pytest.mark.parametrize("ending", ["canceled", "expired", "exhausted"])
def test_where_to_go_is_kept_when_starting_again(
    ending: str, browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER, next_url="/?a=1")
    if ending == "expired":
        clock.shift(timedelta(minutes=11))
        browser.open(browser.url)
    if ending == "exhausted":
        fail_three_times(browser, outbox[0].code)
    browser.press("Change the number")
    browser.press("Call me", number=OTHER)

    browser.answer(outbox[-1].code)

    assert browser.url == "/?a=1"


@pytest.mark.parametrize("post", [False, True])
@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "http:evil.example",
        "http:///evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "data:text/html,evil",
        "\x08//evil.example",
        "\x00//evil.example",
        " //evil.example",
        "http://testserver@evil.example/",
        "http://evil.example:80:80/",
        "ftp://testserver/",
        "//[evil",
    ],
)
def test_nobody_is_sent_to_another_site(
    next_url: str, post: bool, browser: Browser, outbox: Outbox
) -> None:
    if post:
        browser.open(f"{LOGIN}?next=/")
        browser.press("Call me", number=NUMBER, next=next_url)
    else:
        browser.ask(NUMBER, next_url=next_url)

    browser.answer(outbox[0].code)

    assert browser.url == "/welcome/"


def test_what_the_code_page_is_told_to_go_to_does_not_count(
    browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)
    data = browser.data("Continue", code=outbox[0].code)

    answer = browser.client.post(f"{browser.url}?next=/a/", {**data, "next": "/b/"})

    assert answer.headers["Location"] == "/welcome/"


# Codes that open nothing


def test_a_wrong_code_says_how_many_tries_are_left(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    first = browser.answer(wrong(outbox[0].code))
    second = browser.answer(wrong(outbox[0].code))

    assert "The digits did not match. You have 2 tries left." in first.text
    assert "The digits did not match. You have 1 try left." in second.text
    assert second.title.startswith("Error: ")
    assert not is_logged_in(browser)


def test_the_third_wrong_code_ends_it(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    page = fail_three_times(browser, outbox[0].code)

    assert "The digits did not match, and no tries are left." in page.text
    assert page.buttons == ["Ask for a new code", "Change the number"]
    assert the_verification().checks == 3


def test_after_three_wrong_codes_the_right_one_is_too_late(
    browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)
    open_page = browser.second_tab()
    fail_three_times(browser, outbox[0].code)

    page = open_page.answer(outbox[0].code)

    assert "No tries are left" in page.text
    assert not is_logged_in(browser)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("", "Enter the digits."),
        ("   ", "Enter the digits."),
        ("12", "Too few digits: enter 4."),
        ("123456", "Too many digits: enter 4."),
        ("12ab", "Enter digits only."),
        ("١٢٣٤", "Enter digits only."),
        ("1\x002\x003", "Null characters are not allowed."),
    ],
)
def test_what_cannot_be_the_code_costs_nothing(
    typed: str, answer: str, browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)

    page = browser.answer(typed)

    assert answer in page.text
    assert the_verification().checks == 0
    assert browser.answer(outbox[0].code).text.startswith("welcome")


def test_a_code_that_came_too_late_is_said_to_have_expired(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=11))

    page = browser.answer(outbox[0].code)

    assert "The code has expired. Ask for a new one." in page.text
    assert page.buttons == ["Ask for a new code", "Change the number"]
    assert not is_logged_in(browser)


def test_one_click_asks_for_a_new_code_and_keeps_the_number(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER, next_url="/?a=1")
    clock.shift(timedelta(minutes=11))
    browser.open(browser.url)

    browser.press("Ask for a new code")
    browser.answer(outbox[-1].code)

    assert [call.number for call in outbox] == [NUMBER, NUMBER]
    assert browser.url == "/?a=1"


def test_a_new_code_is_not_to_be_had_before_the_number_has_rested(
    browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)
    fail_three_times(browser, outbox[0].code)

    page = browser.press("Ask for a new code")

    assert "We have just called this number. You can ask again after 12:01" in page.text
    assert len(outbox) == 1


def test_a_page_whose_code_has_expired_does_not_say_that_it_is_calling(
    browser: Browser, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=6))  # the code is dead, the verification is not

    page = browser.open(browser.url)

    assert "We are calling" not in page.text
    assert "Call again" in page.buttons


def test_after_the_code_has_expired_one_click_calls_the_same_number(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=6))
    browser.open(browser.url)

    browser.press("Call again")
    browser.answer(outbox[-1].code)

    assert [call.number for call in outbox] == [NUMBER, NUMBER]
    assert is_logged_in(browser)


def test_a_code_that_was_right_and_not_used_is_one_click_from_a_new_one(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    # As after the death of the process that had approved it.
    services.check_code(the_verification(), outbox[0].code, visitor=Visitor())
    clock.shift(timedelta(minutes=1))

    browser.open(browser.url)
    browser.press("Ask for a new code")
    browser.answer(outbox[-1].code)

    assert [call.number for call in outbox] == [NUMBER, NUMBER]
    assert is_logged_in(browser)


def test_the_page_offers_no_call_beyond_the_days(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller, flashcall: Any
) -> None:
    flashcall(DAILY_ATTEMPTS=2)
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))
    page = browser.press("Call again")
    assert page.buttons == ["Continue", "Change the number"]

    clock.shift(timedelta(minutes=11))
    page = browser.open(browser.url)
    assert page.buttons == ["Change the number"]
    assert "You can ask again after 5 March, 12:00." in page.text
    assert not page.elements("p", **{"class": "flashcall-ready", "data-flashcall-wait": ""})


def test_the_page_offers_no_sms_beyond_the_days(
    browser: Browser, clock: time_machine.Traveller, flashcall: Any
) -> None:
    flashcall(DAILY_SMS=1)
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))

    page = browser.press("Send an SMS")

    assert page.buttons[1:3] == ["Call again", "Get the code by voice call"]
    assert "Send an SMS" not in page.buttons
    data = browser.data("Call again") | {"channel": "sms"}
    clock.shift(timedelta(seconds=120))
    refused = Page(browser.client.post(browser.url, data, follow=True).content.decode())
    assert "Too many SMS messages to this number. Try again after 5 March, 12:01." in refused.text


def test_the_page_offers_no_channel_that_is_held_for_spam(
    browser: Browser, clock: time_machine.Traveller, flashcall: Any
) -> None:
    flashcall(OPTIONS={"error_code": "number_in_spam_list"})

    page = browser.ask(NUMBER)

    assert page.buttons == ["Get the code by voice call", "Change the number"]


def test_the_page_offers_no_call_that_comes_too_late(browser: Browser, flashcall: Any) -> None:
    flashcall(COOLDOWNS=[timedelta(minutes=9)])
    assert browser.ask(NUMBER).buttons == ["Continue", "Change the number"]


def test_an_ended_call_waits_for_the_checks_that_a_new_one_needs(
    browser: Browser, outbox: Outbox, clock: time_machine.Traveller, flashcall: Any
) -> None:
    flashcall(DAILY_FAILED_CHECKS=3)
    browser.ask(NUMBER)
    for _ in range(3):
        page = browser.answer(wrong(outbox[0].code))

    assert page.buttons == ["Change the number"]
    assert "You can ask again after 5 March" in page.text


def test_an_ended_call_says_whom_it_would_call_and_how(
    browser: Browser, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=11))

    page = browser.open(browser.url)

    assert f"The new code will be for {SHOWN}" in page.text
    assert "The code is the last 4 digits of the calling number." in page.text


def test_what_is_said_before_a_call_is_what_comes(browser: Browser, outbox: Outbox) -> None:
    PriceFactory(channel="flash_call", allowed=False)

    page = browser.open(LOGIN)
    assert "Answer the call: a voice will say a 4-digit code." in page.text
    browser.press("Call me", number=NUMBER)
    assert [call.channel for call in outbox] == ["voice"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("requested", "We are sending an SMS with the code to"),
        ("accepted", "We have sent an SMS with the code to"),
        ("unknown", "We do not know whether the SMS to"),
        ("rejected", "We cannot send an SMS to"),
    ],
)
def test_the_page_says_what_is_known_of_an_sms(
    status: str, said: str, browser: Browser, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(seconds=60))
    browser.press("Send an SMS")
    digest = {"code_digest": ""} if status == "rejected" else {}
    VerificationAttempt.objects.filter(channel="sms").update(status=status, **digest)

    assert said in browser.open(browser.url).text


def test_a_canceled_call_opens_nothing(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)
    open_page = browser.second_tab()
    browser.press("Change the number")
    assert browser.url.startswith(LOGIN)

    page = open_page.answer(outbox[0].code)

    assert "The code was already used, or the request was canceled." in page.text
    assert the_verification().status == VerificationStatus.CANCELED
    assert not is_logged_in(browser)


def test_after_a_change_of_the_number_the_other_one_is_called(
    browser: Browser, outbox: Outbox
) -> None:
    browser.ask(NUMBER)
    browser.press("Change the number")

    browser.press("Call me", number=OTHER)
    browser.answer(outbox[-1].code)

    assert user_of(browser) == Phone.objects.get(number=OTHER).user


def test_a_member_of_the_staff_is_refused(browser: Browser, outbox: Outbox) -> None:
    PhoneFactory(number=NUMBER, user=UserFactory(is_staff=True))
    browser.ask(NUMBER)

    page = browser.answer(outbox[0].code)

    assert "You cannot log in with this number. Log in another way." in page.text
    assert page.title.startswith("Error: ")
    assert page.buttons == ["Start again"]
    assert not is_logged_in(browser)


# Calls that were not placed


def test_busy_lines_are_told_where_the_number_was_typed(browser: Browser, flashcall: Any) -> None:
    flashcall(CONCURRENT_CALLS=1)
    with breaker.slot("flash_call"):
        page = browser.ask(TYPED)
    assert "We cannot place calls at the moment. Try again after 12:01." in page.text
    assert page.input("number")["value"] == TYPED
    assert "Enter the digits" not in page.text
    assert browser.press("Call me").input("code")


@pytest.mark.parametrize("error_code", [*ErrorCode.values, "something_new"])
def test_a_refusal_of_the_provider_is_told_in_our_own_words(
    error_code: str, browser: Browser, flashcall: Any
) -> None:
    flashcall(OPTIONS={"error_code": error_code})

    page = browser.ask(NUMBER)

    assert SHOWN in page.text
    assert "The call did not come through" in page.title
    assert error_code not in page.html
    assert str(dict(ErrorCode.choices).get(error_code, error_code)) not in page.html


@pytest.mark.parametrize(
    "error_code",
    ["number_is_empty", "number_not_valid", "number_not_permitted"],
)
def test_a_refused_number_is_to_be_looked_at(
    error_code: str, browser: Browser, flashcall: Any
) -> None:
    flashcall(OPTIONS={"error_code": error_code})

    page = browser.ask(NUMBER)

    assert f"{SHOWN} cannot be reached this way. Check the number" in page.text
    assert "Change the number" in page.buttons


@pytest.mark.parametrize(
    "error_code",
    [
        "not_enough_money",
        "authorisation_failed",
        "user_disabled",
        "unknown_request",
        "number_in_spam_list",
        "new_one",
    ],
)
def test_troubles_of_the_operator_are_not_the_visitors(
    error_code: str, browser: Browser, flashcall: Any
) -> None:
    flashcall(OPTIONS={"error_code": error_code})

    page = browser.ask(NUMBER)

    assert f"We cannot call {SHOWN} at the moment." in page.text


def test_a_dead_provider_is_told_of_like_any_trouble(browser: Browser, flashcall: Any) -> None:
    flashcall(PROVIDER="tests.test_views.DeadProvider")

    assert f"We cannot call {SHOWN} at the moment." in browser.ask(NUMBER).text


def test_a_queue_that_is_down_loses_no_visitor(
    browser: Browser, outbox: Outbox, flashcall: Any
) -> None:
    flashcall(DIALER="tests.test_views.broken_dialer")

    page = browser.ask(NUMBER)

    assert browser.response.status_code == 200
    assert "Change the number" in page.buttons
    assert "We are calling" not in page.text
    assert not outbox


@pytest.mark.parametrize("provider", ["LostProvider", "BrokenProvider"])
def test_a_lost_answer_is_admitted(provider: str, browser: Browser, flashcall: Any) -> None:
    flashcall(PROVIDER=f"tests.test_views.{provider}")

    page = browser.ask(NUMBER)

    assert f"We do not know whether the call to {SHOWN} came through." in page.text
    assert "If you get this call, its code will not work." in page.text
    assert "You can ask again after 12:01." in page.text
    assert "Continue" not in page.buttons


def test_the_code_of_a_voice_whose_answer_was_lost_works(
    browser: Browser, outbox: Outbox, flashcall: Any
) -> None:
    flashcall(PROVIDER="tests.test_views.LostProvider", CHANNELS=["voice"])
    page = browser.ask(NUMBER)
    assert "Answer the call: a voice will say a 4-digit code." in page.text

    browser.answer(outbox[0].code)

    assert is_logged_in(browser)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("", "Enter a phone number."),
        ("+7\x00999 1234567", "Null characters are not allowed."),
        ("12", "This is not a phone number. Check the digits. Example: +7 912 345-67-89."),
        ("999 FLOWERS", "Enter the number without letters or an extension. Example: +7 912"),
        (
            "+44 7912 345678",
            "We do not call numbers in this country, only numbers like +7 912",
        ),
        ("+7 495 123-45-67", "We only call mobile numbers, like +7 912 345-67-89."),
    ],
)
def test_a_number_that_may_not_be_called_is_refused_and_kept_for_mending(
    typed: str, answer: str, browser: Browser, outbox: Outbox
) -> None:
    page = browser.ask(typed)

    assert answer in page.text
    assert page.input("number").get("value", "") == typed
    assert page.title == "Error: Log in by phone"
    assert not outbox


def test_a_call_too_soon_says_when_to_ask_again(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    page = browser.press("Call again")

    assert "We have just called this number. You can ask again after 12:01." in page.text
    assert page.title.startswith("Error: ")
    assert "Continue" in page.buttons
    assert len(outbox) == 1


def test_another_browser_that_asks_too_soon_is_told_when(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)

    page = Browser().ask(NUMBER)

    assert "We have just called this number. You can ask again after 12:01." in page.text
    assert len(outbox) == 1


def test_a_blocked_number_is_not_called(browser: Browser, outbox: Outbox) -> None:
    PhoneFactory(number=NUMBER, blocked_at=NOON)

    page = browser.ask(NUMBER)

    assert "We do not call this number. Use another one." in page.text
    assert not outbox


def test_a_forbidden_destination_is_not_called(browser: Browser, outbox: Outbox) -> None:
    PriceFactory(prefix="+7999", allowed=False)

    page = browser.ask(NUMBER)

    assert "We do not call numbers of this kind." in page.text
    assert not outbox


def test_a_stopped_channel_is_not_used(browser: Browser, outbox: Outbox) -> None:
    PriceFactory(allowed=False)

    page = browser.ask(NUMBER)

    assert "We cannot call this number at the moment. Try again later" in page.text
    assert not outbox


@pytest.mark.parametrize("channel", ["fax", "\x00", "flash_call'"])
def test_a_channel_that_is_none_is_refused(
    channel: str, browser: Browser, outbox: Outbox, clock: time_machine.Traveller
) -> None:
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=2))
    data = browser.data("Call again") | {"channel": channel}

    page = Page(browser.client.post(browser.url, data, follow=True).content.decode())

    assert "This way of getting the code is not available right now." in page.text
    assert len(outbox) == 1


def test_too_many_numbers_from_one_address_have_to_wait(
    browser: Browser, outbox: Outbox, flashcall: Any
) -> None:
    flashcall(RATES={"start": ["1/h"]})
    browser.ask(NUMBER)

    page = Browser().ask(OTHER)

    assert re.search(r"Too many attempts\. Try again after \d\d:\d\d\.", page.text)
    assert page.input("number")["value"] == OTHER
    assert len(outbox) == 1


def test_too_many_codes_from_one_address_have_to_wait_and_cost_no_check(
    browser: Browser, outbox: Outbox, flashcall: Any
) -> None:
    flashcall(RATES={"check": ["1/h"]})
    browser.ask(NUMBER)
    browser.answer(wrong(outbox[0].code))

    page = browser.answer(outbox[0].code)

    assert re.search(r"Too many attempts\. Try again after \d\d:\d\d\.", page.text)
    assert the_verification().checks == 1


def test_call_again_counts_among_the_calls_of_an_address(
    browser: Browser, outbox: Outbox, flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(RATES={"start": ["1/h"]})
    browser.ask(NUMBER)
    clock.shift(timedelta(minutes=2))

    page = browser.press("Call again")

    assert "Too many attempts." in page.text
    assert len(outbox) == 1


# What strangers and operators must not learn


def anonymous(page: Page) -> str:
    """Return the page without what differs from one request to the next."""
    without_keys = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "KEY", page.html)
    return re.sub(r'(name="csrfmiddlewaretoken" value)="\w+"', r'\1="TOKEN"', without_keys)


def test_without_sign_up_a_stranger_cannot_tell_who_has_an_account(
    outbox: Outbox, flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(SIGN_UP=False)
    PhoneFactory(number=NUMBER, user=UserFactory())

    def story(number: str) -> list[str]:
        stranger = Browser()
        pages = [stranger.ask(number), stranger.answer("12"), stranger.press("Call again")]
        clock.shift(timedelta(seconds=60))
        pages.append(stranger.press("Get the code by voice call"))
        clock.shift(timedelta(seconds=-60))
        pages += [stranger.answer(guess) for guess in wrong_for(outbox)]
        return [anonymous(page).replace(number[-2:], "NN") for page in pages]

    known = story(NUMBER)
    assert len(outbox) == 2
    unknown = story(OTHER)

    assert len(outbox) == 2
    assert unknown == known


def wrong_for(outbox: Outbox) -> list[str]:
    """Return three codes that none of the calls carried."""
    sent = {call.code for call in outbox}
    return [code for code in ("0000", "1111", "2222", "3333", "4444") if code not in sent][:3]


def test_without_sign_up_no_code_opens_a_decoy(browser: Browser, flashcall: Any) -> None:
    flashcall(SIGN_UP=False, MAX_CHECKS=10)
    browser.ask(NUMBER)

    for code in range(10):
        browser.answer(f"{code:04}")

    assert the_verification().checks == 10
    assert not is_logged_in(browser)


def test_the_number_and_the_code_are_marked_as_not_to_be_shown(
    browser: Browser, flashcall: Any
) -> None:
    browser.open(LOGIN)
    flashcall(PROVIDER="no.such.Provider")
    browser.client.raise_request_exception = False

    browser.press("Call me", number=NUMBER)

    request: Any = browser.response.wsgi_request  # type: ignore[attr-defined]
    assert browser.response.status_code == 500
    assert set(request.sensitive_post_parameters) == {"number", "code"}


def test_a_broken_provider_shows_its_mistake_to_nobody(
    browser: Browser, flashcall: Any, reports: list[str]
) -> None:
    flashcall(PROVIDER="tests.test_views.BrokenProvider")

    page = browser.ask(NUMBER)

    assert browser.response.status_code == 200
    assert "secret-api-key" not in page.html
    assert not reports


def assert_nowhere(secret: str, reports: list[str]) -> None:
    """See that no report holds the secret, and name the line that does."""
    assert reports, "nothing failed"
    for report in reports:
        assert [line.strip() for line in report.splitlines() if secret in line] == []


@pytest.mark.parametrize("spelling", [NUMBER, TYPED])
def test_the_report_of_an_error_holds_no_number(
    spelling: str, browser: Browser, flashcall: Any, reports: list[str]
) -> None:
    browser.open(LOGIN)
    flashcall(PROVIDER="no.such.Provider")
    browser.client.raise_request_exception = False

    browser.press("Call me", number=spelling)

    assert browser.response.status_code == 500
    assert_nowhere(spelling, reports)
    assert_nowhere(NUMBER, reports)


def test_the_report_of_an_error_holds_no_code(
    browser: Browser, outbox: Outbox, flashcall: Any, reports: list[str], settings: Any
) -> None:
    flashcall(CODE_LENGTH=8)
    browser.ask(NUMBER)
    settings.AUTHENTICATION_BACKENDS = ["tests.test_views.BrokenBackend"]
    browser.client.raise_request_exception = False

    browser.answer(outbox[0].code)

    assert browser.response.status_code == 500
    assert_nowhere(outbox[0].code, reports)
    assert_nowhere(NUMBER, reports)


# Inside transactions


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("atomic_requests")
def test_a_site_with_atomic_requests_logs_in(browser: Browser, outbox: Outbox) -> None:
    browser.ask(NUMBER)
    browser.answer(outbox[0].code)

    assert is_logged_in(browser)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("atomic_requests")
def test_a_wrong_code_stays_counted_whatever_the_request_does(
    browser: Browser, outbox: Outbox, settings: Any
) -> None:
    browser.ask(NUMBER)
    browser.answer(wrong(outbox[0].code))
    settings.AUTHENTICATION_BACKENDS = ["tests.test_views.BrokenBackend"]
    browser.client.raise_request_exception = False

    browser.answer(outbox[0].code)

    assert browser.response.status_code == 500
    assert the_verification().checks == 2


# In Russian


class RussianBrowser(Browser):
    """Asks for Russian pages."""

    def __init__(self) -> None:
        super().__init__(Client(enforce_csrf_checks=True, headers={"accept-language": "ru"}))

    def ask(self, number: str, *, next_url: str = "") -> Page:
        """Open the login page, type a number and have it called."""
        self.open(LOGIN)
        return self.press("Позвонить мне", number=number)

    def answer(self, code: str) -> Page:
        """Type the digits."""
        return self.press("Продолжить", code=code)


def is_russian(page: Page) -> bool:
    """Tell whether all that is read on a page is Russian, the names of things aside."""
    foreign = set(re.findall(r"[A-Za-z]{2,}", f"{page.title} {page.text}"))
    return not foreign - {"SMS"} and page.elements("html")[0]["lang"] == "ru"


def test_the_pages_speak_russian(outbox: Outbox) -> None:
    visitor = RussianBrowser()
    assert is_russian(visitor.open(LOGIN))
    assert is_russian(visitor.ask("12"))
    assert is_russian(visitor.ask(NUMBER))

    page = visitor.answer(wrong(outbox[0].code))
    assert "Осталось 2 попытки ввода." in page.text
    assert is_russian(page)
    page = visitor.answer(wrong(outbox[0].code))
    assert "Осталась 1 попытка ввода." in page.text
    page = visitor.answer(wrong(outbox[0].code))
    assert page.title.startswith("Ошибка: ")
    assert is_russian(page)


def test_the_pages_after_a_refused_call_speak_russian(flashcall: Any) -> None:
    flashcall(OPTIONS={"error_code": "not_enough_money"})

    assert is_russian(RussianBrowser().ask(NUMBER))


def test_the_pages_of_every_channel_speak_russian(clock: time_machine.Traveller) -> None:
    visitor = RussianBrowser()
    page = visitor.ask(NUMBER)
    way_by_voice, way_by_sms = page.buttons[2:4]
    clock.shift(timedelta(seconds=60))
    assert is_russian(visitor.press(way_by_voice))
    clock.shift(timedelta(seconds=120))
    assert is_russian(visitor.press(way_by_sms))
    clock.shift(timedelta(minutes=11))
    assert is_russian(visitor.open(visitor.url))
