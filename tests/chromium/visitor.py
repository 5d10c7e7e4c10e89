"""Somebody with a window of Chromium, a phone, and patience."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import time_machine
from django.utils import translation
from django.utils.translation import gettext

from django_flashcall.simulator.testing import RunningSimulator
from tests.constants import TYPED

#: What Chromium writes on the console of a page that is refused on purpose.
FORBIDDEN = "Failed to load resource: the server responded with a status of 403 (Forbidden)"

CODE_PAGE = re.compile(r"/[0-9a-f-]{36}/(#\w+)?$")
DESKTOP, PHONE, NARROW = (1100, 800), (390, 844), (320, 640)

#: Another number, as typed.
OTHER_SHOWN = "+7 999 765-43-21"


class Visitor:
    """Sees pages, presses buttons by what is written on them, and reads codes from the phone."""

    def __init__(
        self,
        chromium: Any,
        site: str,
        *,
        simulator: RunningSimulator,
        clock: time_machine.Traveller,
        language: str = "en",
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        javascript: bool = True,
        zone: str = "Europe/Moscow",
    ) -> None:
        self.site, self.simulator, self.clock = site, simulator, clock
        self.language = language
        self.context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            has_touch=size != DESKTOP,
            locale=language,
            timezone_id=zone,
            color_scheme=scheme,
            java_script_enabled=javascript,
        )
        self.context.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.page = self.new_tab()

    def new_tab(self) -> Any:
        """Open another tab with the same cookies."""
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def leave(self) -> None:
        """Close the window."""
        self.context.close()

    def open(self, path: str) -> None:
        """Type an address."""
        self.page.goto(self.site + path)

    def press(self, text: str) -> None:
        """Press the button with this English text, in the visitor's language."""
        self.follow(self.page.get_by_role("button", name=self.say(text), exact=True))

    def follow(self, link: Any) -> None:
        """Click, and wait for the next page."""
        with self.page.expect_navigation():
            link.click()

    def ask(self, number: str = TYPED, *, path: str = "/phone/login/") -> None:
        """Type a number and have it called."""
        self.open(path)
        self.page.locator("[name=number]").fill(number)
        self.press("Call me")
        self.page.wait_for_url(CODE_PAGE)

    def answer(self, code: str | None = None) -> None:
        """Type the digits that the phone shows."""
        self.page.locator("[name=code]").fill(self.code() if code is None else code)
        self.press("Continue")

    def code(self) -> str:
        """Look at the phone: what did the latest call or SMS bring?"""
        latest = next(call for call in self.simulator.calls if call.arrived)
        return latest.spoken or latest.code

    def wait(self, *, seconds: float = 0, minutes: float = 0) -> None:
        """Let the site's clock go on."""
        self.clock.shift(timedelta(seconds=seconds, minutes=minutes))

    def say(self, text: str) -> str:
        """Translate a text of the site."""
        with translation.override(self.language):
            return gettext(text)

    def sees(self, text: str) -> bool:
        """Return whether an English text is on the page, in the visitor's language."""
        return self.say(text) in self.text

    @property
    def text(self) -> str:
        """What can be read, with its spaces made one."""
        return " ".join(self.page.locator("body").inner_text().split())

    @property
    def path(self) -> str:
        """Where the visitor is."""
        return str(self.page.url).removeprefix(self.site)

    @property
    def is_logged_in(self) -> bool:
        """Return whether the site knows the visitor."""
        account = f"{self.site}/account/"
        return bool(self.page.request.get(account).url == account)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


#: The fixture that opens a window.
Arrive = Callable[..., Visitor]
