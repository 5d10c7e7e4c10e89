"""From a number to an account, as people do it: each step in a real browser."""

from __future__ import annotations

import re
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model

from django_flashcall.models import Verification, VerificationAttempt
from django_flashcall.simulator.testing import RunningSimulator
from tests.chromium.visitor import CODE_PAGE, DESKTOP, FORBIDDEN, PHONE, Arrive
from tests.constants import (
    TYPED,
)

pytestmark = pytest.mark.django_db(transaction=True)


WINDOWS = [
    pytest.param(
        {"language": language, "size": size, "javascript": javascript},
        id=f"{language}-{size[0]}-{'script' if javascript else 'no script'}",
    )
    for language, size, javascript in product(["en", "ru"], [DESKTOP, PHONE], [True, False])
]


SCRIPTS = pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])


class TestLoggingIn:
    @pytest.mark.parametrize("window", WINDOWS)
    def test_a_visitor_logs_in(self, arrive: Arrive, window: dict[str, Any]) -> None:
        visitor = arrive(**window)
        visitor.ask()
        assert "+7 999 123-45-67" in visitor.text
        visitor.answer()
        assert visitor.path == "/account/"
        assert "+7 999 123-45-67" in visitor.text

    @SCRIPTS
    def test_a_lost_call_is_followed_by_a_voice_and_an_sms(
        self, arrive: Arrive, simulator: RunningSimulator, javascript: bool
    ) -> None:
        simulator.arrange("lost_call", times=2)
        visitor = arrive(javascript=javascript)
        visitor.ask()
        visitor.wait(seconds=61)
        visitor.page.reload()
        visitor.press("Get the code by voice call")
        assert visitor.sees("Answer the call: a voice will say a 4-digit code.")
        visitor.wait(seconds=121)
        visitor.page.reload()
        visitor.press("Send an SMS")
        assert "We have sent an SMS with the code to" in visitor.text
        visitor.answer()
        assert visitor.path == "/account/"
        assert [call.kind for call in simulator.calls] == ["sms", "voice", "flash_call"]

    def test_a_whole_calling_number_may_be_pasted(
        self, arrive: Arrive, simulator: RunningSimulator
    ) -> None:
        visitor = arrive(size=PHONE)
        visitor.ask()
        visitor.answer(f" +{simulator.calls[0].calling_number} ")
        assert visitor.path == "/account/"

    def test_the_keyboard_alone_is_enough(self, arrive: Arrive) -> None:
        visitor = arrive()
        visitor.open("/phone/login/")
        keyboard = visitor.page.keyboard
        keyboard.press("Tab")
        keyboard.type("12")
        keyboard.press("Enter")
        visitor.page.wait_for_function("document.title.startsWith('Error: ')")
        focused = visitor.page.evaluate("document.activeElement.className")
        assert focused == "flashcall-errors"
        keyboard.press("Tab")
        keyboard.press("Enter")  # the link to what is wrong
        assert visitor.page.evaluate("document.activeElement.name") == "number"
        assert visitor.page.locator("[name=number]").input_value() == "12"
        keyboard.press("Control+A")
        keyboard.type(TYPED)
        keyboard.press("Enter")
        visitor.page.wait_for_url(CODE_PAGE)
        keyboard.press("Tab")
        keyboard.type(visitor.code())
        keyboard.press("Enter")
        visitor.page.wait_for_url(re.compile("/account/"))


