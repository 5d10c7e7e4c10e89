"""Verifications and the attempts made for them. Numbers are in ``phones``, prices in ``money``.

Constraints keep the invariants. State changes are in ``querysets``.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from . import querysets
from .choices import (
    NUMBER_ERRORS,
    AttemptStatus,
    Channel,
    ErrorCode,
    Purpose,
    Refusal,
    VerificationStatus,
)
from .exceptions import LoginRefused
from .money import MONEY, NOTHING, Price, Usage
from .phones import Phone
from .visitors.sessions import MAX_URL_LENGTH

__all__ = ["Phone", "Price", "Usage", "Verification", "VerificationAttempt"]


class Verification(models.Model):
    """One challenge to prove control of one number."""

    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    phone = models.ForeignKey(
        Phone,
        on_delete=models.CASCADE,
        db_index=False,  # covered by the index (phone, created_at)
        related_name="verifications",
        verbose_name=_("number"),
    )
    purpose = models.CharField(_("purpose"), max_length=32, default=Purpose.LOGIN)
    status = models.CharField(
        _("status"),
        max_length=16,
        choices=VerificationStatus,
        default=VerificationStatus.PENDING,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,  # billed calls stay recorded
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
        help_text=_("The user who requested the call, if they were logged in."),
    )
    browser = models.UUIDField(null=True, editable=False)
    next_url = models.CharField(max_length=MAX_URL_LENGTH, blank=True, editable=False)
    is_trusted = models.BooleanField(_("trusted browser"), default=False, editable=False)
    address = models.GenericIPAddressField(_("requested from"), null=True, blank=True)
    checks = models.PositiveSmallIntegerField(_("checks"), default=0)
    max_checks = models.PositiveSmallIntegerField(_("checks allowed"))
    attempt_count = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("attempts allowed"))
    is_decoy = models.BooleanField(
        _("decoy"),
        default=False,
        help_text=_("No call was placed: the number has no user, and sign-up is off."),
    )
    created_at = models.DateTimeField(_("created at"), editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    consumed_at = models.DateTimeField(_("used at"), null=True, blank=True)
    refusal_code = models.CharField(_("refusal"), max_length=64, choices=Refusal, blank=True)

    #: The error behind ``refusal_code``. It is only set on this object, and is not stored.
    refusal: LoginRefused | None = None

    objects = querysets.VerificationQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"  # so that relations are read where they are written
        verbose_name = _("verification")
        verbose_name_plural = _("verifications")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["phone", "created_at"], name="flashcall_verif_phone"),
            models.Index(fields=["created_at"], name="flashcall_verif_created"),
            models.Index(fields=["browser"], name="flashcall_verif_browser"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=VerificationStatus.values),
                name="flashcall_verif_status",
            ),
            models.CheckConstraint(
                condition=Q(checks__lte=F("max_checks")), name="flashcall_verif_checks"
            ),
            models.CheckConstraint(
                condition=Q(attempt_count__lte=F("max_attempts")), name="flashcall_verif_attempts"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="flashcall_verif_expires"
            ),
            models.CheckConstraint(
                condition=Q(approved_at__isnull=True, consumed_at__isnull=True)
                | Q(approved_at__isnull=False, status=VerificationStatus.APPROVED),
                name="flashcall_verif_approved",
            ),
            models.CheckConstraint(
                condition=Q(refusal_code="") | Q(status=VerificationStatus.APPROVED),
                name="flashcall_verif_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose_in_words} {self.phone}"

    @property
    def purpose_in_words(self) -> str:
        """The purpose, translated if it is one of ``Purpose``."""
        return str(dict(Purpose.choices).get(self.purpose, self.purpose))

    @property
    def number(self) -> str:
        """The number to verify, in E.164."""
        return self.phone.number

    @property
    def checks_left(self) -> int:
        """How many more checks are allowed."""
        return max(self.max_checks - self.checks, 0)

    @property
    def attempts_left(self) -> int:
        """How many more calls are allowed."""
        return max(self.max_attempts - self.attempt_count, 0)

    def belongs_to(self, user_id: Any) -> bool:
        """Return whether the user may finish it: a user's verification is of no use to others."""
        return self.user_id in (None, user_id)

    def state(self, *, now: datetime) -> str:
        """Return the status, or the derived *used*, *refused*, *expired* or *exhausted*."""
        if self.refusal_code:
            return "refused"
        if self.status != VerificationStatus.PENDING:
            return "used" if self.consumed_at else str(self.status)
        if self.expires_at <= now:
            return "expired"
        return "exhausted" if not self.checks_left else "pending"


