"""The door into Django's auth: an approved verification is the credential, never the code."""

from __future__ import annotations

import logging
from datetime import datetime

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from .accounts import PhoneAccounts, is_long_gone
from .conf import get_settings
from .exceptions import LoginRefused
from .models import Phone, Verification
from .phone import mask
from .transactions import in_own_transaction
from .words import Purpose

logger = logging.getLogger(__name__)


REFUSALS = {
    "unproven": _(
        "This number stands in an account, but was never confirmed there. Log in another way, and "
        "confirm it."
    ),
    "dormant": _(
        "Nobody has logged in with this number for a long time. Log in another way, and confirm it."
    ),
}


class PhoneBackend(PhoneAccounts, ModelBackend):
    """Logs in the user of a verified number.

    It answers only to ``verification``, so it stands beside other backends without hashing
    anybody's password twice, and as the only one it still brings Django's permissions.
    """

    @sensitive_variables()
    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, verification: Verification | None = None
    ) -> AbstractBaseUser | None:
        """Use ``verification`` up and return the user of its number, new if ``SIGN_UP`` is on.

        Why nobody is returned, ``verification.refusal`` says.
        """
        if verification is None or not self._consume(verification):
            return None
        try:
            return self._user_of(verification, request=request)
        except LoginRefused as refusal:
            verification.refusal = refusal
            masked = mask(verification.number)
            logger.warning("number=%s login refused: %s", masked, refusal.code)
            return None

    async def aauthenticate(  # type: ignore[override]
        self, request: HttpRequest | None, verification: Verification | None = None
    ) -> AbstractBaseUser | None:
        """See ``authenticate()``."""
        # SECURITY: ModelBackend's own would answer to a password here.
        return await sync_to_async(self.authenticate)(request, verification)

    def may_log_in(self, user: AbstractBaseUser) -> bool:
        """Tell whether a phone call is enough for ``user``."""
        is_active = self.user_can_authenticate(user)  # type: ignore[arg-type]  # any user model
        return is_active and not self._is_guarded(user)

    def _is_guarded(self, user: AbstractBaseUser) -> bool:
        # SECURITY: four digits must not open the admin.
        is_staff = getattr(user, "is_staff", False) or getattr(user, "is_superuser", False)
        return is_staff and not get_settings().ALLOW_STAFF

    def _consume(self, verification: Verification) -> bool:
        now = timezone.now()
        is_mine = self._claim_login(verification, now=now)
        verification.consumed_at = now if is_mine else verification.consumed_at
        return is_mine

    @in_own_transaction(Verification)
    def _claim_login(self, verification: Verification, *, now: datetime) -> bool:
        this = Verification.objects.filter(pk=verification.pk)
        return this.consume(now=now, purpose=Purpose.LOGIN)

    @sensitive_variables()
    def _user_of(
        self, verification: Verification, *, request: HttpRequest | None
    ) -> AbstractBaseUser:
        number, phone_id = verification.number, verification.phone_id
        user, made = self.find_user(number), None
        if user is None and get_settings().SIGN_UP:
            made = self.create_user(number)
            user = made or self.find_user(number)
        if user is None:
            raise LoginRefused(code="no_user")
        if not self.may_log_in(user):
            raise LoginRefused(code="staff" if self._is_guarded(user) else "inactive", user=user)
        if self.prove_again(phone_id, user=user):
            return user
        if made is None:
            self._refuse_unproven(verification, user=user, request=request)
        if not self.bind(phone_id, user=user):
            raise LoginRefused(code="duplicate")  # somebody else proved it at this moment
        return user

    def _refuse_unproven(
        self, verification: Verification, *, user: AbstractBaseUser, request: HttpRequest | None
    ) -> None:
        # SECURITY: whoever typed somebody else's number into an account, and waits for its owner
        # to move in, gets nothing; nor does who bought the number of somebody long gone.
        phone = Phone.objects.get(pk=verification.phone_id)
        was_proven = phone.user_id == user.pk and phone.verified_at is not None
        is_proven_elsewhere = not was_proven and get_settings().USER_PHONES_PROVEN
        if is_proven_elsewhere and not is_long_gone(user):
            return
        if not self.has_second_proof(request, user):
            code = "dormant" if was_proven or is_proven_elsewhere else "unproven"
            raise LoginRefused(REFUSALS[code], code=code, user=user)
