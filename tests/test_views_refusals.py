"""Calls that are refused or fail, as the visitor reads it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from django_flashcall.choices import ErrorCode
from django_flashcall.limits import breaker
from tests.browser import Browser, Page, is_logged_in
from tests.constants import NOON, NUMBER, OTHER, SHOWN, TYPED, Clock, Outbox
from tests.factories import PhoneFactory, PriceFactory, UserFactory
from tests.logins import the_verification, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


class TestProviders:
    def test_a_member_of_the_staff_is_refused(self, browser: Browser, outbox: Outbox) -> None:
        PhoneFactory(number=NUMBER, user=UserFactory(is_staff=True))
        browser.ask(NUMBER)

        page = browser.answer(outbox[0].code)

        assert "You cannot log in with this number. Log in another way." in page.text
        assert page.title.startswith("Error: ")
        assert page.buttons == ["Start again"]
        assert not is_logged_in(browser)

    def test_a_busy_provider_is_reported_where_the_number_was_typed(
        self, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(CONCURRENT_CALLS=1)
        with breaker.slot("flash_call"):
            page = browser.ask(TYPED)
        assert "We cannot place calls at the moment. Try again after 12:01." in page.text
        assert page.input("number")["value"] == TYPED
        assert "Enter the digits" not in page.text
        assert browser.press("Call me").input("code")

    @pytest.mark.parametrize("error_code", [*ErrorCode.values, "something_new"])
    def test_a_refusal_of_the_provider_is_shown_in_our_own_words(
        self, error_code: str, browser: Browser, flashcall: Any
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
        self, error_code: str, browser: Browser, flashcall: Any
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
        self, error_code: str, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(OPTIONS={"error_code": error_code})

        page = browser.ask(NUMBER)

        assert f"We cannot call {SHOWN} at the moment." in page.text

    def test_a_dead_provider_is_shown_like_any_failure(
        self, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(PROVIDER="tests.doubles.DeadProvider")

        assert f"We cannot call {SHOWN} at the moment." in browser.ask(NUMBER).text

    def test_a_queue_that_is_down_loses_no_visitor(
        self, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(DIALER="tests.doubles.fail")

        page = browser.ask(NUMBER)

        assert browser.response.status_code == 200
        assert "Change the number" in page.buttons
        assert "We are calling" not in page.text
        assert not outbox

    @pytest.mark.parametrize("provider", ["LostProvider", "BrokenProvider"])
    def test_a_lost_answer_is_admitted(
        self, provider: str, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(PROVIDER=f"tests.doubles.{provider}")

        page = browser.ask(NUMBER)

        assert f"We do not know whether the call to {SHOWN} came through." in page.text
        assert "If you get this call, its code will not work." in page.text
        assert "You can ask again after 12:01." in page.text
        assert "Continue" not in page.buttons

    def test_the_code_of_a_voice_whose_answer_was_lost_works(
        self, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(PROVIDER="tests.doubles.LostProvider", CHANNELS=["voice"])
        page = browser.ask(NUMBER)
        assert "Answer the call: a voice will say a 4-digit code." in page.text

        browser.answer(outbox[0].code)

        assert is_logged_in(browser)


class TestLimits:
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
        self, typed: str, answer: str, browser: Browser, outbox: Outbox
    ) -> None:
        page = browser.ask(typed)

        assert answer in page.text
        assert page.input("number").get("value", "") == typed
        assert page.title == "Error: Log in by phone"
        assert not outbox

    def test_a_call_too_soon_says_when_to_ask_again(self, browser: Browser, outbox: Outbox) -> None:
        browser.ask(NUMBER)

        page = browser.press("Call again")

        assert "We have just called this number. You can ask again after 12:01." in page.text
        assert page.title.startswith("Error: ")
        assert "Continue" in page.buttons
        assert len(outbox) == 1

    def test_another_browser_that_asks_too_soon_learns_when_to_ask(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)

        page = Browser().ask(NUMBER)

        assert "We have just called this number. You can ask again after 12:01." in page.text
        assert len(outbox) == 1

    def test_a_blocked_number_is_not_called(self, browser: Browser, outbox: Outbox) -> None:
        PhoneFactory(number=NUMBER, blocked_at=NOON)

        page = browser.ask(NUMBER)

        assert "We do not call this number. Use another one." in page.text
        assert not outbox

    def test_a_forbidden_destination_is_not_called(self, browser: Browser, outbox: Outbox) -> None:
        PriceFactory(prefix="+7999", allowed=False)

        page = browser.ask(NUMBER)

        assert "We do not call numbers of this kind." in page.text
        assert not outbox

    def test_a_stopped_channel_is_not_used(self, browser: Browser, outbox: Outbox) -> None:
        PriceFactory(allowed=False)

        page = browser.ask(NUMBER)

        assert "We cannot call this number at the moment. Try again later" in page.text
        assert not outbox

    @pytest.mark.parametrize("channel", ["fax", "\x00", "flash_call'"])
    def test_a_channel_that_is_none_is_refused(
        self, channel: str, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=2))
        data = browser.data("Call again") | {"channel": channel}

        page = Page(browser.client.post(browser.url, data, follow=True).content.decode())

        assert "This way of getting the code is not available right now." in page.text
        assert len(outbox) == 1


class TestRates:
    def test_too_many_numbers_from_one_address_have_to_wait(
        self, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        browser.ask(NUMBER)

        page = Browser().ask(OTHER)

        assert re.search(r"Too many attempts\. Try again after \d\d:\d\d\.", page.text)
        assert page.input("number")["value"] == OTHER
        assert len(outbox) == 1

    def test_too_many_codes_from_one_address_have_to_wait_and_cost_no_check(
        self, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(RATES={"check": ["1/h"]})
        browser.ask(NUMBER)
        browser.answer(wrong(outbox[0].code))

        page = browser.answer(outbox[0].code)

        assert re.search(r"Too many attempts\. Try again after \d\d:\d\d\.", page.text)
        assert the_verification().checks == 1

    def test_call_again_counts_among_the_calls_of_an_address(
        self, browser: Browser, outbox: Outbox, flashcall: Any, clock: Clock
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=2))

        page = browser.press("Call again")

        assert "Too many attempts." in page.text
        assert len(outbox) == 1
