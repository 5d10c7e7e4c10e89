"""What a user who is known does about the number, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from django_flashcall.models import Phone
from django_flashcall.simulator.testing import RunningSimulator
from tests.chromium.visitor import CODE_PAGE, OTHER_SHOWN, PHONE, Arrive
from tests.constants import (
    PASSWORD,
)

pytestmark = pytest.mark.django_db(transaction=True)


WINDOWS = pytest.mark.parametrize(
    "window",
    [{"language": "ru", "size": PHONE}, {"javascript": False}],
    ids=["ru-390-script", "en-1100-no script"],
)


class TestAccountPages:
    @WINDOWS
    def test_confirms_another_number(self, arrive: Arrive, window: dict[str, Any]) -> None:
        visitor = arrive(**window)
        visitor.ask()
        visitor.answer()
        visitor.ask(OTHER_SHOWN, path="/phone/confirm/")
        visitor.answer()
        visitor.open("/account/")
        assert "+7 999 123-45-67" in visitor.text
        assert OTHER_SHOWN in visitor.text

    @WINDOWS
    def test_changes_the_number(self, arrive: Arrive, window: dict[str, Any]) -> None:
        visitor = arrive(**window)
        visitor.ask()
        visitor.answer()
        visitor.ask(OTHER_SHOWN, path="/phone/change/")
        visitor.answer()
        visitor.open("/account/")
        assert "+7 999 123-45-67" not in visitor.text
        assert OTHER_SHOWN in visitor.text

    @WINDOWS
    def test_proves_the_number_again_for_what_is_sensitive(
        self, arrive: Arrive, window: dict[str, Any], simulator: RunningSimulator
    ) -> None:
        visitor = arrive(**window)
        visitor.ask()
        visitor.answer()
        visitor.wait(minutes=6)
        visitor.open("/secret/")
        assert visitor.path.startswith("/phone/again/")
        assert "+7 ••• •••-••-67" in visitor.text
        visitor.press("Call me")
        visitor.page.wait_for_url(CODE_PAGE)
        assert "123-45" not in visitor.text
        visitor.answer()
        assert visitor.path == "/secret/"
        assert len(simulator.calls) == 2

    @WINDOWS
    def test_takes_the_second_step_after_a_password(
        self, arrive: Arrive, window: dict[str, Any]
    ) -> None:
        user = get_user_model().objects.create_user("anna", password=PASSWORD)
        Phone.objects.create(number="+79991234567", user=user, verified_at=user.date_joined)
        visitor = arrive(**window)
        visitor.open("/password/?next=/account/")
        visitor.page.locator("[name=username]").fill("anna")
        visitor.page.locator("[name=password]").fill(PASSWORD)
        visitor.follow(visitor.page.locator("form:has([name=password]) button"))
        assert visitor.path.startswith("/phone/second-step/")
        assert not visitor.is_logged_in
        visitor.press("Call me")
        visitor.page.wait_for_url(CODE_PAGE)
        visitor.answer()
        assert visitor.path == "/account/"
