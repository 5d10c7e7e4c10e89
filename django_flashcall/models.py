"""The memory: numbers, verifications, the attempts made for them, prices and sums.

Invariants are constraints here; how a state changes is in ``querysets``.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import querysets
from .clock import day_of
from .exceptions import LoginRefused
from .phone import display, display_masked, mask
from .words import (
    ERRORS_OF_THE_NUMBER,
    AttemptStatus,
    Channel,
    ErrorCode,
    Purpose,
    VerificationStatus,
)

#: Sums up to 99,999,999.9999 in ``FLASHCALL["CURRENCY"]``.
MONEY: dict[str, Any] = {"max_digits": 12, "decimal_places": 4}


#: A price above the list's is expected again for so long.
BILLED_FOR = timedelta(days=1)


class Phone(models.Model):
    """A number we know, and the row on which calls to it wait for each other."""

    number = models.CharField(_("number"), max_length=16, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="flashcall_phones",
        verbose_name=_("user"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    verified_at = models.DateTimeField(_("verified at"), null=True, blank=True, editable=False)
    released_at = models.DateTimeField(_("released at"), null=True, blank=True, editable=False)
    trusted_since = models.DateTimeField(
        _("browsers trusted since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Browsers that proved the number before have no quotas of their own any more."),
    )
    blocked_at = models.DateTimeField(_("blocked at"), null=True, blank=True, editable=False)
    last_attempt_at = models.DateTimeField(
        _("last attempt at"), null=True, blank=True, editable=False
    )

    objects = querysets.PhoneQuerySet.as_manager()

    class Meta:
        verbose_name = _("phone number")
        verbose_name_plural = _("phone numbers")
        permissions = [("view_full_number", _("Can see phone numbers in full"))]
        constraints = [
            models.CheckConstraint(condition=~Q(number=""), name="flashcall_phone_has_number"),
        ]

    def __str__(self) -> str:
        return mask(self.number)

    @property
    def display(self) -> str:
        """The number as people write it, for the one who typed it and for those who may see it."""
        return display(self.number)

    def trusts(self, device: Any) -> bool:
        """Tell whether ``device``, a ``door.Device``, proved this number and was not revoked."""
        is_recent = self.trusted_since is None or device.issued_at >= self.trusted_since
        return bool(device.phone_id == self.pk and is_recent)

    @property
    def changed_hands(self) -> bool:
        """Whether it was somebody's once, and is nobody's: what others typed of it counts no more.

        Its user may have been deleted, or it was released.
        """
        return self.user_id is None and (self.released_at or self.verified_at) is not None

    @property
    def masked(self) -> str:
        """The number as its user recognises it, and nobody else learns it."""
        return display_masked(self.number)


class Verification(models.Model):
    """One challenge to one number: prove that you see who calls it."""

    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    phone = models.ForeignKey(
        Phone,
        on_delete=models.CASCADE,
        db_index=False,  # the index (phone, created_at) serves it
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
        on_delete=models.SET_NULL,  # what was billed stays on the record
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("asked by"),
        help_text=_("The user who asked for the call, if it was known."),
    )
    device = models.UUIDField(_("trusted browser"), null=True, blank=True, editable=False)
    address = models.GenericIPAddressField(_("asked from"), null=True, blank=True)
    checks = models.PositiveSmallIntegerField(_("checks"), default=0)
    max_checks = models.PositiveSmallIntegerField(_("checks allowed"))
    attempt_count = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("attempts allowed"))
    is_decoy = models.BooleanField(
        _("decoy"),
        default=False,
        help_text=_("Nobody was called: the number has no user and sign-up is off."),
    )
    created_at = models.DateTimeField(_("created at"), editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    consumed_at = models.DateTimeField(_("used at"), null=True, blank=True)

    #: Why the right code opened no account; of this object only, not kept.
    refusal: LoginRefused | None = None

    objects = querysets.VerificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("verification")
        verbose_name_plural = _("verifications")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["phone", "created_at"], name="flashcall_verif_phone"),
            models.Index(fields=["created_at"], name="flashcall_verif_created"),
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
        ]

    def __str__(self) -> str:
        return f"{self.purpose_in_words} {self.phone}"

    @property
    def purpose_in_words(self) -> str:
        """The purpose, translated if it is one of ours."""
        return str(dict(Purpose.choices).get(self.purpose, self.purpose))

    @property
    def number(self) -> str:
        """The number that is to be proved, in E.164."""
        return self.phone.number

    @property
    def checks_left(self) -> int:
        """How many more guesses are allowed."""
        return max(self.max_checks - self.checks, 0)

    @property
    def attempts_left(self) -> int:
        """How many more calls are allowed."""
        return max(self.max_attempts - self.attempt_count, 0)

    def state(self, *, now: datetime) -> str:
        """Name the state as the visitor and the admin see it, the derived ones included."""
        if self.status != VerificationStatus.PENDING:
            return "used" if self.consumed_at else str(self.status)
        if self.expires_at <= now:
            return "expired"
        return "exhausted" if not self.checks_left else "pending"


class VerificationAttempt(models.Model):
    """One call or SMS that was asked of the provider, and what it cost.

    ``code_digest`` is all that is kept of the code; without it the attempt opens nothing.
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
    call_id = models.CharField(_("call that the SMS names"), max_length=64, blank=True)
    provider_id = models.CharField(_("provider's id"), max_length=64, blank=True)
    error_code = models.CharField(_("reason"), max_length=64, blank=True)
    reserved = models.DecimalField(
        _("reserved"),
        **MONEY,
        null=True,
        blank=True,
        help_text=_("The expected price from the price list; empty if there is none."),
    )
    price = models.DecimalField(
        _("price"),
        **MONEY,
        null=True,
        blank=True,
        help_text=_("What the provider says it charged."),
    )
    created_at = models.DateTimeField(_("asked at"), editable=False)
    expires_at = models.DateTimeField(_("code expires at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    objects = querysets.AttemptQuerySet.as_manager()

    class Meta:
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
    def cost(self) -> Decimal:
        """What it cost: the provider's price, or while that is not known what was reserved."""
        return self.reserved or Decimal(0) if self.price is None else self.price

    @property
    def carries_code(self) -> bool:
        """Whether an SMS can name this call: accepted, and with an id of the provider."""
        is_call = self.channel != Channel.SMS
        return is_call and self.status == AttemptStatus.ACCEPTED and bool(self.provider_id)

    def is_wanted(self, *, now: datetime) -> bool:
        """Tell whether somebody still waits for the code."""
        return self.expires_at > now and self.verification.status == VerificationStatus.PENDING

    def is_live(self, *, now: datetime) -> bool:
        """Tell whether its code would be accepted: it is known, and its time has not run out."""
        return bool(self.code_digest) and self.expires_at > now

    @property
    def is_about_the_number(self) -> bool:
        """Tell whether the number itself may be wrong."""
        is_held = self.error_code == ErrorCode.NUMBER_IN_SPAM_LIST
        return self.error_code in ERRORS_OF_THE_NUMBER and not is_held

    @property
    def reason(self) -> str:
        """The refusal in words; an unlisted one as the provider wrote it."""
        if self.error_code in ErrorCode.values:
            return str(ErrorCode(self.error_code).label)
        return self.error_code


class Price(models.Model):
    """What a call costs: of the rows that match a number the longest prefix gives the amount.

    A call is allowed only if no matching row in force forbids it, so the empty prefix with
    ``allowed`` off stops a channel, or with the empty channel everything.
    """

    channel = models.CharField(
        _("channel"),
        max_length=16,
        choices=Channel,
        blank=True,
        help_text=_("Empty: every channel."),
    )
    prefix = models.CharField(
        _("prefix"),
        max_length=15,
        blank=True,
        validators=[
            RegexValidator(r"^\+[0-9]+\Z", _("A prefix is a + and digits, for instance +7999."))
        ],
        help_text=_("The beginning of the number, for instance +7999. Empty: every number."),
    )
    amount = models.DecimalField(
        _("amount"),
        **MONEY,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("Empty: a shorter prefix gives the amount."),
    )
    billed = models.DecimalField(
        _("billed"),
        **MONEY,
        null=True,
        editable=False,
        help_text=_("What the provider charged the last time that it was more."),
    )
    billed_at = models.DateTimeField(_("billed at"), null=True, editable=False)
    allowed = models.BooleanField(_("allowed"), default=True)
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)

    objects = querysets.PriceQuerySet.as_manager()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["prefix", "channel", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "prefix", "valid_from"], name="flashcall_price_unique"
            ),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gte=0), name="flashcall_price_amount"
            ),
        ]

    def __str__(self) -> str:
        channel = self.get_channel_display() if self.channel else _("every channel")
        return f"{self.prefix or _('every number')}, {channel}"

    def estimate(self, *, now: datetime) -> Decimal:
        """Return what a call will cost: the amount, or what was billed beyond it within a day."""
        listed, billed = self.amount or Decimal(0), self.billed or Decimal(0)
        is_recent = self.billed_at is not None and self.billed_at > now - BILLED_FOR
        return max(listed, billed) if is_recent else listed


class Usage(models.Model):
    """What a shared window has used; the empty scope is the site's day.

    ``since`` is where the fixed window begins, ``amount`` counts 1/10000 of the currency.
    """

    scope = models.CharField(_("scope"), max_length=16, blank=True)
    since = models.DateTimeField(_("since"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    amount = models.PositiveBigIntegerField(_("amount"), default=0)

    objects = querysets.UsageQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage")
        verbose_name_plural = _("usage")
        ordering = ["-since", "scope"]
        constraints = [
            models.UniqueConstraint(fields=["scope", "since"], name="flashcall_usage_unique")
        ]

    def __str__(self) -> str:
        return f"{self.scope} {day_of(self.since).date()}".strip()

    @property
    def spent(self) -> Decimal:
        """The amount as money."""
        return self.amount * querysets.FRACTION
