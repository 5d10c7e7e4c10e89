"""An approved verification logs in once, and nothing else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import AbstractBaseUser, Permission
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall.backends import PhoneBackend
from django_flashcall.choices import Purpose, VerificationStatus
from django_flashcall.databases import written_users
from django_flashcall.exceptions import LoginRefused, TransactionOpen
from django_flashcall.models import Verification
from tests.constants import MODEL_BACKEND, NUMBER, PHONE_BACKEND
from tests.factories import PhoneFactory, UserFactory, VerificationFactory
from tests.logins import log_in

pytestmark = pytest.mark.django_db


class SiteBackend(PhoneBackend):
    """A site that keeps its users its own way."""

    def find_user(self, number: str) -> AbstractBaseUser | None:
        """Find a user by the address that holds the number."""
        return written_users().filter(email=f"{number}@example.com").first()

    def create_user(self, number: str) -> AbstractBaseUser | None:
        """Make a user with an address that holds the number."""
        user: Any = self.new_user(number)
        user.email = f"{number}@example.com"
        user.save()
        return user  # type: ignore[no-any-return]


class NamingBackend(PhoneBackend):
    """A site with names of its own."""

    def make_username(self, number: str) -> str:
        """Name everybody after the site."""
        return "guest-of-the-site"


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


def approved_for(user: AbstractBaseUser) -> Verification:
    """Return an approved verification of a number that belongs to ``user``."""
    return approved(phone__user=user)


@pytest.fixture
def no_statement(django_assert_num_queries: Any) -> CaptureQueriesContext:
    """Return a block in which the database is not asked."""
    block: CaptureQueriesContext = django_assert_num_queries(0)
    return block


class SecondProofBackend(PhoneBackend):
    """A site that has asked for the password just now, and remembers it."""

    def has_second_proof(self, request: HttpRequest | None, user: AbstractBaseUser) -> bool:
        """Look into the session."""
        return request is not None and request.session.get("proved") == user.pk


def typed_in_by(user: AbstractBaseUser) -> Verification:
    """Return an approved verification of a number that ``user`` has, and never proved."""
    return approved(phone__user=user, phone__verified_at=None)


def refusal_of(verification: Verification) -> LoginRefused:
    """Ask Django who it is, and return why it is nobody."""
    assert log_in(verification) is None
    assert verification.refusal is not None
    return verification.refusal


class CountingHasher(MD5PasswordHasher):
    """Counts what costs a server its time."""

    algorithm = "counting"
    count = 0

    def encode(self, password: str, salt: str) -> str:
        """Hash, and count."""
        type(self).count += 1
        return super().encode(password, salt)


@pytest.fixture(
    params=[[PHONE_BACKEND, MODEL_BACKEND], [MODEL_BACKEND, PHONE_BACKEND], [PHONE_BACKEND]],
    ids=["first", "last", "alone"],
)
def backends(request: pytest.FixtureRequest, settings: Any) -> list[str]:
    settings.AUTHENTICATION_BACKENDS = request.param
    settings.PASSWORD_HASHERS = ["tests.test_backends.CountingHasher"]
    order: list[str] = request.param
    return order


def hashes_of(**credentials: Any) -> int:
    CountingHasher.count = 0
    authenticate(None, **credentials)
    return CountingHasher.count


class TestLoggingIn:
    def test_an_approved_verification_logs_its_user_in(self) -> None:
        user = UserFactory()
        verification = approved_for(user)
        assert log_in(verification) == user
        verification.refresh_from_db()
        assert verification.consumed_at is not None
        assert verification.phone.verified_at is not None

    def test_a_verification_logs_in_once(self) -> None:
        verification = approved_for(UserFactory())
        assert log_in(verification) is not None
        assert log_in(verification) is None

    @pytest.mark.parametrize("status", [VerificationStatus.PENDING, VerificationStatus.CANCELED])
    def test_what_is_not_approved_logs_nobody_in(self, status: str) -> None:
        assert log_in(approved(status=status, approved_at=None)) is None

    @pytest.mark.parametrize(("seconds", "is_recent"), [(290, True), (300, False), (3600, False)])
    def test_an_old_approval_is_worth_nothing(self, seconds: int, is_recent: bool) -> None:
        moment = timezone.now() - timedelta(seconds=seconds)
        user = log_in(approved(created_at=moment, approved_at=moment))
        assert (user is not None) is is_recent

    @pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.REAUTHENTICATE, "of-the-site"])
    def test_an_approval_for_another_purpose_logs_nobody_in(self, purpose: str) -> None:
        verification = approved(purpose=purpose)
        assert log_in(verification) is None
        verification.refresh_from_db()
        assert verification.consumed_at is None


class TestStaff:
    @pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
    def test_staff_are_refused_and_the_approval_is_used_up(
        self, field: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        verification = approved_for(UserFactory(**{field: True}))
        assert log_in(verification) is None
        verification.refresh_from_db()
        assert verification.consumed_at is not None
        assert "staff" in caplog.text
        assert NUMBER not in caplog.text

    def test_staff_log_in_where_the_site_allows_it(self, flashcall: Any) -> None:
        flashcall(ALLOW_STAFF=True)
        user = UserFactory(is_staff=True, is_superuser=True)
        assert log_in(approved_for(user)) == user

    def test_an_inactive_user_is_refused_even_where_staff_is_allowed(self, flashcall: Any) -> None:
        flashcall(ALLOW_STAFF=True)
        assert log_in(approved_for(UserFactory(is_active=False, is_staff=True))) is None


class TestSignUp:
    def test_a_new_number_gets_a_user_without_a_password_and_not_named_by_it(self) -> None:
        verification = approved()
        user = log_in(verification)
        assert not user.has_usable_password()
        assert "9991234567" not in user.username
        verification.phone.refresh_from_db()
        assert verification.phone.user == user

    def test_the_next_login_by_a_new_number_finds_the_same_user(self) -> None:
        verification = approved()
        user = log_in(verification)
        assert log_in(approved(phone=verification.phone)) == user
        assert written_users().count() == 1

    def test_with_sign_up_off_a_new_number_is_refused(
        self, flashcall: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        flashcall(SIGN_UP=False)
        assert log_in(approved()) is None
        assert not written_users().exists()
        assert "login refused: no_user" in caplog.text

    def test_a_site_finds_and_makes_users_its_own_way(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.test_backends.SiteBackend"]
        verification = approved()
        user = log_in(verification)
        assert user.email == f"{NUMBER}@example.com"
        assert log_in(approved(phone=verification.phone)) == user

    def test_a_site_names_users_its_own_way(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.test_backends.NamingBackend"]
        assert log_in(approved()).username == "guest-of-the-site"

    def test_a_number_that_is_registered_elsewhere_at_this_moment_makes_no_second_user(
        self,
        flashcall: Any,
    ) -> None:
        """The site's own registration wins: its unique field says so while the user is saved."""
        flashcall(USER_PHONE_FIELD="username")
        verification = approved()

        class Late(PhoneBackend):
            def create_user(self, number: str) -> AbstractBaseUser | None:
                UserFactory(username=number)
                return super().create_user(number)

        assert Late().authenticate(None, verification=verification) is None
        assert verification.refusal is not None
        assert verification.refusal.code == "unproven"
        assert written_users().count() == 1


