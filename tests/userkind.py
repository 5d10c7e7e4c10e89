"""The user model that the tests run with, whichever it is: FLASHCALL_TEST_USER chooses."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model

#: The kinds of tests/users, and where each of them keeps the number.
FIELDS = {
    "named_by_email": "mobile",
    "named_by_phone": "phone",
    "with_phonenumberfield": "phone_number",
    "with_uuid": "telephone",
}

#: Django's own user has no field for it; in the tests the last name serves.
FIELD = FIELDS.get(getattr(settings, "USER", ""), "last_name")

turn = count()


def make_user(number: str = "") -> Any:
    """Return a user with ``number`` in the field, as somebody typed it."""
    user = build_user(number)
    user.set_password("correct horse")
    user.save()
    return user


def build_user(number: str = "") -> Any:
    """Return the same unsaved, and without a password."""
    user_model = get_user_model()
    name = f"user-{next(turn)}"
    if settings.USER == "named_by_email":
        name += "@example.org"
    if settings.USER == "named_by_phone":
        return user_model(phone=number or name)
    return user_model(**{user_model.USERNAME_FIELD: name, FIELD: number})
