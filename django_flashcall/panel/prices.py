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
from ..operations.pricelist import PriceListError, read_prices, save_prices, write_prices
from .columns import ReadOnly, RoutedListMixin, in_currency


class PriceListForm(forms.Form):
    """Takes a price list as a CSV file, all rows or none."""

    file = forms.FileField(label=_("CSV file"))

    def clean_file(self) -> list[Price]:
        """Read the file, or list every wrong line."""
        try:
            text = self.cleaned_data["file"].read().decode("utf-8-sig")
            return read_prices(io.StringIO(text))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("Save the file as UTF-8.")) from error
        except PriceListError as error:
            raise forms.ValidationError(error.problems) from error


class PriceAdmin(RoutedListMixin, admin.ModelAdmin):
    """The price list, with import and export."""

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
        write_prices(text)
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

    @admin.display(description=_("amount"), ordering="amount")
    def amount_in_currency(self, price: Price) -> str:
        """Return the amount with its currency."""
        return in_currency(price.amount)

    @admin.display(description=_("channel"), ordering="channel")
    def channel_or_all(self, price: Price) -> str:
        """Return the channel, or a description of the empty one."""
        return price.get_channel_display() if price.channel else str(_("every channel"))


class UsageAdmin(ReadOnly, RoutedListMixin, admin.ModelAdmin):
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
        """Return the sum with its currency."""
        return in_currency(usage.spent)