class TestPasswords:
    def test_alone_it_still_brings_djangos_permissions(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["django_flashcall.backends.PhoneBackend"]
        user = UserFactory()
        user.user_permissions.add(Permission.objects.get(codename="view_full_number"))
        assert user.has_perm("django_flashcall.view_full_number")
        assert not user.has_perm("django_flashcall.delete_phone")
        assert PhoneBackend().get_user(user.pk) == user

    def test_a_name_and_a_password_do_not_concern_it(
        self, settings: Any, no_statement: CaptureQueriesContext
    ) -> None:
        settings.AUTHENTICATION_BACKENDS = ["django_flashcall.backends.PhoneBackend"]
        with no_statement:
            assert authenticate(None, username="somebody", password="something") is None

    def test_a_password_still_works_beside_it(self) -> None:
        user = UserFactory()
        user.set_password("something")
        user.save()
        assert authenticate(None, username=user.username, password="something") == user

    def test_no_verification_logs_nobody_in(self, no_statement: CaptureQueriesContext) -> None:
        with no_statement:
            assert PhoneBackend().authenticate(None) is None
            assert PhoneBackend().authenticate(None, verification=None) is None

    def test_asynchronous_code_logs_in_as_well(self) -> None:
        user = UserFactory()
        verification = approved_for(user)
        assert async_to_sync(aauthenticate)(None, verification=verification) == user

    def test_asynchronously_it_answers_to_no_password_either(self) -> None:
        user = UserFactory()
        user.set_password("something")
        user.save()
        backend: Any = PhoneBackend()
        try:
            found = async_to_sync(backend.aauthenticate)(
                None, username=user.username, password="something"
            )
        except TypeError:
            found = None
        assert found is None

    def test_djangos_signal_of_a_failed_login_shows_no_number(self) -> None:
        told: list[Any] = []

        def listen(*, credentials: Any, **kwargs: Any) -> None:
            told.append(credentials)

        user_login_failed.connect(listen)
        try:
            log_in(VerificationFactory(phone=PhoneFactory(number=NUMBER)))
        finally:
            user_login_failed.disconnect(listen)
        (credentials,) = told
        assert list(credentials) == ["verification"]
        assert NUMBER not in str(credentials)


class TestTransactions:
    def test_a_login_inside_a_transaction_is_refused_and_uses_nothing_up(self) -> None:
        verification = approved()
        with transaction.atomic(), pytest.raises(TransactionOpen):
            log_in(verification)
        verification.refresh_from_db()
        assert verification.consumed_at is None


class TestSecondProofs:
    def test_a_number_that_its_user_never_proved_opens_nothing(self) -> None:
        user = UserFactory()
        refusal = refusal_of(typed_in_by(user))
        assert (refusal.code, refusal.user) == ("unproven", user)
        assert NUMBER not in str(refusal)

    def test_it_opens_nothing_the_second_time_either(self) -> None:
        verification = typed_in_by(UserFactory())
        refusal_of(verification)
        assert refusal_of(approved(phone=verification.phone)).code == "unproven"

    def test_a_site_that_proved_its_numbers_says_so(self, flashcall: Any) -> None:
        flashcall(USER_PHONES_PROVEN=True)
        user = UserFactory()
        verification = typed_in_by(user)
        assert log_in(verification) == user
        flashcall(USER_PHONES_PROVEN=False)
        assert log_in(approved(phone=verification.phone)) == user

    def test_a_second_proof_makes_the_number_its_users(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.test_backends.SecondProofBackend"]
        user = UserFactory()
        verification = typed_in_by(user)
        assert refusal_of(verification).code == "unproven"
        request = RequestFactory().get("/")
        request.session = {"proved": user.pk}  # type: ignore[assignment]
        again = approved(phone=verification.phone)
        assert authenticate(request, verification=again) == user
        assert log_in(approved(phone=verification.phone)) == user


class TestDormantUsers:
    def test_a_number_of_somebody_long_gone_opens_nothing(self, flashcall: Any) -> None:
        """Numbers are given to others some months after they fell silent."""
        flashcall(MAX_DORMANCY=timedelta(days=180))
        user = UserFactory()
        proved_at = timezone.now() - timedelta(days=181)
        verification = approved(phone__user=user, phone__verified_at=proved_at)
        refusal = refusal_of(verification)
        assert (refusal.code, refusal.user) == ("dormant", user)
        verification.phone.refresh_from_db()
        assert verification.phone.verified_at == proved_at

    def test_a_site_that_proved_its_numbers_did_so_long_ago_as_well(self, flashcall: Any) -> None:
        flashcall(MAX_DORMANCY=timedelta(days=180), USER_PHONES_PROVEN=True)
        proved_at = timezone.now() - timedelta(days=181)
        verification = approved(phone__user=UserFactory(), phone__verified_at=proved_at)
        assert refusal_of(verification).code == "dormant"

    def test_each_login_shows_that_the_number_is_in_use(self, flashcall: Any) -> None:
        flashcall(MAX_DORMANCY=timedelta(days=180))
        proved_at = timezone.now() - timedelta(days=179)
        verification = approved(phone__user=UserFactory(), phone__verified_at=proved_at)
        assert log_in(verification) is not None
        verification.phone.refresh_from_db()
        assert verification.phone.verified_at > proved_at

    def test_dormancy_is_off_by_default(self) -> None:
        proved_at = timezone.now() - timedelta(days=3650)
        assert log_in(approved(phone__user=UserFactory(), phone__verified_at=proved_at)) is not None


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "code"), [({"is_staff": True}, "staff"), ({"is_active": False}, "inactive")]
    )
    def test_a_refusal_says_why(self, fields: dict[str, bool], code: str) -> None:
        assert refusal_of(approved_for(UserFactory(**fields))).code == code

    def test_a_refused_login_proves_nothing(self) -> None:
        verification = approved(phone__user=UserFactory(is_staff=True), phone__verified_at=None)
        refusal_of(verification)
        verification.phone.refresh_from_db()
        assert verification.phone.verified_at is None


class TestHashing:
    def test_a_password_is_hashed_once_wherever_the_backend_stands(
        self, backends: list[str]
    ) -> None:
        user: Any = UserFactory()
        user.set_password("right")
        user.save()
        once = 1 if MODEL_BACKEND in backends else 0
        assert hashes_of(username=user.username, password="right") == once
        assert hashes_of(username=user.username, password="wrong") == once
        assert hashes_of(username="nobody", password="wrong") == once

    def test_a_login_by_phone_hashes_nothing(self, backends: list[str]) -> None:
        verification = approved_for(UserFactory())
        assert hashes_of(verification=verification) == 0
        assert hashes_of(verification=verification) == 0
        verification.refresh_from_db()
        assert verification.consumed_at is not None
