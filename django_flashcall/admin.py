"""The operator's view: what was asked for, what came of it, what it cost.

Verifications are evidence and cannot be edited; numbers are blocked and unblocked by actions; only
prices are written here. No code and no digest is shown anywhere, and a number in full only to
those who have the permission ``view_full_number``.
"""

from __future__ import annotations

import io
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from . import proofs
from .clock import day_of, local_time
from .conf import get_settings
from .exceptions import NumberRefused
from .models import Phone, Price, Usage, Verification, VerificationAttempt
from .phone import mask, parse_number
from .pricelist import PriceListError, read_prices, save_prices, write_prices
from .transactions import repeat_on_deadlock

NOTHING = Decimal(0)

STATES = {
    "pending": _("pending"),
    "approved": _("approved"),
    "used": _("used"),
    "canceled": _("canceled"),
    "expired": _("expired"),
    "exhausted": _("no checks left"),
}


class ReadOnly:
    """Takes away what would change the record."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: the record is written by what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: the record is evidence."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: the limits are counted from the record."""
        return False


class NumberColumn(admin.ModelAdmin):
    """Shows the number masked, or in full to those who may see it; finds it in any spelling."""

    columns: list[str]
    details: list[str]
    number_field: str

    def get_list_display(self, request: HttpRequest) -> Any:
        """Put the number in the first column."""
        return [_number_column(request), *self.columns]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Put the number in the first line."""
        return [_number_column(request), *self.details]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show facts, not inputs."""
        return self.get_fields(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the rows of one whole number; a part of a number would scan the table."""
        if not search_term:
            return queryset, False
        try:
            number = parse_number(search_term)
        except NumberRefused:
            return queryset.none(), False
        return queryset.filter(**{self.number_field: number}), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to filter by a number, which would tell a masked one digit by digit."""
        if lookup.startswith(("number", "phone__number", "key")):
            return request.user.has_perm("django_flashcall.view_full_number")
        return super().lookup_allowed(lookup, value, request)

    @admin.display(description=_("number"))
    def masked_number(self, obj: Any) -> str:
        """Hide most of the number."""
        return mask(obj.number)

    @admin.display(description=_("number"))
    def full_number(self, obj: Any) -> str:
        """Show the whole number."""
        return str(obj.number)


class AttemptInline(ReadOnly, admin.TabularInline):
    """The calls and SMS of a verification, each with its price."""

    model = VerificationAttempt
    fields = readonly_fields = (
        "asked",
        "channel",
        "status",
        "why",
        "price_in_currency",
        "reserved_in_currency",
        "provider_id",
        "sent",
        "answered",
    )
    extra = 0

    @admin.display(description=_("asked at"))
    def asked(self, attempt: VerificationAttempt) -> str:
        """Write to the second when it was asked for."""
        return _second(attempt.created_at)

    @admin.display(description=_("sent at"))
    def sent(self, attempt: VerificationAttempt) -> str:
        """Write to the second when the request was sent."""
        return _second(attempt.sent_at)

    @admin.display(description=_("answered at"))
    def answered(self, attempt: VerificationAttempt) -> str:
        """Write to the second when it was known what came of it."""
        return _second(attempt.answered_at)

    @admin.display(description=_("reason"))
    def why(self, attempt: VerificationAttempt) -> str:
        """Say in words why the provider refused."""
        return attempt.reason

    @admin.display(description=_("price"))
    def price_in_currency(self, attempt: VerificationAttempt) -> str:
        """Write the price with its currency."""
        return _money(attempt.price)

    @admin.display(description=_("reserved"))
    def reserved_in_currency(self, attempt: VerificationAttempt) -> str:
        """Write what the price list foretold with its currency."""
        return _money(attempt.reserved)


@admin.register(Verification)
class VerificationAdmin(ReadOnly, NumberColumn):
    """Every verification, with what was asked of the provider for it."""

    columns = ["created_at", "purpose_in_words", "state", "channels", "checks_used", "cost"]
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
    ]
    number_field = "phone__number"
    list_filter = ["status", "attempts__channel", "attempts__status"]
    search_fields = ["phone__number"]
    search_help_text = _("A whole phone number, in any spelling.")
    show_full_result_count = False
    inlines = [AttemptInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Verification]:
        """Fetch what the columns show at once."""
        rows = super().get_queryset(request)
        return rows.select_related("phone", "user").prefetch_related("attempts")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Speak of a decoy only where there is one."""
        fields = super().get_fields(request, obj)
        is_decoy = obj is not None and obj.is_decoy
        return fields if is_decoy else [name for name in fields if name != "is_decoy"]

    @admin.display(description=_("purpose"))
    def purpose_in_words(self, verification: Verification) -> str:
        """Translate the purposes that we know."""
        return verification.purpose_in_words

    @admin.display(description=_("state"))
    def state(self, verification: Verification) -> str:
        """Name the state, the derived ones included."""
        return str(STATES[verification.state(now=timezone.now())])

    @admin.display(description=_("channels"))
    def channels(self, verification: Verification) -> str:
        """List how the code was sent."""
        attempts = verification.attempts.all()
        return ", ".join(attempt.get_channel_display() for attempt in attempts)

    @admin.display(description=_("checks"))
    def checks_used(self, verification: Verification) -> str:
        """Count the guesses."""
        return f"{verification.checks} / {verification.max_checks}"

    @admin.display(description=_("cost"))
    def cost(self, verification: Verification) -> str:
        """Add up the prices; where the provider named none, what was reserved."""
        return _money(sum((attempt.cost for attempt in verification.attempts.all()), NOTHING))


@admin.register(Phone)
class PhoneAdmin(ReadOnly, NumberColumn):
    """The numbers, to be blocked and unblocked."""

    columns = ["user", "verified_at", "last_attempt_at", "blocked_at"]
    details = [
        "user",
        "created_at",
        "verified_at",
        "released_at",
        "trusted_since",
        "last_attempt_at",
        "blocked_at",
    ]
    number_field = "number"
    list_filter = [("blocked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["number"]
    search_help_text = VerificationAdmin.search_help_text
    show_full_result_count = False
    actions = ["block", "unblock", "release", "distrust"]

    @transaction.non_atomic_requests  # a release has transactions of its own
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list, or carry out an action."""
        return super().changelist_view(request, extra_context)

    def has_block_permission(self, request: HttpRequest) -> bool:
        """Let those block who could change a number, were it not evidence."""
        return request.user.has_perm("django_flashcall.change_phone")

    @admin.action(description=_("Block: never call these numbers"), permissions=["block"])
    def block(self, request: HttpRequest, phones: Any) -> None:
        """Refuse all calls to the chosen numbers."""
        free = list(phones.filter(blocked_at=None))
        count = repeat_on_deadlock(partial(phones.block, now=timezone.now()))
        self._log(request, free, message="Blocked.")
        text = ngettext("%d number was blocked.", "%d numbers were blocked.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.action(description=_("Unblock: allow calls again"), permissions=["block"])
    def unblock(self, request: HttpRequest, phones: Any) -> None:
        """Allow calls to the chosen numbers again."""
        blocked = list(phones.exclude(blocked_at=None))
        count = repeat_on_deadlock(phones.unblock)
        self._log(request, blocked, message="Unblocked.")
        text = ngettext("%d number was unblocked.", "%d numbers were unblocked.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.action(
        description=_("Release: these numbers are nobody's any more"), permissions=["block"]
    )
    def release(self, request: HttpRequest, phones: Any) -> None:
        """Part the chosen numbers from their users, as when a carrier gave them to others."""
        owned = list(phones.exclude(user=None))
        count = proofs.release_numbers(phones.exclude(user=None))
        self._log(request, owned, message="Released.")
        text = ngettext("%d number was released.", "%d numbers were released.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.action(
        description=_("Trust no browser with these numbers any more"), permissions=["block"]
    )
    def distrust(self, request: HttpRequest, phones: Any) -> None:
        """Take the quotas of their own from the browsers that proved the chosen numbers."""
        count = repeat_on_deadlock(partial(phones.distrust, now=timezone.now()))
        self._log(request, phones, message="Browsers distrusted.")
        text = ngettext(
            "Browsers of %d number are not trusted any more.",
            "Browsers of %d numbers are not trusted any more.",
            count,
        )
        self.message_user(request, text % count, messages.SUCCESS)

    def _log(self, request: HttpRequest, phones: Any, *, message: str) -> None:
        for phone in phones:
            self.log_change(request, phone, message)


class PriceListForm(forms.Form):
    """Takes a price list as a CSV file, all of it or nothing."""

    file = forms.FileField(label=_("CSV file"))

    def clean_file(self) -> list[Price]:
        """Read the file, and name every line that is wrong."""
        try:
            text = self.cleaned_data["file"].read().decode("utf-8-sig")
            return read_prices(io.StringIO(text))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("Save the file as UTF-8.")) from error
        except PriceListError as error:
            raise forms.ValidationError(error.problems) from error


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin):
    """The price list, the only thing here that is written by hand."""

    list_display = [
        "prefix_or_all",
        "channel_or_all",
        "amount_in_currency",
        "billed_in_currency",
        "allowed",
        "valid_from",
    ]
    list_filter = ["channel", "allowed"]
    search_fields = ["prefix"]

    def get_urls(self) -> list[Any]:
        """Add the pages that import and export the list."""
        of_ours = [
            path(
                "import/",
                self.admin_site.admin_view(self.import_view),
                name="django_flashcall_price_import",
            ),
            path(
                "export/",
                self.admin_site.admin_view(self.export_view),
                name="django_flashcall_price_export",
            ),
        ]
        return of_ours + super().get_urls()

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file, and save all of its rows or none."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = PriceListForm(request.POST or None, request.FILES or None)
        if form.is_valid():
            saved = save_prices(form.cleaned_data["file"])
            for price in saved:
                self.log_change(request, price, "Imported.")
            text = ngettext("%d price was imported.", "%d prices were imported.", len(saved))
            self.message_user(request, text % len(saved), messages.SUCCESS)
            return redirect("admin:django_flashcall_price_changelist")
        context = {**self.admin_site.each_context(request), "opts": self.opts, "form": form}
        template = "admin/django_flashcall/price/import.html"
        return TemplateResponse(request, template, {**context, "title": _("Import prices")})

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Hand the whole list out."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="prices.csv"'
        text = io.StringIO()
        write_prices(text)
        response.write(text.getvalue())
        return response

    @admin.display(description=_("billed"), ordering="billed")
    def billed_in_currency(self, price: Price) -> str:
        """Write what was billed beyond the amount."""
        return _money(price.billed)

    @admin.display(description=_("prefix"), ordering="prefix")
    def prefix_or_all(self, price: Price) -> str:
        """Name the empty prefix."""
        return price.prefix or str(_("every number"))

    @admin.display(description=_("amount"), ordering="amount")
    def amount_in_currency(self, price: Price) -> str:
        """Write the amount with its currency."""
        return _money(price.amount)

    @admin.display(description=_("channel"), ordering="channel")
    def channel_or_all(self, price: Price) -> str:
        """Name the empty channel."""
        return price.get_channel_display() if price.channel else str(_("every channel"))