class VerificationAttempt(models.Model):
    """One call or SMS requested from the provider, and what it cost.

    The code itself is not stored, only ``code_digest``. Without a digest no code is accepted.
    """

    verification = models.ForeignKey(
        Verification,
        on_delete=models.CASCADE,
        related_name="attempts",
        verbose_name=_("verification"),
    )
    channel = models.CharField(_("channel"), max_length=16, choices=Channel)
    status = models.CharField(
        _("outcome"), max_length=16, choices=AttemptStatus, default=AttemptStatus.REQUESTED
    )
    code_digest = models.CharField(max_length=64, blank=True, editable=False)
    code_length = models.PositiveSmallIntegerField(_("digits"))
    call_id = models.CharField(_("call whose code is repeated"), max_length=64, blank=True)
    provider_id = models.CharField(_("provider's id"), max_length=64, blank=True)
    error_code = models.CharField(_("reason"), max_length=64, blank=True)
    reserved = models.DecimalField(
        _("reserved"),
        **MONEY,
        null=True,
        blank=True,
        help_text=_("The estimate from the price list; empty if there is none."),
    )
    price = models.DecimalField(
        _("price"), **MONEY, null=True, blank=True, help_text=_("What the provider billed.")
    )
    #: How much of an implausible price counts; ``None`` if all of it does.
    counted = models.DecimalField(_("counted"), **MONEY, null=True, blank=True)
    created_at = models.DateTimeField(_("requested at"), editable=False)
    expires_at = models.DateTimeField(_("code expires at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    objects = querysets.AttemptQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"  # so that relations are read where they are written
        verbose_name = _("verification attempt")
        verbose_name_plural = _("verification attempts")
        ordering = ["pk"]
        indexes = [models.Index(fields=["status", "created_at"], name="flashcall_attempt_status")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=AttemptStatus.values), name="flashcall_attempt_status_known"
            ),
            models.CheckConstraint(
                condition=Q(channel__in=Channel.values), name="flashcall_attempt_channel"
            ),
            models.CheckConstraint(
                condition=Q(reserved__isnull=True) | Q(reserved__gte=0),
                name="flashcall_attempt_reserved",
            ),
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0), name="flashcall_attempt_price"
            ),
            models.CheckConstraint(
                condition=Q(counted__isnull=True) | Q(counted__gte=0, counted__lte=F("price")),
                name="flashcall_attempt_counted",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="flashcall_attempt_expires"
            ),
            models.CheckConstraint(
                condition=~Q(status=AttemptStatus.REJECTED) | Q(code_digest=""),
                name="flashcall_attempt_rejected",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_status_display()}"

    @property
    def spent(self) -> Decimal:
        """What counts of the billed price, or what was reserved while the price is not known."""
        return self.billed if self.counted is None else self.counted

    @property
    def billed(self) -> Decimal:
        """The billed price, or what was reserved while the price is not known."""
        return self.reserved or NOTHING if self.price is None else self.price

    @property
    def carries_code(self) -> bool:
        """Whether an SMS can repeat the code of this call: accepted, and with a provider id."""
        is_call = self.channel != Channel.SMS
        return is_call and self.status == AttemptStatus.ACCEPTED and bool(self.provider_id)

    def is_wanted(self, *, now: datetime) -> bool:
        """Return whether the visitor may still be waiting for the code."""
        return self.expires_at > now and self.verification.status == VerificationStatus.PENDING

    def is_live(self, *, now: datetime) -> bool:
        """Return whether its code would be accepted: it is known and has not expired."""
        return bool(self.code_digest) and self.expires_at > now

    @property
    def is_about_the_number(self) -> bool:
        """Whether the number itself may be the problem."""
        is_held = self.error_code == ErrorCode.NUMBER_IN_SPAM_LIST
        return self.error_code in NUMBER_ERRORS and not is_held

    @property
    def reason(self) -> str:
        """The error in words; an unknown error code is returned as the provider sent it."""
        if self.error_code in ErrorCode.values:
            return str(ErrorCode(self.error_code).label)
        return self.error_code
