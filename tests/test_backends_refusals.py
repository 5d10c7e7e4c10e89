"""A right code that logs nobody in: what the record, the page and the operator are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from django_flashcall.accounts import release_numbers
from django_flashcall.backends import PhoneBackend
from django_flashcall.choices import Refusal, VerificationStatus
from django_flashcall.exceptions import LoginRefused
from django_flashcall.models import Phone, Verification
from tests.browser import Browser, is_logged_in
from tests.constants import NUMBER, Outbox
from tests.factories import PhoneFactory, UserFactory, VerificationFactory
from tests.logins import log_in, the_verification
from tests.userkind import make_user

pytestmark = pytest.mark.django_db


class ClosedBackend(PhoneBackend):
    """A site that refuses everybody, in words of its own."""

    def may_log_in(self, user: AbstractBaseUser) -> bool:
        """Refuse."""
        raise LoginRefused(code="closed on\nSundays")


class DenyingBackend(PhoneBackend):
    """A site that refuses everybody, as Django's backends do."""

    def find_user(self, number: str) -> AbstractBaseUser | None:
        """Refuse."""
        raise PermissionDenied


class FailingBackend(PhoneBackend):
    """A site whose directory of users is down."""

    def find_user(self, number: str) -> AbstractBaseUser | None:
        """Fail."""
        raise ConnectionRefusedError


def approved(**kwargs: Any) -> Verification:
    """Return a verification whose code was right just now."""
    row = {
        "phone__number": NUMBER,
        "status": VerificationStatus.APPROVED,
        "approved_at": timezone.now(),
        "checks": 1,
    }
    verification: Verification = VerificationFactory(**row | kwargs)
    return verification


def ended(verification: Verification) -> tuple[str, str]:
    """Return how the record says that ``verification`` ended, and why."""
    fresh = Verification.objects.get(pk=verification.pk)
    return fresh.state(now=timezone.now()), fresh.refusal_code


def of(**fields: Any) -> Verification:
    """Return an approved verification of a user with these ``fields``."""
    return approved(phone__user=UserFactory(**fields))


class TestRecord:
    @pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
    def test_staff_are_recorded_as_refused(self, field: str) -> None:
        verification = of(**{field: True})
        assert log_in(verification) is None
        assert ended(verification) == ("refused", Refusal.STAFF)

    def test_an_inactive_user_is_recorded_as_refused(self) -> None:
        verification = of(is_active=False)
        assert log_in(verification) is None
        assert ended(verification) == ("refused", Refusal.INACTIVE)

    def test_a_number_without_a_user_is_recorded_as_refused(self, flashcall: Any) -> None:
        flashcall(SIGN_UP=False)
        verification = approved()
        assert log_in(verification) is None
        assert ended(verification) == ("refused", Refusal.NO_USER)

    def test_an_unproven_number_is_recorded_as_refused(self) -> None:
        verification = approved(phone__user=UserFactory(), phone__verified_at=None)
        assert log_in(verification) is None
        assert ended(verification) == ("refused", Refusal.UNPROVEN)

    def test_a_dormant_number_is_recorded_as_refused(self, flashcall: Any) -> None:
        flashcall(MAX_DORMANCY=timedelta(days=180))
        long_ago = timezone.now() - timedelta(days=181)
        verification = approved(phone__user=UserFactory(), phone__verified_at=long_ago)
        assert log_in(verification) is None
        assert ended(verification) == ("refused", Refusal.DORMANT)

    @pytest.mark.usefixtures("user_phone_field")
    def test_a_number_of_several_users_is_recorded_as_refused(self) -> None:
        make_user(NUMBER)
        make_user(NUMBER)
        verification = approved()
        assert log_in(verification) is None
        assert ended(verification) == ("refused", Refusal.DUPLICATE)

    def test_a_reason_of_the_site_is_recorded_on_one_line(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.test_backends_refusals.ClosedBackend"]
        verification = of()
        assert log_in(verification) is None
        assert ended(verification) == ("refused", "closed on�Sundays")

    def test_a_permission_that_the_site_denies_is_recorded_as_refused(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.test_backends_refusals.DenyingBackend"]
        verification = of()
        assert log_in(verification) is None
        assert ended(verification) == ("refused", Refusal.REFUSED)

    def test_a_login_is_recorded_as_used(self) -> None:
        verification = of()
        assert log_in(verification) is not None
        assert ended(verification) == ("used", "")

    def test_a_second_use_keeps_what_the_first_one_recorded(self) -> None:
        refused, used = of(is_staff=True), approved(phone=PhoneFactory(user=UserFactory()))
        for verification in (refused, used):
            log_in(verification)
            assert log_in(Verification.objects.get(pk=verification.pk)) is None
        assert ended(refused) == ("refused", Refusal.STAFF)
        assert ended(used) == ("used", "")

    def test_a_released_number_keeps_what_was_recorded(self) -> None:
        verification = of(is_staff=True)
        log_in(verification)
        release_numbers(Phone.objects.all())
        assert ended(verification) == ("refused", Refusal.STAFF)

    def test_an_error_of_the_site_leaves_the_approval_as_it_was(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.test_backends_refusals.FailingBackend"]
        verification = of()
        with pytest.raises(ConnectionRefusedError):
            log_in(verification)
        assert ended(verification) == ("approved", "")
        assert verification.consumed_at is None

    def test_every_reason_of_the_package_has_words(self) -> None:
        assert all(reason.label for reason in Refusal)


class TestPage:
    @pytest.fixture(autouse=True)
    def staff(self) -> None:
        PhoneFactory(number=NUMBER, user=UserFactory(is_staff=True))

    def test_a_refused_login_stays_refused_on_a_reload(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.ask(NUMBER)
        page = browser.answer(outbox[-1].code)
        assert "You cannot log in with this number." in page.text
        page = browser.open(browser.url)
        assert page.title.startswith("You are not logged in")
        assert "The code was right, but you are not logged in." in page.text

    def test_a_refused_login_does_not_pass_for_that_of_the_user_who_is_logged_in(
        self, own_browser: Browser, outbox: Outbox
    ) -> None:
        own_browser.ask(NUMBER)
        own_browser.answer(outbox[-1].code)
        page = own_browser.open(own_browser.url)
        assert page.title.startswith("You are not logged in")
        assert the_verification().refusal_code == Refusal.STAFF
        assert is_logged_in(own_browser)
