"""Every page in both languages, widths and colours: looked at by axe, and kept as a picture.

The pictures lie in .nox/reports/screens, one folder for each kind of window.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_flashcall.models import Phone
from django_flashcall.simulator.testing import RunningSimulator
from tests.chromium.visitor import (
    CODE_PAGE,
    DESKTOP,
    FORBIDDEN,
    NARROW,
    OTHER_SHOWN,
    PHONE,
    Visitor,
)
from tests.constants import PASSWORD, TYPED

axe_playwright = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe: run `nox -s chromium`"
)


pytestmark = pytest.mark.django_db(transaction=True)


SCREENS = Path(__file__).parents[2] / ".nox/reports/screens"


#: Too wide: what sticks out at the side, and would have to be scrolled to.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


WINDOWS = [
    pytest.param(
        {"language": language, "size": size, "scheme": scheme}, id=f"{language}-{size[0]}-{scheme}"
    )
    for language, size, scheme in [
        *product(["en", "ru"], [DESKTOP, PHONE], ["light", "dark"]),
        ("ru", NARROW, "light"),
        ("ar", PHONE, "light"),
    ]
]


class Gallery:
    """Goes from page to page, judges each, and keeps a picture of it."""

    def __init__(self, visitor: Visitor, folder: Path) -> None:
        self.visitor, self.folder = visitor, folder
        self.faults: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def show(self, name: str) -> None:
        """Judge the page that is shown."""
        page = self.visitor.page
        page.screenshot(path=self.folder / f"{name}.png", full_page=True)
        found = axe_playwright.Axe().run(page).response["violations"]
        self.faults += [f"{name}: {one['id']} {one['nodes'][0]['target']}" for one in found]
        if page.evaluate(OVERFLOW) > 0:
            self.faults.append(f"{name}: wider than the window")


@pytest.fixture
def gallery(
    request: pytest.FixtureRequest, arrive: Callable[..., Visitor], window: dict[str, Any]
) -> Gallery:
    return Gallery(arrive(**window), SCREENS / request.node.callspec.id)


class TestScreens:
    @pytest.mark.parametrize("window", WINDOWS)
    def test_the_way_in(self, gallery: Gallery, simulator: RunningSimulator) -> None:
        visitor, show = gallery.visitor, gallery.show
        visitor.open("/")
        show("home")
        visitor.open("/phone/login/")
        show("login")
        visitor.page.locator("[name=number]").fill("12")
        visitor.press("Call me")
        show("login-error")
        visitor.open("/own-login/")
        show("own-login")
        visitor.ask()
        show("flash-call")
        visitor.answer("12")
        show("too-short")
        visitor.answer(TYPED[-5:])
        show("own-digits")
        visitor.answer(f"{(int(visitor.code()) + 1) % 10_000:04}")
        show("wrong")
        visitor.wait(seconds=61)
        visitor.page.reload()
        show("may-ask-again")
        visitor.press("Get the code by voice call")
        show("voice")
        visitor.wait(seconds=121)
        visitor.page.reload()
        visitor.press("Send an SMS")
        show("sms")
        visitor.wait(minutes=11)
        visitor.page.reload()
        show("expired")
        visitor.press("Ask for a new code")
        visitor.page.wait_for_url(CODE_PAGE)
        for _ in range(3):
            visitor.answer(f"{(int(visitor.code()) + 1) % 10_000:04}")
        show("exhausted")
        assert gallery.faults == []

    @pytest.mark.parametrize("window", WINDOWS)
    def test_what_goes_wrong(self, gallery: Gallery, simulator: RunningSimulator) -> None:
        visitor, show = gallery.visitor, gallery.show
        for number, name in [
            ("+7 900 000-00-05", "number-refused"),
            ("+7 900 000-00-07", "no-money"),
            ("+7 900 000-00-40", "unknown"),
        ]:
            visitor.ask(number)
            show(name)
        visitor.open("/phone/login/")
        visitor.page.locator("[name=number]").fill("+7 900 000-00-40")
        Phone.objects.filter(number="+79000000040").update(blocked_at=timezone.now())
        visitor.wait(minutes=11)
        visitor.press("Call me")
        show("blocked")
        staff = get_user_model().objects.create_user("boss", is_staff=True)
        Phone.objects.create(number="+79997654321", user=staff, verified_at=timezone.now())
        visitor.ask(OTHER_SHOWN)
        visitor.answer()
        show("refused")
        assert gallery.faults == []

    @pytest.mark.parametrize("window", WINDOWS)
    def test_who_is_in(self, gallery: Gallery) -> None:
        visitor, show = gallery.visitor, gallery.show
        visitor.ask()
        visitor.answer()
        show("account")
        for name in ("confirm", "change"):
            visitor.open(f"/phone/{name}/")
            show(name)
        visitor.wait(minutes=16)
        visitor.open("/secret/")
        show("again")
        visitor.press("Call me")
        visitor.page.wait_for_url(CODE_PAGE)
        show("again-code")
        visitor.answer()
        show("secret")
        for name in ("own-confirm", "own-change", "own-again"):
            visitor.open(f"/{name}/")
            show(name)
        visitor.ask(OTHER_SHOWN, path="/phone/change/")
        show("change-code")
        visitor.answer()
        visitor.wait(minutes=16)
        visitor.open("/secret/")  # the number was changed in this session
        show("login-again")
        assert gallery.faults == []

    @pytest.mark.parametrize("window", WINDOWS)
    def test_a_second_step(self, gallery: Gallery) -> None:
        user = get_user_model().objects.create_user("anna", password=PASSWORD)
        for number in ("+79991234567", "+79997654321"):
            Phone.objects.create(number=number, user=user, verified_at=timezone.now())
        visitor, show = gallery.visitor, gallery.show
        visitor.open("/password/?next=/account/")
        show("password")
        visitor.page.locator("[name=username]").fill("anna")
        visitor.page.locator("[name=password]").fill(PASSWORD)
        visitor.follow(visitor.page.locator("form:has([name=password]) button"))
        show("second-step")
        visitor.press("Call me")
        visitor.page.wait_for_url(CODE_PAGE)
        show("second-step-code")
        visitor.page.context.clear_cookies()
        visitor.follow(visitor.page.locator("form button").first)
        show("out-of-date")
        visitor.complaints.remove(FORBIDDEN)
        assert gallery.faults == []

    @pytest.mark.parametrize("window", WINDOWS)
    def test_the_handset(self, gallery: Gallery, simulator: RunningSimulator) -> None:
        visitor, show = gallery.visitor, gallery.show
        visitor.page.goto(simulator.handset_url)
        show("handset-silent")
        visitor.ask()
        visitor.wait(seconds=61)
        visitor.page.reload()
        visitor.press("Get the code by voice call")
        visitor.wait(seconds=121)
        visitor.page.reload()
        visitor.press("Send an SMS")
        visitor.page.goto(simulator.handset_url)
        show("handset")
        assert gallery.faults == []
