"""What the admin pages share: read-only records, masked numbers, money and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.db import router
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ..clock import local_time
from ..conf import get_settings
from ..exceptions import NumberRefused
from ..phone import mask, mask_numbers, parse_number


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


class Masked:
    """Stands for an object in a template, with the numbers in all its texts masked.

    SECURITY: by value. On many sites, the name of a user is their number.
    """

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def __str__(self) -> str:
        return mask_numbers(str(self._shown))

    def __getattr__(self, name: str) -> Any:
        return _masked(getattr(self._shown, name))


class RoutedList(ChangeList):
    """A list that the router may read from a replica. Actions read what is written."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page."""
        alias, written = router.db_for_read(self.model), self.root_queryset
        self.queryset = self.queryset.using(alias)
        self.root_queryset = written.using(alias)
        super().get_results(request)
        self.root_queryset = written  # Django's actions begin with it


class ModelPage(admin.ModelAdmin):
    """An admin page whose list is a ``RoutedList``, and whose history has masked numbers."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return RoutedList

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show who changed the object. Staff, too, may be named by their number."""
        response: Any = super().history_view(request, object_id, extra_context)
        entries = getattr(response, "context_data", {}).get("action_list")
        if entries is not None and not may_see_numbers(request):
            entries.object_list = [Masked(entry) for entry in entries.object_list]
        return response  # type: ignore[no-any-return]


class NumberColumn(ModelPage):
    """Shows numbers masked, or in full to users with the permission; searches in any format."""

    columns: list[str]
    details: list[str]
    number_field: str

    def get_list_display(self, request: HttpRequest) -> Any:
        """Put the number in the first column."""
        return _with_number(self.columns, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Put the number in the first row."""
        return _with_number(self.details, request)

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
        """Refuse to filter by numbers, which would reveal a masked number digit by digit.

        The primary key of a user may be their number as well.
        """
        if lookup.startswith(("number", "phone__number", "key", "user")):
            return may_see_numbers(request)
        return super().lookup_allowed(lookup, value, request)

    @admin.display(description=_("number"))
    def masked_number(self, obj: Any) -> str:
        """Return the masked number."""
        return mask(obj.number)

    @admin.display(description=_("number"))
    def full_number(self, obj: Any) -> str:
        """Return the number in full."""
        return str(obj.number)

    def link_to_user(self, user: Any) -> str | None:
        """Return the name of ``user``, masked if it is a number, with a link to their page."""
        if user is None:
            return None
        name, url = mask_numbers(str(user)), self._url_of(user)
        return format_html('<a href="{}">{}</a>', url, name) if url else name

    def _url_of(self, user: Any) -> str:
        # The URL contains the primary key, which may be the number.
        if mask_numbers(str(user.pk)) != str(user.pk):
            return ""
        name = f"admin:{user._meta.app_label}_{user._meta.model_name}_change"
        try:
            return reverse(name, args=[quote(user.pk)], current_app=self.admin_site.name)
        except NoReverseMatch:
            return ""  # the site's admin has no users


def may_see_numbers(request: HttpRequest) -> bool:
    """Return whether the user may see numbers in full."""
    return request.user.has_perm("django_flashcall.view_full_number")


def in_currency(amount: Decimal | None) -> str:
    """Return ``amount`` with its currency."""
    if amount is None:
        return "-"
    places = max(-int(amount.normalize().as_tuple().exponent), 2)
    return f"{number_format(amount, decimal_pos=places)} {get_settings().CURRENCY}"


def spent_in_currency(spent: Decimal, *, billed: Decimal) -> str:
    """Return ``spent`` with its currency, and what was ``billed`` if that is not the same."""
    if spent == billed:
        return in_currency(spent)
    sums = {"spent": in_currency(spent), "billed": in_currency(billed)}
    return _("%(spent)s of %(billed)s billed") % sums


def to_the_second(moment: datetime | None) -> str:
    """Return the time of ``moment`` to the second, in the current time zone."""
    return date_format(local_time(moment), "H:i:s") if moment else "-"


def _with_number(names: Sequence[str], request: HttpRequest) -> list[str]:
    """Return the names of the columns with the number first, masked without the permission."""
    if may_see_numbers(request):
        return ["full_number", *names]
    return ["masked_number", *("masked_user" if name == "user" else name for name in names)]


def _masked(value: Any) -> Any:
    if isinstance(value, str | Promise):
        return mask_numbers(str(value))
    if isinstance(value, Model):
        return Masked(value)
    return _masking(value) if callable(value) else value


def _masking(method: Any) -> Any:
    """Return ``method`` with its result masked."""

    @wraps(method)
    def masking(*args: Any, **kwargs: Any) -> Any:
        return _masked(method(*args, **kwargs))

    return masking
