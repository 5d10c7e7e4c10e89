"""Double clicks, reloads and several tabs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from django_flashcall.choices import VerificationStatus
from django_flashcall.models import Phone
from django_flashcall.visitors.sessions import MAX_URL_LENGTH
from tests.browser import Browser, is_logged_in, user_of
from tests.constants import (
    AGAIN,
    CONFIRM,
    LOGIN,
    LOST,
    NUMBER,
    OTHER,
    PASSWORD,
    TYPED,
    VISITOR,
    Clock,
    Outbox,
)
from tests.factories import PhoneFactory, UserFactory
from tests.logins import start, the_verification, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


class TestDoubleClicks:
    def test_a_double_click_is_one_call_and_both_answers_lead_to_the_same_page(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.open(LOGIN)
        data = browser.data("Call me", number=NUMBER)

        first = browser.client.post(LOGIN, data)
        second = browser.client.post(LOGIN, data)

        assert first.headers["Location"] == second.headers["Location"]
        assert len(outbox) == 1

    def test_a_double_click_before_any_cookie_is_one_call(
        self, browser: Browser, outbox: Outbox
    ) -> None:
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
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        code_page = browser.url

        browser.ask(TYPED)

        assert browser.url == code_page
        assert len(outbox) == 1

    def test_a_form_sent_again_with_another_number_is_refused_and_heals(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.open(LOGIN)
        login_page = browser.second_tab()
        browser.press("Call me", number=NUMBER)

        page = login_page.press("Call me", number=OTHER)  # after the back button
        assert "This form was already sent with another number. Send it again." in page.text
        assert len(outbox) == 1

        login_page.press("Call me", number=OTHER)
        assert [call.number for call in outbox] == [NUMBER, OTHER]

    def test_a_form_whose_key_was_mangled_heals(self, browser: Browser, outbox: Outbox) -> None:
        browser.open(LOGIN)
        browser.press("Call me", number=NUMBER, key="mangled")

        browser.press("Call me", number=NUMBER)

        assert len(outbox) == 1

    def test_a_double_click_on_call_again_is_one_call(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(seconds=60))
        other_click = browser.second_tab()

        browser.press("Call again")
        page = other_click.press("Call again")

        assert len(outbox) == 2
        assert not page.title.startswith("Error:")

    def test_a_double_click_on_call_again_is_one_call_however_slow_it_is(
        self, browser: Browser, outbox: Outbox, clock: Clock
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
        self, count: str, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)

        page = browser.press("Call again", attempt_count=count)

        assert "You can ask again after 12:01." in page.text
        assert len(outbox) == 1

    def test_the_right_digits_sent_twice_lead_to_the_same_page(
        self, browser: Browser, outbox: Outbox
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
        self, browser: Browser, outbox: Outbox
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


class TestOneFormInManyBrowsers:
    """A page that is cached for many gives each of them the same form."""

    def key_of(self, browser: Browser) -> str:
        return str(browser.page.input("key")["value"])

    def two_browsers(self) -> tuple[Browser, Browser]:
        first, second = Browser(), Browser()
        first.open(LOGIN)
        second.open(LOGIN)
        return first, second

    def test_another_number_is_called_for_the_second_browser(self, outbox: Outbox) -> None:
        first, second = self.two_browsers()
        key = self.key_of(first)

        first.press("Call me", number=NUMBER)
        second.press("Call me", number=OTHER, key=key)

        assert [call.number for call in outbox] == [NUMBER, OTHER]
        second.answer(outbox[1].code)
        assert user_of(second) == Phone.objects.get(number=OTHER).user
        assert not is_logged_in(first)

    def test_the_same_number_is_not_one_verification(self, outbox: Outbox, clock: Clock) -> None:
        first, second = self.two_browsers()
        key = self.key_of(first)
        first.press("Call me", number=NUMBER)

        page = second.press("Call me", number=NUMBER, key=key)
        assert "We have just called this number." in page.text
        assert second.open(first.url).title == "Log in by phone"
        assert len(outbox) == 1

        clock.shift(timedelta(minutes=2))
        second.press("Call me", number=NUMBER, key=key)
        assert second.url != first.url
        second.answer(outbox[1].code)
        assert is_logged_in(second)
        assert not is_logged_in(first)

    def test_two_browsers_without_any_cookie_are_two(self, outbox: Outbox) -> None:
        data = {"number": NUMBER, "key": str(uuid4())}
        first, second = Client(), Client()

        begun = first.post(LOGIN, data)
        refused = second.post(LOGIN, data)

        assert (begun.status_code, refused.status_code) == (302, 200)
        assert second.get(begun.headers["Location"]).headers["Location"] == LOST
        first.post(begun.headers["Location"], {"code": outbox[0].code})
        assert "_auth_user_id" in first.session
        assert "_auth_user_id" not in second.session

    def test_a_browser_without_any_cookie_gets_a_fresh_form(self, outbox: Outbox) -> None:
        first, second = self.two_browsers()
        second.client.cookies.clear()
        key = self.key_of(first)

        page = second.press("Call me", number=OTHER, key=key)
        assert page.title == "This page is out of date"
        assert not outbox
        second.open(page.elements("a")[0]["href"])
        second.press("Call me", number=OTHER)
        first.press("Call me", number=NUMBER)

        assert [call.number for call in outbox] == [OTHER, NUMBER]

    def test_the_next_user_of_a_browser_has_a_verification_of_their_own(
        self, outbox: Outbox, clock: Clock
    ) -> None:
        users = UserFactory.create_batch(2)
        data = {"number": NUMBER, "key": str(uuid4())}
        pages = []
        tab = Client()
        for user in users:
            tab.force_login(user, backend="django_flashcall.backends.PhoneBackend")
            pages.append(tab.post(CONFIRM, data).headers["Location"])
            clock.shift(timedelta(minutes=2))

        assert pages[0] != pages[1]
        assert len(outbox) == 2
        assert "123-45-67" in tab.get(pages[1]).text
        assert tab.get(pages[0]).status_code == 302

    def test_a_number_that_was_used_is_masked_after_the_logout(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        code_page = browser.url
        browser.answer(outbox[0].code)
        del browser.client.cookies["sessionid"]

        page = browser.open(code_page)

        assert browser.url == code_page
        assert "123-45-67" not in page.html

    def test_a_number_that_was_not_used_is_forgotten_with_the_logout(
        self, browser: Browser, user: Any
    ) -> None:
        browser.ask(NUMBER)
        code_page = browser.url
        browser.client.login(username=user.username, password=PASSWORD)

        tab = Client()  # without a token, which a page would hold
        tab.cookies = browser.client.cookies
        tab.post(AGAIN, {"login_again": "yes"})

        assert not is_logged_in(browser)
        assert "value" not in browser.open(LOGIN).input("number")
        assert "123-45-67" not in browser.open(code_page).html


class TestLongUrls:
    @pytest.mark.parametrize("length", [501, 2048])
    def test_a_url_that_is_too_long_is_left_out_and_the_visitor_logs_in(
        self, length: int, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER, next_url="/" + "x" * (length - 1))
        assert the_verification().next_url == ""

        browser.answer(outbox[0].code)

        assert browser.url == "/welcome/"

    def test_a_url_of_the_longest_length_is_kept(self, browser: Browser, outbox: Outbox) -> None:
        longest = "/?" + "x" * (MAX_URL_LENGTH - 2)
        browser.ask(NUMBER, next_url=longest)
        browser.answer(outbox[0].code)
        assert browser.url == longest

    @pytest.mark.parametrize("url", ["/phone/second-step/", AGAIN])
    def test_a_url_that_is_too_long_is_left_out_on_the_way_to_the_login(
        self, url: str, browser: Browser, user: Any
    ) -> None:
        if url == AGAIN:
            PhoneFactory(number=NUMBER, user=user)
            browser.client.login(username=user.username, password=PASSWORD)
        data = {"next": "/" + "\u4e2d" * 2040, "login_again": "yes"}
        tab = Client()
        tab.cookies = browser.client.cookies

        answer = tab.post(f"{url}?{urlencode(data)}", data)

        assert (answer.status_code, answer.headers["Location"]) == (302, f"{LOGIN}?next=")

    def test_a_url_of_a_program_that_is_too_long_is_left_out(self) -> None:
        verification = start(visitor=replace(VISITOR, next_url="/" + "x" * MAX_URL_LENGTH))
        assert verification.next_url == ""

    def test_the_number_typed_again_leads_to_the_url_requested_last(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER, next_url="/?a=1")
        browser.ask(NUMBER, next_url="/?a=2")
        browser.answer(outbox[0].code)
        assert browser.url == "/?a=2"


class TestReloads:
    @pytest.mark.parametrize("method", ["get", "head"])
    def test_looking_never_calls_and_never_spends_a_check(
        self, method: str, browser: Browser, outbox: Outbox, clock: Clock
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
    def test_other_methods_are_not_allowed(self, method: str, browser: Browser) -> None:
        browser.ask(NUMBER)
        client = Client()
        client.cookies = browser.client.cookies

        for url in (LOGIN, browser.url):
            assert getattr(client, method)(url).status_code == 405

    def test_the_code_page_survives_a_reload_without_a_call(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)

        browser.open(browser.url)
        browser.answer(outbox[0].code)

        assert is_logged_in(browser)
        assert len(outbox) == 1

    def test_the_code_page_of_a_finished_login_leads_on(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER, next_url="/?a=1")
        code_page = browser.url
        browser.answer(outbox[0].code)

        browser.open(code_page)  # the back button

        assert browser.url == "/?a=1"

    def test_a_reload_of_a_wrong_code_costs_no_check(
        self, browser: Browser, outbox: Outbox
    ) -> None:
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
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        page = browser.press("Call again")
        assert "We have just called this number." in page.text
        assert browser.response.request["REQUEST_METHOD"] == "GET"

        clock.shift(timedelta(minutes=2))
        page = browser.open(browser.url)

        assert "We have just called this number." not in page.text
        assert len(outbox) == 1

    def test_a_message_is_shown_on_its_page_and_nowhere_else(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        other = browser.second_tab()
        browser.client.post(browser.url, browser.data("Call again"))

        other.ask("+79997654321")
        assert "We have just called this number." not in other.page.text
        assert "We have just called this number." in browser.open(browser.url).text


class TestTabs:
    def test_the_code_page_of_another_browser_does_not_exist(
        self, browser: Browser, outbox: Outbox
    ) -> None:
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

    def test_a_strange_code_page_and_one_that_never_was_look_the_same(
        self, browser: Browser
    ) -> None:
        browser.ask(NUMBER)
        stranger = Client()

        existing = stranger.get(browser.url)
        missing = stranger.get(reverse("django_flashcall:code", args=[uuid4()]))

        assert existing.status_code == missing.status_code
        assert existing.headers == missing.headers

    def test_two_tabs_with_two_numbers_do_not_disturb_each_other(
        self, browser: Browser, outbox: Outbox
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

    def test_a_tab_that_is_out_of_date_says_so_and_goes_on(
        self, browser: Browser, outbox: Outbox
    ) -> None:
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

    def test_without_cookies_the_page_says_what_to_do(self, browser: Browser) -> None:
        browser.open(LOGIN)
        browser.client.cookies.clear()

        page = browser.press("Call me", number=NUMBER)

        assert "If you see this every time, allow cookies for this site." in page.text
