"""The rows that a call locks: its number, its block's hour and the site's day.

All of them are inserted before the transaction that locks them. If they were inserted inside it,
the first two calls of a day could deadlock on MariaDB.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, Subquery

from ..clock import day_of, hour_of
from ..databases import in_own_transaction
from ..models import Phone, Usage
from ..money import UsageQuerySet

#: The numbers of a block differ only in this many last digits.
BLOCK_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Spending:
    """The units that the site has spent today, and those that were billed and do not count."""

    units: int = 0
    uncounted_units: int = 0


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The row of a number, and what the site has spent today.

    Both are read before they are locked, so parallel calls may have changed them since.
    """

    phone: Phone
    spent: Spending


def ensure_rows(number: str, *, now: datetime) -> Rows:
    """Return the rows of ``number``, and insert those that are missing."""
    phone = _find_phone(number, now=now)
    if phone is None:
        return insert_rows(number, now=now)
    if phone.spent_units is None or not phone.has_hour:
        _insert_windows(number, now=now)
    return Rows(phone=phone, spent=_spending(phone))


def insert_rows(number: str, *, now: datetime) -> Rows:
    """Return the rows of ``number`` after inserting all of them.

    The statements are the same whether the number is known or not.
    """
    _insert_windows(number, now=now)
    insert_phone(number)
    phone = _find_phone(number, now=now)
    return Rows(phone=phone, spent=_spending(phone))


@in_own_transaction(Phone)
def insert_phone(number: str) -> None:
    """Insert the row of ``number`` if it is missing."""
    Phone.objects.bulk_create([Phone(number=number)], ignore_conflicts=True)


def ensure_windows(number: str, *, now: datetime) -> Spending:
    """Ensure that the block's hour and the site's day have rows; return what was spent today."""
    windows = site_day(now) | block_hour(number, now=now)
    rows = windows.values_list("scope", "units", "uncounted_units")
    spent = {scope: Spending(units=units, uncounted_units=more) for scope, units, more in rows}
    if len(spent) < 2:
        _insert_windows(number, now=now)
    return spent.get("", Spending())


def site_day(now: datetime) -> UsageQuerySet[Usage]:
    """Return the row of the site's day."""
    return Usage.objects.filter(scope="", since=day_of(now))


def block_hour(number: str, *, now: datetime) -> UsageQuerySet[Usage]:
    """Return the row of this hour for the block of ``number``."""
    return Usage.objects.filter(scope=_block(number), since=hour_of(now))


def _find_phone(number: str, *, now: datetime) -> Any:
    """Return the row of ``number`` with its day's units and ``has_hour``, by one query.

    ``spent_units`` and ``uncounted_units`` are ``None`` if the site's day has no row.
    """
    return (
        Phone.objects.filter(number=number)
        .annotate(
            spent_units=Subquery(site_day(now).values("units")),
            uncounted_units=Subquery(site_day(now).values("uncounted_units")),
            has_hour=Exists(block_hour(number, now=now)),
        )
        .first()
    )


def _spending(phone: Any) -> Spending:
    return Spending(units=phone.spent_units or 0, uncounted_units=phone.uncounted_units or 0)


@in_own_transaction(Usage)
def _insert_windows(number: str, *, now: datetime) -> None:
    # In the order in which claims lock them. The other order could deadlock with a claim.
    scopes = [(_block(number), hour_of(now)), ("", day_of(now))]
    rows = [Usage(scope=scope, since=since) for scope, since in scopes]
    Usage.objects.bulk_create(rows, ignore_conflicts=True)


def _block(number: str) -> str:
    return number[:-BLOCK_DIGITS]
