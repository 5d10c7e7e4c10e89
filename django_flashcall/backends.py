"""The door into Django's auth: an approved verification is the credential, never the code."""

from __future__ import annotations

import logging
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from .accounts import PhoneAccounts
from .conf import get_settings
from .models import Phone, Verification
from .phone import mask
from .transactions import in_own_transaction
from .words import Purpose

logger = logging.getLogger(__name__)

#: An approval that nobody used for so long is worth nothing.
RECENT = timedelta(minutes=5)


class PhoneBackend(PhoneAccounts, ModelBackend):
    """Logs in the user of a verified number.

    It answers only to ``verification``, so it stands beside other backends without hashing
    anybody's password twice, and as the only one it still brings Django's permissions.
    """

    @sensitive_variables()
    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, verification: Verification | None = None
    ) -> AbstractBaseUser | None:
        """Use ``verification`` up and return the user of its number, new if ``SIGN_UP`` is on."""
        if verification is None or not self._consume(verification):
            return None
        number = verification.number
        user = self.find_user(number)
        if user is None and get_settings().SIGN_UP:
            user = self.create_user(number)
        if user is None or not self.may_log_in(user):
            logger.warning("number=%s login refused: %s", mask(number), self._reason(user))
            return None
        return user

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

    @in_own_transaction(Verification)
    def _consume(self, verification: Verification) -> bool:
        now = timezone.now()
        consumed = Verification.objects.filter(pk=verification.pk).consume(
            now=now, purpose=Purpose.LOGIN, within=RECENT
        )
        if consumed:
            Phone.objects.filter(pk=verification.phone_id).update(verified_at=now)
        return consumed

    def _reason(self, user: AbstractBaseUser | None) -> str:
        if user is None:
            return "no user, and SIGN_UP is off"
        return "staff, and ALLOW_STAFF is off" if self._is_guarded(user) else "inactive"