class TestTimes:
    def test_the_page_counts_down_to_the_next_call(self, arrive: Arrive) -> None:
        visitor = arrive()
        visitor.page.clock.install()
        visitor.ask()
        again = visitor.page.get_by_role("button", name="Call again")
        assert again.is_disabled()
        assert re.search(r"You can ask again in 0:5\d|You can ask again in 1:00", visitor.text)
        visitor.page.clock.run_for(61_000)
        assert again.is_enabled()
        assert visitor.sees("You can ask again now.")
        visitor.wait(seconds=61)
        visitor.follow(again)
        assert VerificationAttempt.objects.count() == 2

    @pytest.mark.parametrize(
        ("javascript", "shown"),
        [(True, "Asia/Kamchatka"), (False, "Europe/Moscow")],
        ids=["script", "no script"],
    )
    def test_the_page_shows_times_by_the_visitors_clock_where_it_can(
        self, arrive: Arrive, javascript: bool, shown: str
    ) -> None:
        visitor = arrive(javascript=javascript, zone="Asia/Kamchatka")
        visitor.ask()
        until = VerificationAttempt.objects.get().expires_at.astimezone(ZoneInfo(shown))
        assert f"You can enter the code until {until:%H:%M}." in visitor.text

    def test_without_a_script_the_page_names_the_time_and_the_server_holds_to_it(
        self, arrive: Arrive, simulator: RunningSimulator
    ) -> None:
        visitor = arrive(javascript=False)
        visitor.ask()
        assert re.search(r"You can ask again after \d\d:\d\d", visitor.text)
        visitor.press("Call again")
        assert "We have just called this number." in visitor.text
        assert visitor.page.title().startswith("Error: ")
        assert len(simulator.calls) == 1


class TestDoubleClicks:
    @SCRIPTS
    def test_a_double_click_is_one_call(
        self, arrive: Arrive, simulator: RunningSimulator, javascript: bool
    ) -> None:
        visitor = arrive(javascript=javascript)
        visitor.open("/phone/login/")
        visitor.page.locator("[name=number]").fill(TYPED)
        visitor.page.get_by_role("button", name="Call me").dblclick()
        visitor.page.wait_for_url(CODE_PAGE)
        visitor.page.wait_for_load_state("networkidle")
        assert len(simulator.calls) == 1
        assert Verification.objects.count() == 1
        visitor.answer()
        assert visitor.path == "/account/"

    def test_a_double_click_on_the_code_is_one_login(self, arrive: Arrive) -> None:
        visitor = arrive()
        visitor.ask()
        visitor.page.locator("[name=code]").fill(visitor.code())
        visitor.page.get_by_role("button", name="Continue").dblclick()
        visitor.page.wait_for_url(re.compile("/account/"))
        assert visitor.is_logged_in
        assert Verification.objects.get().checks == 1

    def test_a_double_click_on_the_code_without_a_script_is_one_login_at_most(
        self, arrive: Arrive
    ) -> None:
        """The browser throws away the first answer, and with it the session that was logged in."""
        visitor = arrive(javascript=False)
        visitor.ask()
        visitor.page.locator("[name=code]").fill(visitor.code())
        visitor.page.get_by_role("button", name="Continue").dblclick()
        visitor.page.wait_for_url(re.compile("/account/|/login/"))
        heading = visitor.page.locator("h1").inner_text()
        assert heading in ("Your account", "Log in by phone", "This page is out of date")
        visitor.complaints.clear()  # the second click may be forbidden, which the console shows
        assert Verification.objects.get().checks == 1
        assert get_user_model().objects.count() == 1


