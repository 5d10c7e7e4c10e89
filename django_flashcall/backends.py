"""The authentication backend: an approved verification is the credential, never the code."""

from __future__ import annotations

import logging
import traceback
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import EmailField, Exists, OuterRef
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import alarms
from .accounts import is_dormant, users_with
from .choices import Alarm, Purpose, Refusal
from .conf import get_settings
from .databases import in_own_transaction, written_users
from .exceptions import LoginRefused, SignUpFailed
from .models import Phone, Verification
from .phone import mask
from .querysets import VerificationQuerySet
from .text import word

logger = logging.getLogger(__name__)

#: Letters and digits that are hard to confuse with each other.
USERNAME_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

REFUSALS = {
    Refusal.UNPROVEN: _(
        "This number is listed in an account but was never confirmed. Log in another way and "
        "confirm it."
    ),
    Refusal.DORMANT: _(
        "Nobody has logged in with this number for a long time. Log in another way and confirm it."
    ),
}


class PhoneBackend(ModelBackend):
    """Logs in the user of a verified number.

    It only accepts ``verification``, so with other backends no password is hashed twice. It can be
    the only backend, since it provides Django's permissions. A site can override ``find_user()``,
    ``create_user()``, ``new_user()``, ``make_username()``, ``may_log_in()`` and
    ``has_second_proof()`` in a subclass. They get verified numbers in E.164. With ``SIGN_UP`` off,
    ``find_user()`` also runs before a call.
    """

    @sensitive_variables()
    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, verification: Verification | None = None
    ) -> AbstractBaseUser | None:
        """Use ``verification``; return the user of its number, or a new one if ``SIGN_UP`` is on.

        If ``None`` is returned, ``verification.refusal`` says why. After ``SignUpFailed``, the
        approval can be used again.
        """
        if verification is None or not self._consume(verification):
            return None
        try:
            return self._user_of(verification, request=request)
        except LoginRefused as refusal:
            self._refuse(verification, refusal)
            return None
        except PermissionDenied:
            self._refuse(verification, LoginRefused())  # by a method of the site
            raise
        except Exception:
            self._give_back(verification)
            raise

    async def aauthenticate(  # type: ignore[override]
        self, request: HttpRequest | None, verification: Verification | None = None
    ) -> AbstractBaseUser | None:
        """See ``authenticate()``."""
        # SECURITY: the method of ModelBackend would accept a password.
        return await sync_to_async(self.authenticate)(request, verification)

    def get_user(self, user_id: Any) -> Any:
        """Return the user of a session, from the database that the router writes to.

        A replica may not have a new user yet, and a deactivated user may still be active there.
        """
        user = written_users().filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None

    async def aget_user(self, user_id: Any) -> Any:
        """See ``get_user()``."""
        return await sync_to_async(self.get_user)(user_id)

    def may_log_in(self, user: AbstractBaseUser) -> bool:
        """Return whether ``user`` may log in by phone alone."""
        is_active = self.user_can_authenticate(user)  # type: ignore[arg-type]  # any user model
        return is_active and not self._is_guarded(user)

    def find_user(self, number: str) -> AbstractBaseUser | None:
        """Return the user of ``number``, or the one with the number in ``USER_PHONE_FIELD``.

        Raises ``LoginRefused`` if several users have it.
        """
        phone = Phone.objects.select_related("user").filter(number=number).first()
        if phone and (phone.user or phone.had_user):
            return phone.user
        return self._find_by_field(number)

    def create_user(self, number: str) -> AbstractBaseUser | None:
        """Create a user for ``number``; return ``None`` if one was created at the same moment."""
        try:
            return self._sign_up(number)
        except IntegrityError:
            # Another request has created the user, or an existing user has the number in
            # a unique field. Anything else is a bug in the site and is raised.
            if self.find_user(number) is None and not users_with(number):
                raise
            return None

    def new_user(self, number: str) -> AbstractBaseUser:
        """Return an unsaved user with an unusable password, named by ``make_username()``.

        The number is put into ``USER_PHONE_FIELD``, which may be the username.
        """
        user_model, field = get_user_model(), get_settings().USER_PHONE_FIELD
        named = {user_model.USERNAME_FIELD: self.make_username(number)}
        user = user_model(**named | ({field: number} if field else {}))
        user.set_unusable_password()
        return user

    def make_username(self, number: str) -> str:
        """Return a username for a new user, in the form of an email address if the field is one.

        It is not the number, which somebody may have registered as a username.
        """
        name = f"phone-{get_random_string(12, USERNAME_ALPHABET)}"
        user_model = get_user_model()
        field = user_model._meta.get_field(user_model.USERNAME_FIELD)
        # RFC 2606 reserves .invalid, so no mail can be delivered to this address.
        return f"{name}@phone.invalid" if isinstance(field, EmailField) else name

    def has_second_proof(self, request: HttpRequest | None, user: AbstractBaseUser) -> bool:
        """Return whether ``request`` proves, by other means than the number, that it is ``user``.

        This is called if the number alone is not enough, because its user has never proved it, or
        not within ``MAX_DORMANCY``. A site returns true after it has asked for a password or sent
        an email. From then on the number belongs to the user.
        """
        return False

    @in_own_transaction(Phone)
    def prove_again(self, phone_id: int, *, user: AbstractBaseUser) -> bool:
        """Record a new proof of the number; return whether ``user`` had a recent enough one."""
        now, dormancy = timezone.now(), get_settings().MAX_DORMANCY
        since = now - dormancy if dormancy else None
        return Phone.objects.filter(pk=phone_id).prove_again(user=user, now=now, since=since)

    @in_own_transaction(Phone)
    def bind(self, phone_id: int, *, user: AbstractBaseUser) -> bool:
        """Assign the number to ``user``, who has just proved it."""
        return Phone.objects.filter(pk=phone_id).bind(user=user, now=timezone.now())

    def _is_guarded(self, user: AbstractBaseUser) -> bool:
        # SECURITY: four digits must not give access to the admin.
        is_staff = getattr(user, "is_staff", False) or getattr(user, "is_superuser", False)
        return is_staff and not get_settings().ALLOW_STAFF

    def _consume(self, verification: Verification) -> bool:
        now = timezone.now()
        is_mine = self._claim_login(verification, now=now)
        verification.consumed_at = now if is_mine else verification.consumed_at
        return is_mine

    @in_own_transaction(Verification)
    def _claim_login(self, verification: Verification, *, now: datetime) -> bool:
        return _unreleased(verification).consume(now=now, purpose=Purpose.LOGIN)

    def _refuse(self, verification: Verification, refusal: LoginRefused) -> None:
        """Record that the right code logged nobody in, and why."""
        verification.refusal = refusal
        verification.refusal_code = word(refusal.code) or Refusal.REFUSED
        masked = mask(verification.number)
        logger.warning("number=%s login refused: %s", masked, verification.refusal_code)
        if not isinstance(refusal, SignUpFailed) or not self._give_back(verification):
            self._record_refusal(verification)

    @in_own_transaction(Verification)
    def _record_refusal(self, verification: Verification) -> None:
        this = Verification.objects.filter(pk=verification.pk)
        this.refuse(code=verification.refusal_code)

    @in_own_transaction(Verification)
    def _give_back(self, verification: Verification) -> bool:
        """Undo the use of the approval, which led to nothing, so that it can be tried again."""
        is_back = _unreleased(verification).give_back(
            consumed_at=verification.consumed_at, code=verification.refusal_code
        )
        verification.consumed_at = None if is_back else verification.consumed_at
        return is_back

    def _user_of(
        self, verification: Verification, *, request: HttpRequest | None
    ) -> AbstractBaseUser:
        # SECURITY: on a site where the call is the second step, it must not replace the password.
        if not get_settings().allows_phone_login:
            raise LoginRefused(code=Refusal.PHONE_LOGIN_OFF)
        number, phone_id = verification.number, verification.phone_id
        user, made = self.find_user(number), None
        if user is None and get_settings().SIGN_UP:
            made = self._create_user(number)
            user = made or self.find_user(number)
        if user is None:
            raise LoginRefused(code=Refusal.NO_USER)
        if not self.may_log_in(user):
            code = Refusal.STAFF if self._is_guarded(user) else Refusal.INACTIVE
            raise LoginRefused(code=code, user=user)
        if self.prove_again(phone_id, user=user):
            return user
        if made is None:
            self._refuse_unproven(verification, user=user, request=request)
        if not self.bind(phone_id, user=user):
            raise LoginRefused(code=Refusal.DUPLICATE)  # another user proved it at the same moment
        return user

    def _create_user(self, number: str) -> AbstractBaseUser | None:
        try:
            return self.create_user(number)
        except (LoginRefused, PermissionDenied):
            raise
        except Exception as error:
            # A site's user model and methods have errors of their own.
            _report_failed_sign_up(error, number=number)
            raise SignUpFailed() from error

    def _refuse_unproven(
        self, verification: Verification, *, user: AbstractBaseUser, request: HttpRequest | None
    ) -> None:
        # SECURITY: an attacker can enter the number of another person into an account of their own
        # and wait for that person to log in. The new owner of an old number must not get the
        # account of the previous owner either.
        phone = Phone.objects.get(pk=verification.phone_id)
        was_proven = phone.user_id == user.pk and phone.verified_at is not None
        is_proven_elsewhere = not was_proven and get_settings().USER_PHONES_PROVEN
        if is_proven_elsewhere and not is_dormant(user):
            return
        if not self.has_second_proof(request, user):
            is_proven = was_proven or is_proven_elsewhere
            code = Refusal.DORMANT if is_proven else Refusal.UNPROVEN
            raise LoginRefused(REFUSALS[code], code=code, user=user)

    def _find_by_field(self, number: str) -> AbstractBaseUser | None:
        users = list(users_with(number)[:2])
        if len(users) > 1:
            raise LoginRefused(code=Refusal.DUPLICATE)
        return users[0] if users else None

    @in_own_transaction(Phone)
    def _sign_up(self, number: str) -> AbstractBaseUser | None:
        phone = Phone.objects.filter(number=number)
        if not phone.claim_sign_up(now=timezone.now()):
            return None
        user = self.new_user(number)
        user.save()
        phone.update(user=user)
        return user


def _unreleased(verification: Verification) -> VerificationQuerySet[Verification]:
    """Filter ``verification``, unless its number was released after the code was right."""
    # SECURITY: a release withdraws approvals, but not one that is in use. That one may be given
    # back before the release commits, so each use asks again.
    released = Phone.objects.filter(
        pk=OuterRef("phone_id"), released_at__gte=OuterRef("approved_at")
    )
    return Verification.objects.filter(~Exists(released), pk=verification.pk)


def _report_failed_sign_up(error: Exception, *, number: str) -> None:
    # SECURITY: the name of the error and the lines of code, but not its text. The error of a
    # database repeats the values of the row, and with them the number.
    name, lines = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    logger.error("number=%s sign-up failed: %s\n%s", mask(number), name, lines)
    alarms.sound(Alarm.SIGN_UP_FAILED, about=name, error=name)
