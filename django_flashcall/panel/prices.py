"""Admin pages of the price list, the only table that is edited by hand, and of usage."""

from __future__ import annotations

import io
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..clock import day_of
from ..models import Price, Usage
from ..operations.pricelist import (
    MAX_LENGTH,
    TOO_LONG,
    PriceListError,
    read_prices,
    save_prices,
    write_prices,
)
from ..phone import mask_numbers, read_prefix
from .columns import ModelPage, ReadOnly, in_currency, may_see_numbers, spent_in_currency

#: What is edited of a price.
FIELDS = ["channel", "prefix", "amount", "allowed", "valid_from"]


class PriceListForm(forms.Form):
    """Takes a price list as a CSV file, all rows or none."""

    file = forms.FileField(label=_("CSV file"))

    def clean_file(self) -> list[Price]:
        """Read the file, or list every fault of every line."""
        file = self.cleaned_data["file"]
        if file.size > MAX_LENGTH:
            raise forms.ValidationError(TOO_LONG)
        try:
            text = file.read().decode("utf-8-sig")
            return read_prices(io.StringIO(text, newline=""))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("Save the file as UTF-8.")) from error
        except PriceListError as error:
            raise forms.ValidationError(error.problems) from error


class PrefixField(forms.CharField):
    """The beginning of a number in any common format; it is cleaned to ``+`` and digits."""

    def to_python(self, value: Any) -> str:
        """Return the prefix without spaces and dashes."""
        return read_prefix(super().to_python(value) or "")


class PriceAdmin(ModelPage):
    """The price list, with import and export.

    A prefix may be a whole number, which is masked like any other.
    """

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

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Accept a prefix in any common format."""
        is_prefix = db_field.name == "prefix"
        field = {"form_class": PrefixField, "max_length": None} if is_prefix else {}
        return super().formfield_for_dbfield(db_field, request, **field, **kwargs)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Mask prefixes that are whole numbers."""
        if may_see_numbers(request):
            return self.list_display
        return ["masked_prefix", *self.list_display[1:]]

    def get_fields(self, request: HttpRequest, obj: Price | None = None) -> Any:
        """Mask a prefix that is a whole number."""
        if not _is_hidden(obj, request):
            return super().get_fields(request, obj)
        return ["masked_prefix" if name == "prefix" else name for name in FIELDS]

    def get_readonly_fields(self, request: HttpRequest, obj: Price | None = None) -> Any:
        """Name the column that stands for a masked prefix."""
        return ["masked_prefix"] if _is_hidden(obj, request) else []

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        """Let nobody change a price whose prefix they may not see."""
        return super().has_change_permission(request, obj) and not _is_hidden(obj, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find prefixes that contain what was entered, or the very prefix if numbers are masked."""
        prefix = read_prefix(search_term)
        if may_see_numbers(request) or not prefix:
            return super().get_search_results(request, queryset, prefix)
        return queryset.filter(prefix=prefix), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to filter by prefixes, which would reveal a masked number digit by digit."""
        if lookup.startswith("prefix"):
            return may_see_numbers(request)
        return super().lookup_allowed(lookup, value, request)

    def get_urls(self) -> list[Any]:
        """Add the pages for import and export."""
        pages = [
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
        return pages + super().get_urls()

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Import a CSV file, all rows or none."""
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
        """Export the whole list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="prices.csv"'
        text = io.StringIO()
        write_prices(text, show=str if may_see_numbers(request) else mask_numbers)
        response.write(text.getvalue())
        return response

    @admin.display(description=_("billed"), ordering="billed")
    def billed_in_currency(self, price: Price) -> str:
        """Return the last price above the amount, with its currency."""
        return in_currency(price.billed)

    @admin.display(description=_("prefix"), ordering="prefix")
    def prefix_or_all(self, price: Price) -> str:
        """Return the prefix, or a description of the empty one."""
        return price.prefix or str(_("every number"))

    @admin.display(description=_("prefix"))
    def masked_prefix(self, price: Price) -> str:
        """Return the prefix, masked if it is a whole number."""
        return mask_numbers(self.prefix_or_all(price))

    @admin.display(description=_("amount"), ordering="amount")
    def amount_in_currency(self, price: Price) -> str:
        """Return the amount with its currency."""
        return in_currency(price.amount)

    @admin.display(description=_("channel"), ordering="channel")
    def channel_or_all(self, price: Price) -> str:
        """Return the channel, or a description of the empty one."""
        return price.get_channel_display() if price.channel else str(_("every channel"))


class UsageAdmin(ReadOnly, ModelPage):
    """Attempts and spending of each day."""

    list_display = ["day", "attempts", "spent_in_currency"]
    fields = readonly_fields = ("day", "attempts", "spent_in_currency")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Usage]:
        """Exclude the hours of blocks, which contain prefixes of numbers."""
        return super().get_queryset(request).filter(scope="")

    @admin.display(description=_("day"), ordering="since")
    def day(self, usage: Usage) -> Any:
        """Return the day in the default time zone."""
        return day_of(usage.since).date()

    @admin.display(description=_("spent"), ordering="units")
    def spent_in_currency(self, usage: Usage) -> str:
        """Return the sum with its currency, and what was billed if not all of it counts."""
        return spent_in_currency(usage.spent, billed=usage.billed)


def _is_hidden(price: Price | None, request: HttpRequest) -> bool:
    """Return whether the prefix of ``price`` is a whole number that the user may not see."""
    is_number = price is not None and mask_numbers(price.prefix) != price.prefix
    return is_number and not may_see_numbers(request)