class TestReloads:
    @SCRIPTS
    def test_going_back_and_pressing_again_calls_nobody_twice(
        self, arrive: Arrive, simulator: RunningSimulator, javascript: bool
    ) -> None:
        visitor = arrive(javascript=javascript)
        visitor.ask()
        visitor.page.go_back()
        visitor.page.locator("[name=number]").fill(TYPED)
        visitor.press("Call me")
        visitor.page.wait_for_url(CODE_PAGE)
        visitor.answer()
        assert visitor.path == "/account/"
        assert len(simulator.calls) == 1

    @SCRIPTS
    def test_reloading_calls_nobody_and_costs_no_check(
        self, arrive: Arrive, simulator: RunningSimulator, javascript: bool
    ) -> None:
        visitor = arrive(javascript=javascript)
        visitor.ask()
        for _ in range(3):
            visitor.page.reload()
        assert len(simulator.calls) == 1
        assert Verification.objects.get().checks == 0
        visitor.answer()
        assert visitor.path == "/account/"

    @SCRIPTS
    def test_reloading_what_was_refused_costs_neither_check_nor_call(
        self, arrive: Arrive, simulator: RunningSimulator, javascript: bool
    ) -> None:
        visitor = arrive(javascript=javascript)
        visitor.ask()
        visitor.answer(f"{(int(visitor.code()) + 1) % 10_000:04}")
        visitor.page.reload()
        assert Verification.objects.get().checks == 1
        if not javascript:  # with a script the button waits
            visitor.press("Call again")
            visitor.wait(seconds=61)
            visitor.page.reload()
        assert len(simulator.calls) == 1
        visitor.answer()
        assert visitor.path == "/account/"


class TestTabs:
    def test_two_tabs_with_two_numbers_each_log_in_their_own(
        self, arrive: Arrive, simulator: RunningSimulator
    ) -> None:
        visitor = arrive()
        visitor.ask()
        first, first_code = visitor.page, visitor.code()
        visitor.page = visitor.new_tab()
        visitor.ask("+7 999 765-43-21")
        second, second_code = visitor.page, visitor.code()
        if second_code != first_code:
            visitor.answer(first_code)
            assert "The digits did not match." in visitor.text
        visitor.page = first
        visitor.answer(first_code)
        assert visitor.path == "/account/"
        assert "+7 999 123-45-67" in visitor.text
        assert "+7 999 765-43-21" not in visitor.text
        assert get_user_model().objects.count() == 1

        visitor.page = second
        visitor.answer(second_code)
        assert visitor.sees("You may have logged in or out in another tab.")
        visitor.complaints.remove(FORBIDDEN)
        visitor.follow(visitor.page.get_by_role("link", name="Open the page again"))
        visitor.answer(second_code)
        assert visitor.path == "/account/"
        assert "+7 999 765-43-21" in visitor.text


class TestFailures:
    @SCRIPTS
    def test_an_expired_code_is_one_click_from_a_new_one(
        self, arrive: Arrive, javascript: bool
    ) -> None:
        visitor = arrive(javascript=javascript)
        visitor.ask()
        visitor.wait(minutes=11)
        visitor.answer()
        assert visitor.sees("The code has expired. Ask for a new one.")
        visitor.press("Ask for a new code")
        visitor.answer()
        assert visitor.path == "/account/"

    @SCRIPTS
    def test_three_wrong_codes_end_it_and_say_so(self, arrive: Arrive, javascript: bool) -> None:
        visitor = arrive(javascript=javascript)
        visitor.ask()
        wrong = f"{(int(visitor.code()) + 1) % 10_000:04}"
        for left in ("2 tries left", "1 try left", "no tries are left"):
            visitor.answer(wrong)
            assert left in visitor.text
        assert not visitor.page.locator("[name=code]").count()

    @SCRIPTS
    def test_a_provider_that_is_down_is_said_in_words(
        self, arrive: Arrive, simulator: RunningSimulator, javascript: bool
    ) -> None:
        simulator.arrange("not_enough_money", times=9)
        visitor = arrive(javascript=javascript)
        visitor.ask()
        assert "We cannot call +7 999 123-45-67 at the moment." in visitor.text
        assert "money" not in visitor.text

    def test_a_limit_that_is_reached_says_when_to_come_back(
        self, arrive: Arrive, settings: Any
    ) -> None:
        settings.FLASHCALL = {**settings.FLASHCALL, "RATES": {"start": ["1/h"]}}
        visitor = arrive()
        visitor.ask()
        visitor.open("/phone/login/")
        visitor.page.locator("[name=number]").fill("+7 999 765-43-21")
        visitor.press("Call me")
        assert re.search(r"Too many attempts\. Try again after \d\d:\d\d", visitor.text)
