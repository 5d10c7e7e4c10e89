"""Whose number is this, and what becomes of a new one."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from django_flashcall.backends import PhoneBackend
from django_flashcall.calls import decoys
from django_flashcall.exceptions import TransactionOpen
from django_flashcall.models import Phone

from .factories import PhoneFactory, UserFactory

pytestmark = pytest.mark.django_db

NUMBER = "+79991234567"


class NamedByNumberBackend(PhoneBackend):
    """A site that keeps the number as the username."""

    def find_user(self, number: str) -> AbstractBaseUser | None:
        """Find the user by the name."""
        return get_user_model().objects.filter(username=number).first()


def test_a_number_belongs_to_the_user_of_its_phone() -> None:
    user = UserFactory()
    PhoneFactory(number=NUMBER, user=user)
    assert PhoneBackend().find_user(NUMBER) == user


def test_a_number_without_a_user_belongs_to_nobody() -> None:
    PhoneFactory(number=NUMBER)
    assert PhoneBackend().find_user(NUMBER) is None
    assert PhoneBackend().find_user("+79991234568") is None


def test_a_new_user_has_no_password_and_no_name_that_is_the_number() -> None:
    PhoneFactory(number=NUMBER)
    user: Any = PhoneBackend().create_user(NUMBER)
    assert not user.has_usable_password()
    assert "9991234567" not in user.username
    assert user.username.startswith("phone-")
    assert not user.is_staff


def test_a_new_user_is_bound_to_the_number_as_verified() -> None:
    phone = PhoneFactory(number=NUMBER)
    user = PhoneBackend().create_user(NUMBER)
    phone.refresh_from_db()
    assert phone.user == user
    assert phone.verified_at is not None


def test_nobody_is_made_for_a_number_that_got_its_user_meanwhile() -> None:
    PhoneFactory(number=NUMBER, user=UserFactory())
    assert PhoneBackend().create_user(NUMBER) is None
    assert get_user_model().objects.count() == 1


def test_names_of_new_users_differ() -> None:
    names = {PhoneBackend().make_username(NUMBER) for _ in range(100)}
    assert len(names) == 100


def test_somebody_who_registered_the_number_as_a_name_gets_nothing() -> None:
    stranger = UserFactory(username=NUMBER)
    PhoneFactory(number=NUMBER)
    assert PhoneBackend().create_user(NUMBER) != stranger


def test_a_user_that_cannot_be_saved_leaves_the_number_free() -> None:
    class Clashing(PhoneBackend):
        def new_user(self, number: str) -> AbstractBaseUser:
            user: AbstractBaseUser = UserFactory.build()
            user.save = _refuse  # type: ignore[method-assign]
            return user

    def _refuse(*args: Any, **kwargs: Any) -> None:
        raise LookupError

    phone = PhoneFactory(number=NUMBER)
    with pytest.raises(LookupError):
        Clashing().create_user(NUMBER)
    phone.refresh_from_db()
    assert (phone.user, phone.verified_at) == (None, None)


def test_a_user_is_made_in_a_transaction_of_its_own() -> None:
    PhoneFactory(number=NUMBER)
    with transaction.atomic(), pytest.raises(TransactionOpen):
        PhoneBackend().create_user(NUMBER)


def test_a_number_is_known_if_it_has_a_user() -> None:
    PhoneFactory(number=NUMBER)
    assert not decoys.is_known(NUMBER)
    Phone.objects.update(user=UserFactory())
    assert decoys.is_known(NUMBER)


def test_a_number_is_known_if_the_sites_own_backend_finds_a_user(settings: Any) -> None:
    UserFactory(username=NUMBER)
    assert not decoys.is_known(NUMBER)
    settings.AUTHENTICATION_BACKENDS = ["tests.test_accounts.NamedByNumberBackend"]
    assert decoys.is_known(NUMBER)
