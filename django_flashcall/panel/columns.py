"""What the admin pages share: read-only records, masked numbers, money and times."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import router
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext_lazy as _

from ..clock import local_time
from ..conf import get_settings
from ..exceptions import NumberRefused
from ..phone import mask, parse_number


class ReadOnly:
    """Removes the permissions to change the record."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: only the package writes the record."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: the record is evidence."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: the limits are counted from the record."""
        return False


class RoutedList(ChangeList):
    """A list that the router may read from a replica. Actions read what is written."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page."""
        alias, written = router.db_for_read(self.model), self.root_queryset
        self.queryset = self.queryset.using(alias)
        self.root_queryset = written.using(alias)
        super().get_results(request)
        self.root_queryset = written  # Django's actions begin with it


class RoutedListMixin:
    """Shows the rows of an admin page as a ``RoutedList``."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return RoutedList


class NumberColumn(RoutedListMixin, admin.ModelAdmin):
    """Shows numbers masked, or in full to users with the permission; searches in any format."""

    columns: list[str]
    details: list[str]
    number_field: str

    def get_list_display(self, request: HttpRequest) -> Any:
        """Put the number in the first column."""
        return [_number_column(request), *self.columns]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Put the number in the first row."""
        return [_number_column(request), *self.details]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Make all fields read-only."""
        return self.get_fields(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the rows of a whole number. Searching for a part would scan the table."""
        if not search_term:
            return queryset, False
        try:
            number = parse_number(search_term)
        except NumberRefused:
            return queryset.none(), False
        return queryset.filter(**{self.number_field: number}), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to filter by numbers, which would reveal a masked number digit by digit."""
        if lookup.startswith(("number", "phone__number", "key")):
            return request.user.has_perm("django_flashcall.view_full_number")
        return super().lookup_allowed(lookup, value, request)

    @admin.display(description=_("number"))
    def masked_number(self, obj: Any) -> str:
        """Return the masked number."""
        return mask(obj.number)

    @admin.display(description=_("number"))
    def full_number(self, obj: Any) -> str:
        """Return the number in full."""
        return str(obj.number)


def in_currency(amount: Decimal | None) -> str:
    """Return ``amount`` with its currency."""
    if amount is None:
        return "-"
    places = max(-int(amount.normalize().as_tuple().exponent), 2)
    return f"{number_format(amount, decimal_pos=places)} {get_settings().CURRENCY}"


def to_the_second(moment: datetime | None) -> str:
    """Return the time of ``moment`` to the second, in the current time zone."""
    return date_format(local_time(moment), "H:i:s") if moment else "-"


def _number_column(request: HttpRequest) -> str:
    may_see = request.user.has_perm("django_flashcall.view_full_number")
    return "full_number" if may_see else "masked_number"