@admin.register(Usage)
class UsageAdmin(ReadOnly, admin.ModelAdmin):
    """What each day used and cost."""

    list_display = ["day", "attempts", "spent_in_currency"]
    fields = readonly_fields = ("day", "attempts", "spent_in_currency")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Usage]:
        """Leave out the hours of blocks, which show the beginnings of numbers."""
        return super().get_queryset(request).filter(scope="")

    @admin.display(description=_("day"), ordering="since")
    def day(self, usage: Usage) -> Any:
        """Write the day of the default time zone."""
        return day_of(usage.since).date()

    @admin.display(description=_("spent"), ordering="amount")
    def spent_in_currency(self, usage: Usage) -> str:
        """Write the sum with its currency."""
        return _money(usage.spent)


def _number_column(request: HttpRequest) -> str:
    may_see = request.user.has_perm("django_flashcall.view_full_number")
    return "full_number" if may_see else "masked_number"


def _money(amount: Decimal | None) -> str:
    if amount is None:
        return "-"
    places = max(-int(amount.normalize().as_tuple().exponent), 2)
    return f"{number_format(amount, decimal_pos=places)} {get_settings().CURRENCY}"


def _second(moment: datetime | None) -> str:
    return date_format(local_time(moment), "H:i:s") if moment else "-"
