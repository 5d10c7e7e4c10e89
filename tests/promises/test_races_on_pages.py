"""Races through the pages: one browser that cannot wait, under each kind of site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db import connection
from django.test import Client
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import AttemptStatus, VerificationStatus
from django_flashcall.models import Usage, Verification, VerificationAttempt
from django_flashcall.operations.purging import purge
from django_flashcall.signals import code_rejected
from tests.browser import Browser
from tests.constants import TYPED, Outbox
from tests.racing import THREADS, Finish, answers, errors, race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]


SESSIONS = ("db", "cache", "signed_cookies")


@pytest.fixture(params=[False, True], ids=["autocommit", "atomic-requests"], autouse=True)
def atomic_requests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Wrap every request into a transaction, as many sites do, or none."""
    connection.settings_dict["ATOMIC_REQUESTS"] = request.param
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture(params=SESSIONS, autouse=True)
def session_engine(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"


@pytest.fixture(autouse=True)
def nobody_is_refused_before(flashcall: Any) -> None:
    """Let the database decide, not the circuit breaker or the rates."""
    flashcall(CONCURRENT_CALLS=THREADS, RATES={})


@pytest.fixture
def browser() -> Browser:
    """Return a browser on the login page."""
    browser = Browser()
    browser.open("/phone/login/")
    return browser


@pytest.fixture
def logins() -> Iterator[list[Any]]:
    """Return who was logged in, the latest last."""
    users: list[Any] = []

    def note(sender: Any, user: Any, **kwargs: Any) -> None:
        users.append(user)

    user_logged_in.connect(note)
    yield users
    user_logged_in.disconnect(note)


def pressing(browser: Browser, button: str, **typed: str) -> Callable[[], Any]:
    """Press a button of the page that is shown, in a request of its own."""
    [form] = [form for form in browser.page.forms if button in form.buttons]
    url, data = form.action or browser.url, browser.data(button, **typed)
    data.pop("checks", None)  # who guesses does not say that the page was answered already
    cookies = browser.client.cookies.output(header="", sep=";")

    def press() -> Any:
        client = Client(enforce_csrf_checks=True)
        client.cookies.load(cookies)
        return client.post(url, data)

    return press


def statuses(finishes: list[Finish]) -> set[int]:
    """Return the HTTP statuses that the visitor met; whatever is raised fails the test."""
    assert errors(finishes) == set()
    return {response.status_code for response in answers(finishes)}


class TestPages:
    def test_a_form_that_is_sent_many_times_is_one_call(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        finishes = race(*[pressing(browser, "Call me", number=TYPED)] * THREADS)

        assert statuses(finishes) == {302}
        assert len({response.url for response in answers(finishes)}) == 1
        assert len(outbox) == VerificationAttempt.objects.count() == 1
        assert Usage.objects.get(scope="").attempts == 1

    def test_the_right_code_that_is_sent_many_times_is_one_login(
        self, browser: Browser, outbox: Outbox, logins: list[Any]
    ) -> None:
        browser.press("Call me", number=TYPED)

        finishes = race(*[pressing(browser, "Continue", code=outbox[0].code)] * THREADS)

        assert statuses(finishes) <= {200, 302, 404}
        assert len(logins) == get_user_model().objects.count() == 1

    def test_wrong_codes_in_parallel_are_compared_as_often_as_promised(
        self, browser: Browser, outbox: Outbox, logins: list[Any]
    ) -> None:
        browser.press("Call me", number=TYPED)
        guesses = [f"{(int(outbox[0].code) + n) % 10_000:04}" for n in range(1, THREADS + 1)]
        compared: list[int] = []

        def note(sender: Any, checks_left: int, **kwargs: Any) -> None:
            compared.append(checks_left)

        code_rejected.connect(note)
        finishes = race(*[pressing(browser, "Continue", code=guess) for guess in guesses])
        code_rejected.disconnect(note)

        assert statuses(finishes) == {200}
        verification = Verification.objects.get()
        assert len(compared) == verification.checks == verification.max_checks
        browser.answer(outbox[0].code)
        assert not logins

    def test_whatever_is_pressed_at_once_the_record_is_whole(
        self, browser: Browser, outbox: Outbox, logins: list[Any]
    ) -> None:
        login_page = browser.second_tab()
        browser.press("Call me", number=TYPED)
        verification = Verification.objects.get()
        with time_machine.travel(timezone.now() + timedelta(seconds=61)):
            browser.open(browser.url)
            share = THREADS // 4
            *finishes, swept, purged = race(
                *[pressing(login_page, "Call me", number=TYPED)] * share,
                *[pressing(browser, "Call again")] * share,
                *[pressing(browser, "Continue", code=outbox[0].code)] * share,
                *[pressing(browser, "Change the number")] * (share - 2),
                services.sweep_attempts,
                partial(purge, now=timezone.now()),
            )

        # 400 is Django's: a login ended the session that the request had begun in.
        assert statuses(finishes) <= {200, 302, 400, 404}
        assert not errors([swept, purged])
        assert len(logins) <= 1
        assert len(outbox) <= 2
        verification.refresh_from_db()
        assert verification.attempt_count == verification.attempts.count() == len(outbox)
        assert not VerificationAttempt.objects.filter(status=AttemptStatus.REQUESTED).exists()
        is_approved = verification.status == VerificationStatus.APPROVED
        assert is_approved or not logins
