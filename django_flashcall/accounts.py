"""Whose number is this? Finding the user of a number, and making one for a new number."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError
from django.db.models import EmailField, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.views.decorators.debug import sensitive_variables

from .conf import get_settings
from .exceptions import LoginRefused
from .models import Phone
from .phone import spellings
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
        """Return the user to whom ``number`` belongs, or who says so in ``USER_PHONE_FIELD``.

        Raises ``LoginRefused`` if several do.
        """
        phone = Phone.objects.select_related("user").filter(number=number).first()
        if phone and (phone.user or phone.changed_hands):
            return phone.user
        return self._find_by_field(number)

    @sensitive_variables()
    def _find_by_field(self, number: str) -> AbstractBaseUser | None:
        users = list(holders(number)[:2])
        if len(users) > 1:
            raise LoginRefused(code="duplicate")
        return users[0] if users else None

    @sensitive_variables()
    def create_user(self, number: str) -> AbstractBaseUser | None:
        """Make a user for ``number``; return ``None`` if somebody else did at this moment."""
        try:
            return self._sign_up(number)
        except IntegrityError:
            # Another door of the site made the user, or an old one has the number in a unique
            # field; anything else is a mistake of the site's, which must show.
            if self.find_user(number) is None and not holders(number):
                raise
            return None

    @sensitive_variables()
    def new_user(self, number: str) -> AbstractBaseUser:
        """Return an unsaved user without a usable password, named by ``make_username``.

        The number goes into ``USER_PHONE_FIELD``, which may be the name.
        """
        user_model, field = get_user_model(), get_settings().USER_PHONE_FIELD
        named = {user_model.USERNAME_FIELD: self.make_username(number)}
        user = user_model(**named | ({field: number} if field else {}))
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
        """Return a name for a new user, where names are addresses one that leads nowhere.

        It is not the number: somebody may have registered the number as a name.
        """
        name = f"phone-{get_random_string(12, ALPHABET)}"
        user_model = get_user_model()
        field = user_model._meta.get_field(user_model.USERNAME_FIELD)
        # RFC 2606 keeps .invalid free of hosts: no mail ever leaves for it.
        return f"{name}@phone.invalid" if isinstance(field, EmailField) else name

    def has_second_proof(self, request: HttpRequest | None, user: AbstractBaseUser) -> bool:
        """Tell whether ``request`` shows by something else than the number that it is ``user``.

        Asked where the number alone is not enough: its user never proved it, or not for
        ``MAX_DORMANCY``. A site that has asked for a password or written a mail just now says so
        here, and the number is the user's from then on.
        """
        return False

    @in_own_transaction(Phone)
    def prove_again(self, phone_id: int, *, user: AbstractBaseUser) -> bool:
        """Record that ``user`` proved a number once more that was proved recently enough."""
        now, dormancy = timezone.now(), get_settings().MAX_DORMANCY
        since = now - dormancy if dormancy else None
        return Phone.objects.filter(pk=phone_id).prove_again(user=user, now=now, since=since)

    @in_own_transaction(Phone)
    def bind(self, phone_id: int, *, user: AbstractBaseUser) -> bool:
        """Make the number the one of ``user``, who has just proved it."""
        return Phone.objects.filter(pk=phone_id).bind(user=user, now=timezone.now())


@sensitive_variables()
def holders(number: str) -> QuerySet[Any]:
    """Return the users who have ``number`` in ``USER_PHONE_FIELD``, in the usual spellings.

    Its index is asked for them; all others are read by ``flashcall_adopt``.
    """
    users, field = get_user_model()._default_manager.all(), get_settings().USER_PHONE_FIELD
    return users.filter(**{f"{field}__in": spellings(number)}) if field else users.none()


@sensitive_variables()
def drop_claims(number: str, *, but: AbstractBaseUser) -> None:
    """Empty the fields of all other users who have ``number`` there, where a field can be empty.

    Somebody has proved it, and it was not they.
    """
    others = holders(number).exclude(pk=but.pk)
    name = get_settings().USER_PHONE_FIELD
    field: Any = get_user_model()._meta.get_field(name) if name else None
    if field is not None and field.null:
        others.update(**{name: None})
    elif field is not None and not field.unique:
        others.update(**{name: ""})


def is_long_gone(user: AbstractBaseUser) -> bool:
    """Tell whether ``user``, whose number the site proved, was not seen for ``MAX_DORMANCY``."""
    dormancy = get_settings().MAX_DORMANCY
    if dormancy is None:
        return False
    return user.last_login is None or user.last_login < timezone.now() - dormancy


@sensitive_variables()
def is_known(number: str) -> bool:
    """Tell whether ``number`` has a user, as the site's own backend sees it."""
    backends = [backend for backend in get_backends() if isinstance(backend, PhoneAccounts)]
    return any(_has_user(backend, number) for backend in backends)


@sensitive_variables()
def look_in_vain(phone: Phone) -> None:
    """Look a number up in ``USER_PHONE_FIELD``, if ``is_known`` had no need to.

    SECURITY: so that who holds a watch does not learn by the time who has an account.
    """
    if phone.user_id is not None or phone.changed_hands:
        list(holders(phone.number)[:2])


@sensitive_variables()
def _has_user(accounts: PhoneAccounts, number: str) -> bool:
    try:
        return accounts.find_user(number) is not None
    except LoginRefused:
        return True
