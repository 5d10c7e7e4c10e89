"""The page for the code: what it says, tries and offers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from django_flashcall import services
from django_flashcall.choices import VerificationStatus
from django_flashcall.codes import EXAMPLE_CODE
from django_flashcall.models import Phone, VerificationAttempt
from django_flashcall.visitors.visitor import Visitor
from tests.browser import Browser, Page, fail_three_times, is_logged_in, user_of
from tests.constants import LOGIN, NUMBER, OTHER, SHOWN, Clock, Outbox
from tests.factories import PriceFactory
from tests.logins import the_verification, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


class TestTexts:
    def test_the_example_of_the_page_ends_in_digits_that_are_never_a_code(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        page = browser.ask(NUMBER)
        [shown] = re.findall(r"<mark>([^<]+)</mark>", page.html)

        assert shown.replace("-", "") == EXAMPLE_CODE
        page = browser.answer(shown)
        assert "These are the last digits of the example, not the code." in page.text
        page = browser.answer(NUMBER)
        assert "These are the last digits of your own number, not the code." in page.text
        assert the_verification().checks == 0
        browser.answer(outbox[0].code)
        assert is_logged_in(browser)

    def test_a_call_that_waits_in_a_queue_is_shown_as_being_placed(
        self, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(DIALER="tests.doubles.ignore")

        page = browser.ask(NUMBER)

        assert f"We are calling {SHOWN}" in page.text
        assert "Continue" in page.buttons
        page = browser.answer("1234")
        assert "We do not know the code for this call yet." in page.text
        assert the_verification().checks == 0

    @pytest.mark.parametrize("minutes", [0, 1])
    def test_the_page_says_how_long_the_code_is_good(
        self, browser: Browser, clock: Clock, minutes: int
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=minutes))

        page = browser.open(browser.url)

        assert "You can enter the code until 12:05 ." in page.text
        assert "counts as well" not in page.text

    def test_after_another_call_both_codes_count_and_the_page_says_so(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(seconds=60))

        page = browser.press("Call again")

        assert "until 12:06 . An earlier code will also work." in page.text
        browser.answer(outbox[0].code)
        assert browser.url == "/welcome/"

    def test_another_way_is_promised_only_where_there_is_one(
        self, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(CHANNELS=["flash_call"], OPTIONS={"error_code": "user_disabled"})

        page = browser.ask(NUMBER)

        assert "Choose another way" not in page.text
        assert "at the moment. Try again later." in page.text

    def test_a_summary_links_only_to_what_is_on_the_page(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        for left in (2, 1, 0):
            page = browser.answer(wrong(outbox[0].code))
            targets = [one["href"] for one in page.elements("a")]
            assert targets == (["#id_code"] if left else [])


class TestWrongCodes:
    def test_a_wrong_code_says_how_many_tries_are_left(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)

        first = browser.answer(wrong(outbox[0].code))
        second = browser.answer(wrong(outbox[0].code))

        assert "The digits did not match. You have 2 tries left." in first.text
        assert "The digits did not match. You have 1 try left." in second.text
        assert second.title.startswith("Error: ")
        assert not is_logged_in(browser)

    def test_the_third_wrong_code_ends_it(self, browser: Browser, outbox: Outbox) -> None:
        browser.ask(NUMBER)

        page = fail_three_times(browser, outbox[0].code)

        assert "The digits did not match, and no tries are left." in page.text
        assert page.buttons == ["Ask for a new code", "Change the number"]
        assert the_verification().checks == 3

    def test_after_three_wrong_codes_the_right_one_is_too_late(
        self, browser: Browser, outbox: Outbox
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
            ("1²34", "Enter digits only."),
            ("1\x002\x003", "Null characters are not allowed."),
        ],
    )
    def test_what_cannot_be_the_code_costs_nothing(
        self, typed: str, answer: str, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)

        page = browser.answer(typed)

        assert answer in page.text
        assert the_verification().checks == 0
        assert browser.answer(outbox[0].code).text.startswith("welcome")


class TestExpiredCodes:
    def test_a_code_that_came_too_late_is_said_to_have_expired(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=11))

        page = browser.answer(outbox[0].code)

        assert "The code has expired. Ask for a new one." in page.text
        assert page.buttons == ["Ask for a new code", "Change the number"]
        assert not is_logged_in(browser)

    def test_one_click_asks_for_a_new_code_and_keeps_the_number(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER, next_url="/?a=1")
        clock.shift(timedelta(minutes=11))
        browser.open(browser.url)

        browser.press("Ask for a new code")
        browser.answer(outbox[-1].code)

        assert [call.number for call in outbox] == [NUMBER, NUMBER]
        assert browser.url == "/?a=1"

    def test_a_new_code_is_not_to_be_had_before_the_number_has_rested(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        fail_three_times(browser, outbox[0].code)

        page = browser.press("Ask for a new code")

        assert "We have just called this number. You can ask again after 12:01" in page.text
        assert len(outbox) == 1

    def test_a_page_whose_code_has_expired_does_not_say_that_it_is_calling(
        self, browser: Browser, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=6))  # the code is dead, the verification is not

        page = browser.open(browser.url)

        assert "We are calling" not in page.text
        assert "Call again" in page.buttons

    def test_after_the_code_has_expired_one_click_calls_the_same_number(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=6))
        browser.open(browser.url)

        browser.press("Call again")
        browser.answer(outbox[-1].code)

        assert [call.number for call in outbox] == [NUMBER, NUMBER]
        assert is_logged_in(browser)

    def test_a_code_that_was_right_and_not_used_is_one_click_from_a_new_one(
        self, browser: Browser, outbox: Outbox, clock: Clock
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


class TestOffers:
    def test_the_page_offers_no_call_beyond_the_days(
        self, browser: Browser, outbox: Outbox, clock: Clock, flashcall: Any
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
        self, browser: Browser, clock: Clock, flashcall: Any
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
        assert (
            "Too many SMS messages to this number. Try again after 5 March, 12:01." in refused.text
        )

    def test_the_page_offers_no_channel_that_is_held_for_spam(
        self, browser: Browser, clock: Clock, flashcall: Any
    ) -> None:
        flashcall(OPTIONS={"error_code": "number_in_spam_list"})

        page = browser.ask(NUMBER)

        assert page.buttons == ["Get the code by voice call", "Change the number"]

    def test_the_page_offers_no_call_that_comes_too_late(
        self, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(COOLDOWNS=[timedelta(minutes=9)])
        assert browser.ask(NUMBER).buttons == ["Continue", "Change the number"]

    def test_an_ended_call_waits_for_the_checks_that_a_new_one_needs(
        self, browser: Browser, outbox: Outbox, clock: Clock, flashcall: Any
    ) -> None:
        flashcall(DAILY_FAILED_CHECKS=3)
        browser.ask(NUMBER)
        for _ in range(3):
            page = browser.answer(wrong(outbox[0].code))

        assert page.buttons == ["Change the number"]
        assert "You can ask again after 5 March" in page.text

    def test_an_ended_call_says_whom_it_would_call_and_how(
        self, browser: Browser, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=11))

        page = browser.open(browser.url)

        assert f"The new code will be for {SHOWN}" in page.text
        assert "The code is the last 4 digits of the calling number." in page.text

    def test_what_is_said_before_a_call_is_what_comes(
        self, browser: Browser, outbox: Outbox
    ) -> None:
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
        self, status: str, said: str, browser: Browser, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(seconds=60))
        browser.press("Send an SMS")
        digest = {"code_digest": ""} if status == "rejected" else {}
        VerificationAttempt.objects.filter(channel="sms").update(status=status, **digest)

        assert said in browser.open(browser.url).text


class TestChanges:
    def test_a_canceled_call_opens_nothing(self, browser: Browser, outbox: Outbox) -> None:
        browser.ask(NUMBER)
        open_page = browser.second_tab()
        browser.press("Change the number")
        assert browser.url.startswith(LOGIN)

        page = open_page.answer(outbox[0].code)

        assert "The code was already used, or the request was canceled." in page.text
        assert the_verification().status == VerificationStatus.CANCELED
        assert not is_logged_in(browser)

    def test_after_a_change_of_the_number_the_other_one_is_called(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        browser.press("Change the number")

        browser.press("Call me", number=OTHER)
        browser.answer(outbox[-1].code)

        assert user_of(browser) == Phone.objects.get(number=OTHER).user
