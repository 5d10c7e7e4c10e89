"""Whose number is this? Finding the user of a number, and making one for a new number."""

from __future__ import annotations

from typing import cast

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.views.decorators.debug import sensitive_variables

from .models import Phone
from .transactions import in_own_transaction

#: Letters and digits that nobody mistakes for each other.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class PhoneAccounts:
    """The methods that a site overrides, in a subclass of ``PhoneBackend``, to keep users its way.

    All of them get the number in E.164, proved; with ``SIGN_UP`` off, ``find_user`` is asked before
    the call too.
    """

    @sensitive_variables()
    def find_user(self, number: str) -> AbstractBaseUser | None:
        """Return the user to whom ``number`` belongs."""
        phone = Phone.objects.select_related("user").filter(number=number).first()
        return cast("AbstractBaseUser | None", phone.user if phone else None)

    @sensitive_variables()
    def create_user(self, number: str) -> AbstractBaseUser | None:
        """Make a user for ``number``, or return the one that somebody else made at this moment."""
        return self._sign_up(number) or self.find_user(number)

    @sensitive_variables()
    def new_user(self, number: str) -> AbstractBaseUser:
        """Return an unsaved user without a usable password, named by ``make_username``."""
        user_model = get_user_model()
        user = user_model(**{user_model.USERNAME_FIELD: self.make_username(number)})
        user.set_unusable_password()
        return user

    @sensitive_variables()
    @in_own_transaction(Phone)
    def _sign_up(self, number: str) -> AbstractBaseUser | None:
        phone = Phone.objects.filter(number=number)
        if not phone.claim_sign_up(now=timezone.now()):
            return None
        user = self.new_user(number)
        user.save()
        phone.update(user=user)
        return user

    @sensitive_variables()
    def make_username(self, number: str) -> str:
        """Return a name for a new user.

        It is not the number: somebody may have registered the number as a name.
        """
        return f"phone-{get_random_string(12, ALPHABET)}"


@sensitive_variables()
def is_known(number: str) -> bool:
    """Tell whether ``number`` has a user, as the site's own backend sees it."""
    backends = [backend for backend in get_backends() if isinstance(backend, PhoneAccounts)]
    return any(backend.find_user(number) is not None for backend in backends)
