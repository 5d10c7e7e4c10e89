"""What pages, answers and error reports do not tell, and the languages of the pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.test import Client
from django.views.debug import ExceptionReporter

from tests.browser import Browser, Page, is_logged_in
from tests.constants import LOGIN, NUMBER, OTHER, TYPED, Clock, Outbox
from tests.factories import PhoneFactory, UserFactory
from tests.logins import the_verification, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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


def anonymous(page: Page) -> str:
    """Return the page without what differs from one request to the next."""
    without_keys = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "KEY", page.html)
    return re.sub(r'(name="csrfmiddlewaretoken" value)="\w+"', r'\1="TOKEN"', without_keys)


def wrong_for(outbox: Outbox) -> list[str]:
    """Return three codes that none of the calls carried."""
    sent = {call.code for call in outbox}
    return [code for code in ("0000", "1111", "2222", "3333", "4444") if code not in sent][:3]


def assert_nowhere(secret: str, reports: list[str]) -> None:
    """Assert that no report contains the secret, and name the line that does."""
    assert reports, "nothing failed"
    for report in reports:
        assert [line.strip() for line in report.splitlines() if secret in line] == []


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
    """Return whether all that is read on a page is Russian, except proper names."""
    foreign = set(re.findall(r"[A-Za-z]{2,}", f"{page.title} {page.text}"))
    return not foreign - {"SMS"} and page.elements("html")[0]["lang"] == "ru"


class TestDecoys:
    def test_without_sign_up_a_stranger_cannot_tell_who_has_an_account(
        self, outbox: Outbox, flashcall: Any, clock: Clock
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

    def test_without_sign_up_no_code_opens_a_decoy(self, browser: Browser, flashcall: Any) -> None:
        flashcall(SIGN_UP=False, MAX_CHECKS=10)
        browser.ask(NUMBER)

        for code in range(10):
            browser.answer(f"{code:04}")

        assert the_verification().checks == 10
        assert not is_logged_in(browser)


class TestReports:
    def test_everything_that_was_posted_is_marked_as_not_to_be_shown(
        self, browser: Browser, flashcall: Any
    ) -> None:
        browser.open(LOGIN)
        flashcall(PROVIDER="no.such.Provider")
        browser.client.raise_request_exception = False

        browser.press("Call me", number=NUMBER)

        request: Any = browser.response.wsgi_request  # type: ignore[attr-defined]
        assert browser.response.status_code == 500
        assert request.sensitive_post_parameters == "__ALL__"

    def test_a_broken_provider_shows_its_mistake_to_nobody(
        self, browser: Browser, flashcall: Any, reports: list[str]
    ) -> None:
        flashcall(PROVIDER="tests.doubles.BrokenProvider")

        page = browser.ask(NUMBER)

        assert browser.response.status_code == 200
        assert "secret-api-key" not in page.html
        assert not reports

    @pytest.mark.parametrize("spelling", [NUMBER, TYPED])
    def test_the_report_of_an_error_holds_no_number(
        self, spelling: str, browser: Browser, flashcall: Any, reports: list[str]
    ) -> None:
        browser.open(LOGIN)
        flashcall(PROVIDER="no.such.Provider")
        browser.client.raise_request_exception = False

        browser.press("Call me", number=spelling)

        assert browser.response.status_code == 500
        assert_nowhere(spelling, reports)
        assert_nowhere(NUMBER, reports)

    def test_the_report_of_an_error_holds_no_code(
        self, browser: Browser, outbox: Outbox, flashcall: Any, reports: list[str], settings: Any
    ) -> None:
        flashcall(CODE_LENGTH=8)
        browser.ask(NUMBER)
        settings.AUTHENTICATION_BACKENDS = ["tests.doubles.BrokenBackend"]
        browser.client.raise_request_exception = False

        browser.answer(outbox[0].code)

        assert browser.response.status_code == 500
        assert_nowhere(outbox[0].code, reports)
        assert_nowhere(NUMBER, reports)


class TestAtomicRequests:
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("atomic_requests")
    def test_a_site_with_atomic_requests_logs_in(self, browser: Browser, outbox: Outbox) -> None:
        browser.ask(NUMBER)
        browser.answer(outbox[0].code)

        assert is_logged_in(browser)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("atomic_requests")
    def test_a_wrong_code_stays_counted_whatever_the_request_does(
        self, browser: Browser, outbox: Outbox, settings: Any
    ) -> None:
        browser.ask(NUMBER)
        browser.answer(wrong(outbox[0].code))
        settings.AUTHENTICATION_BACKENDS = ["tests.doubles.BrokenBackend"]
        browser.client.raise_request_exception = False

        browser.answer(outbox[0].code)

        assert browser.response.status_code == 500
        assert the_verification().checks == 2


class TestRussian:
    def test_the_pages_speak_russian(self, outbox: Outbox) -> None:
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

    def test_the_pages_after_a_refused_call_speak_russian(self, flashcall: Any) -> None:
        flashcall(OPTIONS={"error_code": "not_enough_money"})

        assert is_russian(RussianBrowser().ask(NUMBER))

    def test_the_pages_of_every_channel_speak_russian(self, clock: Clock) -> None:
        visitor = RussianBrowser()
        page = visitor.ask(NUMBER)
        way_by_voice, way_by_sms = page.buttons[2:4]
        clock.shift(timedelta(seconds=60))
        assert is_russian(visitor.press(way_by_voice))
        clock.shift(timedelta(seconds=120))
        assert is_russian(visitor.press(way_by_sms))
        clock.shift(timedelta(minutes=11))
        assert is_russian(visitor.open(visitor.url))
