"""How the backend finds the user of a number, and makes one."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from django_flashcall.backends import PhoneBackend
from django_flashcall.databases import written_users
from django_flashcall.exceptions import TransactionOpen
from tests.constants import NUMBER
from tests.factories import PhoneFactory, UserFactory

pytestmark = pytest.mark.django_db


class TestFinding:
    def test_a_number_belongs_to_the_user_of_its_phone(self) -> None:
        user = UserFactory()
        PhoneFactory(number=NUMBER, user=user)
        assert PhoneBackend().find_user(NUMBER) == user

    def test_a_number_without_a_user_belongs_to_nobody(self) -> None:
        PhoneFactory(number=NUMBER)
        assert PhoneBackend().find_user(NUMBER) is None
        assert PhoneBackend().find_user("+79991234568") is None


class TestCreating:
    def test_a_new_user_has_no_password_and_no_name_that_is_the_number(self) -> None:
        PhoneFactory(number=NUMBER)
        user: Any = PhoneBackend().create_user(NUMBER)
        assert not user.has_usable_password()
        assert "9991234567" not in user.username
        assert user.username.startswith("phone-")
        assert not user.is_staff

    def test_a_new_user_is_bound_to_the_number_as_verified(self) -> None:
        phone = PhoneFactory(number=NUMBER)
        user = PhoneBackend().create_user(NUMBER)
        phone.refresh_from_db()
        assert phone.user == user
        assert phone.verified_at is not None

    def test_no_user_is_created_for_a_number_that_got_one_meanwhile(self) -> None:
        PhoneFactory(number=NUMBER, user=UserFactory())
        assert PhoneBackend().create_user(NUMBER) is None
        assert written_users().count() == 1

    def test_names_of_new_users_differ(self) -> None:
        names = {PhoneBackend().make_username(NUMBER) for _ in range(100)}
        assert len(names) == 100

    def test_somebody_who_registered_the_number_as_a_name_gets_nothing(self) -> None:
        stranger = UserFactory(username=NUMBER)
        PhoneFactory(number=NUMBER)
        assert PhoneBackend().create_user(NUMBER) != stranger

    def test_a_user_that_cannot_be_saved_leaves_the_number_free(self) -> None:
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

    def test_a_user_is_made_in_a_transaction_of_its_own(self) -> None:
        PhoneFactory(number=NUMBER)
        with transaction.atomic(), pytest.raises(TransactionOpen):
            PhoneBackend().create_user(NUMBER)
