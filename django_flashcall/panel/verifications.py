"""Admin pages of verifications and their attempts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..models import Verification, VerificationAttempt
from ..money import NOTHING
from ..phone import mask, mask_numbers
from .columns import (
    NumberColumn,
    ReadOnly,
    in_currency,
    spent_in_currency,
    to_the_second,
)

STATES = {
    "pending": _("pending"),
    "approved": _("approved"),
    "used": _("used"),
    "refused": _("refused"),
    "canceled": _("canceled"),
    "expired": _("expired"),
    "exhausted": _("no checks left"),
}


class AttemptInline(ReadOnly, admin.TabularInline):
    """The calls and SMS of a verification, each with its price."""

    model = VerificationAttempt
    fields = readonly_fields = (
        "asked",
        "channel",
        "status",
        "why",
        "price_in_currency",
        "counted_in_currency",
        "reserved_in_currency",
        "id_at_provider",
        "sent",
        "answered",
    )
    extra = 0

    @admin.display(description=_("requested at"))
    def asked(self, attempt: VerificationAttempt) -> str:
        """Return when the attempt was requested."""
        return to_the_second(attempt.created_at)

    @admin.display(description=_("sent at"))
    def sent(self, attempt: VerificationAttempt) -> str:
        """Return when the request was sent."""
        return to_the_second(attempt.sent_at)

    @admin.display(description=_("answered at"))
    def answered(self, attempt: VerificationAttempt) -> str:
        """Return when the outcome was known."""
        return to_the_second(attempt.answered_at)

    @admin.display(description=_("reason"))
    def why(self, attempt: VerificationAttempt) -> str:
        """Return the error in words. A provider may repeat the number in an unknown one."""
        return mask_numbers(attempt.reason)

    @admin.display(description=_("provider's id"))
    def id_at_provider(self, attempt: VerificationAttempt) -> str:
        """Return the id, with the number masked if the id contains it."""
        number = attempt.verification.number
        return attempt.provider_id.replace(number.removeprefix("+"), mask(number)) or "-"

    @admin.display(description=_("price"))
    def price_in_currency(self, attempt: VerificationAttempt) -> str:
        """Return the price with its currency."""
        return in_currency(attempt.price)

    @admin.display(description=_("counted"))
    def counted_in_currency(self, attempt: VerificationAttempt) -> str:
        """Return how much counts towards ``DAILY_SPEND``, with its currency."""
        return in_currency(attempt.spent)

    @admin.display(description=_("reserved"))
    def reserved_in_currency(self, attempt: VerificationAttempt) -> str:
        """Return what was reserved, with its currency."""
        return in_currency(attempt.reserved)


class VerificationAdmin(ReadOnly, NumberColumn):
    """Verifications, each with its attempts."""

    columns = ["created_at", "purpose_in_words", "state", "channels", "checks_used", "spent"]
    details = [
        "purpose_in_words",
        "state",
        "is_decoy",
        "user",
        "address",
        "checks_used",
        "created_at",
        "expires_at",
        "approved_at",
        "consumed_at",
        "refusal_code",
    ]
    number_field = "phone__number"
    list_filter = ["status", "refusal_code", "attempts__channel", "attempts__status"]
    search_fields = ["phone__number"]
    search_help_text = _("Enter a complete phone number, in any format.")
    show_full_result_count = False
    inlines = [AttemptInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Verification]:
        """Fetch what the columns show, in a constant number of queries."""
        rows = super().get_queryset(request)
        return rows.select_related("phone", "user").prefetch_related("attempts")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the decoy field only for decoys."""
        fields = super().get_fields(request, obj)
        is_decoy = obj is not None and obj.is_decoy
        return fields if is_decoy else [name for name in fields if name != "is_decoy"]

    @admin.display(description=_("requested by"))
    def masked_user(self, verification: Verification) -> str | None:
        """Return the user who requested the call."""
        return self.link_to_user(verification.user)

    @admin.display(description=_("purpose"))
    def purpose_in_words(self, verification: Verification) -> str:
        """Return the purpose, translated if it is one of ours."""
        return verification.purpose_in_words

    @admin.display(description=_("state"))
    def state(self, verification: Verification) -> str:
        """Return the state, which may be derived."""
        return str(STATES[verification.state(now=timezone.now())])

    @admin.display(description=_("channels"))
    def channels(self, verification: Verification) -> str:
        """Return the channels of the attempts."""
        attempts = verification.attempts.all()
        return ", ".join(attempt.get_channel_display() for attempt in attempts)

    @admin.display(description=_("checks"))
    def checks_used(self, verification: Verification) -> str:
        """Return the checks that were used and allowed."""
        return f"{verification.checks} / {verification.max_checks}"

    @admin.display(description=_("spent"))
    def spent(self, verification: Verification) -> str:
        """Return the sum of the prices, as far as they count; for an unknown one, the estimate."""
        attempts = verification.attempts.all()
        spent = sum((attempt.spent for attempt in attempts), NOTHING)
        billed = sum((attempt.billed for attempt in attempts), NOTHING)
        return spent_in_currency(spent, billed=billed)
