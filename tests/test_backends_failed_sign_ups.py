"""A sign-up that fails: the approval is kept, the visitor is told, and the operator is alerted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection
from django.utils import timezone

from django_flashcall.accounts import release_numbers
from django_flashcall.backends import PhoneBackend
from django_flashcall.choices import Refusal, VerificationStatus
from django_flashcall.databases import written_users
from django_flashcall.exceptions import SignUpFailed
from django_flashcall.models import Phone, Verification
from django_flashcall.querysets import APPROVAL_LIFETIME
from tests.browser import Browser, is_logged_in, user_of
from tests.constants import NUMBER, Clock, Outbox
from tests.factories import UserFactory, VerificationFactory
from tests.logins import log_in, the_verification, wrong

pytestmark = pytest.mark.django_db

#: What the backends of the site raise.
faults: list[Exception] = []

NAME = "guest-of-the-site"


class SiteBackend(PhoneBackend):
    """A site that creates users its own way, and fails while there is a fault."""

    def create_user(self, number: str) -> AbstractBaseUser | None:
        """Raise the fault."""
        if faults:
            raise faults[0]
        return super().create_user(number)


class NamingBackend(PhoneBackend):
    """A site that gives everybody the same name, so that the second user cannot be saved."""

    def make_username(self, number: str) -> str:
        """Return the same name."""
        return NAME


class VerboseBackend(PhoneBackend):
    """A site whose names are longer than their column."""

    def make_username(self, number: str) -> str:
        """Return a long name."""
        return "guest" * 100


@pytest.fixture
def fault(settings: Any) -> Iterator[list[Exception]]:
    """Let the site fail to create users."""
    settings.AUTHENTICATION_BACKENDS = ["tests.test_backends_failed_sign_ups.SiteBackend"]
    faults[:] = [LookupError(f"no tariff for {NUMBER}")]
    yield faults
    faults.clear()


@pytest.fixture
def clash(settings: Any) -> Any:
    """Let the database refuse new users, and return the user who is in the way."""
    settings.AUTHENTICATION_BACKENDS = ["tests.test_backends_failed_sign_ups.NamingBackend"]
    return UserFactory(username=NAME)


def approved() -> Verification:
    """Return a verification whose code was right just now."""
    verification: Verification = VerificationFactory(
        phone__number=NUMBER,
        status=VerificationStatus.APPROVED,
        approved_at=timezone.now(),
        checks=1,
    )
    return verification


def fail(verification: Verification) -> Verification:
    """Fail to sign up by ``verification``, and return what the record says."""
    assert log_in(verification) is None
    assert isinstance(verification.refusal, SignUpFailed)
    return Verification.objects.get(pk=verification.pk)


class TestRecord:
    @pytest.mark.parametrize(
        "error", [LookupError(), IntegrityError(), DataError(), ValidationError("x")], ids=repr
    )
    def test_any_error_of_the_site_keeps_the_approval(
        self, fault: list[Exception], error: Exception
    ) -> None:
        fault[:] = [error]
        found = fail(approved())
        assert (found.status, found.consumed_at) == (VerificationStatus.APPROVED, None)
        assert found.refusal_code == Refusal.SIGN_UP_FAILED
        assert found.state(now=timezone.now()) == "refused"

    def test_a_column_that_is_unique_keeps_the_approval(self, clash: Any) -> None:
        found = fail(approved())
        assert (found.consumed_at, found.refusal_code) == (None, Refusal.SIGN_UP_FAILED)
        assert found.phone.user is None
        assert found.phone.verified_at is None

    @pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite does not limit the length of a column"
    )
    def test_a_column_that_is_too_short_keeps_the_approval(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.test_backends_failed_sign_ups.VerboseBackend"]
        found = fail(approved())
        assert (found.consumed_at, found.refusal_code) == (None, Refusal.SIGN_UP_FAILED)

    def test_the_kept_approval_signs_up_once(self, clash: Any) -> None:
        verification = fail(approved())
        clash.delete()
        user = log_in(verification)
        assert user.username == NAME
        assert log_in(Verification.objects.get()) is None
        found = Verification.objects.get()
        assert found.state(now=timezone.now()) == "used"
        assert found.refusal_code == ""
        assert Phone.objects.get().user == user

    def test_a_number_that_is_released_meanwhile_keeps_no_approval(self) -> None:
        class Releasing(PhoneBackend):
            def create_user(self, number: str) -> AbstractBaseUser | None:
                release_numbers(Phone.objects.filter(number=number))
                raise LookupError

        verification = approved()
        assert Releasing().authenticate(None, verification=verification) is None
        assert log_in(verification) is None
        found = Verification.objects.get()
        assert found.consumed_at is not None
        assert found.refusal_code == Refusal.SIGN_UP_FAILED

    def test_an_approval_that_is_given_back_during_a_release_is_not_used(self, clash: Any) -> None:
        verification = fail(approved())
        clash.delete()
        # The release looked for approvals before this one was given back, and commits now.
        Phone.objects.filter(number=NUMBER).release(now=timezone.now())
        assert log_in(verification) is None
        assert not written_users().exists()

    def test_the_kept_approval_lives_no_longer_than_others(
        self, fault: list[Exception], clock: Clock
    ) -> None:
        verification = fail(approved())
        fault.clear()
        clock.shift(APPROVAL_LIFETIME)
        assert log_in(verification) is None
        assert not written_users().exists()


class TestOperator:
    def test_a_failed_sign_up_is_an_alarm_that_names_the_error(
        self, clash: Any, warnings_sent: list[str]
    ) -> None:
        fail(approved())
        assert warnings_sent == [
            "A code was right, but no user could be created: IntegrityError. Run manage.py check, "
            "and see the log of django_flashcall.backends."
        ]

    def test_the_log_shows_the_lines_of_code_and_no_values(
        self, fault: list[Exception], caplog: pytest.LogCaptureFixture
    ) -> None:
        fail(approved())
        assert "sign-up failed: LookupError" in caplog.text
        assert "raise faults[0]" in caplog.text
        assert "no tariff" not in caplog.text
        assert NUMBER not in caplog.text


class TestPage:
    def test_a_failed_sign_up_is_told_in_words(
        self, browser: Browser, outbox: Outbox, clash: Any
    ) -> None:
        browser.ask(NUMBER)
        page = browser.answer(outbox[-1].code)
        assert browser.response.status_code == 200
        assert page.title.startswith("Error: You are not logged in")
        assert "We could not create your account. Try again in a minute." in page.text
        assert not is_logged_in(browser)

    @pytest.mark.parametrize("reloads", [False, True])
    def test_one_click_tries_again_without_a_call(
        self, browser: Browser, outbox: Outbox, clash: Any, reloads: bool
    ) -> None:
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        if reloads:
            assert "we could not create your account" in browser.open(browser.url).text
        browser.press("Try again")
        assert "We could not create your account." in browser.page.text
        clash.delete()
        browser.press("Try again")
        assert user_of(browser).username == NAME
        assert len(outbox) == 1

    def test_the_right_code_of_the_last_check_can_be_tried_again(
        self, browser: Browser, outbox: Outbox, clash: Any
    ) -> None:
        browser.ask(NUMBER)
        for code in (wrong(outbox[-1].code), wrong(outbox[-1].code), outbox[-1].code):
            browser.answer(code)
        assert the_verification().checks_left == 0
        clash.delete()
        browser.press("Try again")
        assert is_logged_in(browser)

    def test_another_browser_cannot_try_again(
        self, browser: Browser, outbox: Outbox, clash: Any
    ) -> None:
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        clash.delete()
        stranger = Browser()
        stranger.client.handler.enforce_csrf_checks = False
        stranger.client.post(browser.url, {"checks": "1"})
        assert not is_logged_in(stranger)
        assert not written_users().exists()

    def test_a_click_that_comes_second_shows_how_the_first_one_ended(
        self, browser: Browser, outbox: Outbox, clash: Any
    ) -> None:
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        clash.delete()

        used: list[int] = []

        def use_first(execute: Any, sql: str, *statement: Any) -> Any:
            if sql.startswith("UPDATE") and "consumed_at" in sql and not used:
                used.append(1)  # the UPDATE below comes here as well
                Verification.objects.update(consumed_at=timezone.now(), refusal_code="")
            return execute(sql, *statement)

        data, url = browser.data("Try again"), browser.url
        with connection.execute_wrapper(use_first):
            response = browser.client.post(url, data)
        assert (response.status_code, response.url) == (302, url)
        assert not written_users().exclude(pk=clash.pk).exists()

    def test_an_approval_that_grew_old_cannot_be_tried_again(
        self, browser: Browser, outbox: Outbox, clash: Any, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        clash.delete()
        clock.shift(APPROVAL_LIFETIME)
        browser.press("Try again")
        assert not is_logged_in(browser)
        assert "The code was right, but you are not logged in." in browser.page.text
        assert "Try again" not in browser.page.buttons

    @pytest.mark.parametrize("fields", [{"is_staff": True}, {"is_active": False}])
    def test_other_refusals_cannot_be_tried_again(
        self, browser: Browser, outbox: Outbox, fields: dict[str, bool]
    ) -> None:
        user = UserFactory(**fields)
        Phone.objects.create(number=NUMBER, user=user, verified_at=timezone.now())
        browser.ask(NUMBER)
        page = browser.answer(outbox[-1].code)
        assert "Try again" not in page.buttons
        user.is_staff, user.is_active = False, True
        user.save()
        token = browser.page.input("csrfmiddlewaretoken")["value"]
        typed = {"csrfmiddlewaretoken": token, "code": outbox[-1].code}
        browser.client.post(browser.url, typed)
        assert not is_logged_in(browser)
