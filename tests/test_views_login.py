"""Logging in on the pages: the way through, where it leads, and who is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse

from django_flashcall.choices import VerificationStatus
from django_flashcall.models import Phone
from tests.browser import Browser, fail_three_times, is_logged_in, user_of
from tests.constants import LOGIN, LOST, NUMBER, OTHER, SHOWN, TYPED, Clock, Outbox
from tests.factories import PhoneFactory, UserFactory, VerificationFactory
from tests.logins import the_verification, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


class TestLoggingIn:
    def test_a_visitor_types_a_number_and_the_digits_that_called_and_is_in(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        page = browser.ask(TYPED)
        assert f"We are calling {SHOWN}" in page.text
        assert [(call.channel, call.number) for call in outbox] == [("flash_call", NUMBER)]

        browser.answer(outbox[0].code)

        assert browser.url == "/welcome/"
        assert user_of(browser) == Phone.objects.get().user

    def test_the_whole_number_that_called_may_be_pasted(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)

        browser.answer(f"+7 495 000-{outbox[0].code}")

        assert is_logged_in(browser)

    def test_a_known_number_logs_in_its_user(self, browser: Browser, outbox: Outbox) -> None:
        user = UserFactory()
        PhoneFactory(number=NUMBER, user=user)
        browser.ask(NUMBER)

        browser.answer(outbox[0].code)

        assert user_of(browser) == user

    def test_a_lost_call_is_followed_by_a_voice_and_that_by_an_sms(
        self, browser: Browser, outbox: Outbox, clock: Clock
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
        self, call: int, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(seconds=60))
        browser.press("Call again")

        browser.answer(outbox[call].code)

        assert is_logged_in(browser)

    def test_an_sms_is_offered_only_after_a_call_that_it_can_repeat(self, browser: Browser) -> None:
        assert "Send an SMS" in browser.ask(NUMBER).buttons

    def test_no_sms_is_offered_where_no_call_was_accepted(
        self, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(OPTIONS={"error_code": "not_enough_money"})

        assert "Send an SMS" not in browser.ask(NUMBER).buttons

    def test_no_further_call_is_offered_when_all_are_used(
        self, browser: Browser, clock: Clock, flashcall: Any
    ) -> None:
        flashcall(MAX_ATTEMPTS=2)
        browser.ask(NUMBER)
        clock.shift(timedelta(seconds=60))

        page = browser.press("Call again")

        assert page.buttons == ["Continue", "Change the number"]

    def test_the_key_of_the_session_changes_with_the_login(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        before = browser.client.session.session_key

        browser.answer(outbox[0].code)

        assert browser.client.session.session_key != before
        assert not browser.client.session.exists(before)

    def test_sessions_in_signed_cookies_work(
        self, browser: Browser, outbox: Outbox, settings: Any
    ) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
        browser.ask(NUMBER)

        browser.answer(outbox[0].code)

        assert "welcome phone-" in browser.page.text

    def test_cookies_that_are_rolled_back_give_no_checks_back(
        self, browser: Browser, outbox: Outbox, settings: Any
    ) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
        browser.ask(NUMBER)
        guess = browser.data("Continue", code=wrong(outbox[0].code))
        del guess["checks"]  # which would tell that it was answered already
        cookies = browser.client.cookies.output(header="", sep=";")

        for _ in range(4):
            browser.client.cookies.load(cookies)
            browser.client.post(browser.url, guess)

        assert the_verification().checks == 3

    def test_no_page_header_or_session_holds_the_code(
        self, browser: Browser, outbox: Outbox, flashcall: Any
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

    def test_who_is_logged_in_may_be_sent_on_from_the_login_page(self, browser: Browser) -> None:
        browser.client.force_login(UserFactory(), backend="django_flashcall.backends.PhoneBackend")

        assert "Call me" in browser.open(LOGIN).buttons


class TestRequests:
    def test_every_post_needs_its_token(self, browser: Browser, outbox: Outbox) -> None:
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

    def test_a_verification_for_something_else_has_no_page_here(self, browser: Browser) -> None:
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

    def test_the_pages_open_to_strangers_where_a_login_is_required(self, browser: Browser) -> None:
        browser.open("/welcome/")

        assert browser.url == f"{LOGIN}?next=/welcome/"
        assert "Call me" in browser.page.buttons

    def test_no_answer_is_kept_in_a_cache(self, browser: Browser, outbox: Outbox) -> None:
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


class TestDestination:
    @pytest.mark.parametrize("next_url", ["/?a=1&b=2", "/welcome/?x=%D1%8F", "http://testserver/"])
    def test_a_visitor_goes_where_they_wanted_to(
        self, next_url: str, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER, next_url=next_url)

        browser.answer(outbox[0].code)

        assert browser.url == next_url

    def test_where_to_go_is_kept_through_an_error(self, browser: Browser, outbox: Outbox) -> None:
        browser.ask("12", next_url="/?a=1")
        browser.press("Call me", number=NUMBER)
        browser.answer(wrong(outbox[0].code))

        browser.answer(outbox[0].code)

        assert browser.url == "/?a=1"

    @pytest.mark.parametrize("ending", ["canceled", "expired", "exhausted"])
    def test_where_to_go_is_kept_when_starting_again(
        self, ending: str, browser: Browser, outbox: Outbox, clock: Clock
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
        self, next_url: str, post: bool, browser: Browser, outbox: Outbox
    ) -> None:
        if post:
            browser.open(f"{LOGIN}?next=/")
            browser.press("Call me", number=NUMBER, next=next_url)
        else:
            browser.ask(NUMBER, next_url=next_url)

        browser.answer(outbox[0].code)

        assert browser.url == "/welcome/"

    def test_a_destination_given_to_the_code_page_is_ignored(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        data = browser.data("Continue", code=outbox[0].code)

        answer = browser.client.post(f"{browser.url}?next=/a/", {**data, "next": "/b/"})

        assert answer.headers["Location"] == "/welcome/"
