"""A number for the review of an app is shut by itself: the recipe of docs/testing.rst."""

from __future__ import annotations

import inspect
import textwrap
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.utils import timezone

from django_flashcall.models import VerificationAttempt
from django_flashcall.simulator.testing import RunningSimulator
from django_flashcall.testing import log_in_by_phone
from tests import reviewer
from tests.constants import ROOT, Clock
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


PAGE = ROOT / "docs/testing.rst"


REVIEW_NUMBER, CODE = "+79990000000", "4217"


DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def site(flashcall: Any, simulator: RunningSimulator, clock: Clock) -> None:
    options = {"api_key": simulator.api_key, "url": simulator.url}
    review = {"review_number": REVIEW_NUMBER, "review_code": CODE}
    begins = {"review_from": timezone.now()}
    flashcall(PROVIDER="tests.reviewer.ReviewProvider", OPTIONS={**options, **review, **begins})


def start(client: Client, number: str = REVIEW_NUMBER) -> Any:
    return client.post("/phone/login/", {"number": number})


def complaints() -> list[str]:
    return [message.id or "" for message in run_checks() if "reviewer" in (message.id or "")]


class TestReviewProvider:
    def test_the_page_shows_the_recipe_as_it_is_tested(self) -> None:
        code = inspect.getsource(reviewer).split("import annotations\n\n")[1]
        assert textwrap.indent(code, "   ") in PAGE.read_text()

    def test_the_number_logs_in_and_nobody_is_called(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        assert client.post(start(client).url, {"code": CODE}).url == "/welcome/"
        assert not simulator.calls
        assert VerificationAttempt.objects.get().price == 0
        assert not complaints()

    def test_every_other_number_is_called(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        start(client, "+79991234567")
        assert len(simulator.calls) == 1

    @pytest.mark.parametrize("days", [14, 365])
    def test_after_its_day_the_number_is_called_like_any_other(
        self, client: Client, simulator: RunningSimulator, clock: Clock, days: int
    ) -> None:
        clock.shift(days * DAY)
        page = start(client)
        assert len(simulator.calls) == 1
        code = "0000" if simulator.calls[0].code == CODE else CODE
        assert client.post(page.url, {"code": code}).status_code == 200
        assert complaints() == ["reviewer.E001"]

    def test_before_its_day_the_number_is_called_like_any_other(
        self, client: Client, simulator: RunningSimulator, clock: Clock
    ) -> None:
        clock.shift(-DAY)
        start(client)
        assert len(simulator.calls) == 1
        assert complaints() == ["reviewer.E001"]

    @pytest.mark.parametrize(
        "option",
        [
            {"review_number": "8 999 000-00-00"},
            {"review_code": "421742"},
            {"review_code": "0000"},
            {"review_code": "7890"},
        ],
        ids=str,
    )
    def test_what_cannot_work_is_named(
        self, option: dict[str, str], flashcall: Any, settings: Any
    ) -> None:
        flashcall(OPTIONS={**settings.FLASHCALL["OPTIONS"], **option})
        assert complaints() == ["reviewer.E001"]

    def test_guesses_are_counted_as_everywhere(self, client: Client) -> None:
        page = start(client)
        for _ in range(3):
            client.post(page.url, {"code": "1111"})
        assert "_auth_user_id" not in client.session
        client.post(page.url, {"code": CODE})
        assert "_auth_user_id" not in client.session

    def test_staff_stay_out_as_everywhere(self, client: Client) -> None:
        user: Any = UserFactory(is_staff=True)
        user.flashcall_phones.create(number=REVIEW_NUMBER, verified_at=timezone.now())
        with pytest.raises(AssertionError):
            log_in_by_phone(client, REVIEW_NUMBER)
