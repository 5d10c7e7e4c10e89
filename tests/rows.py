"""Rows as the database has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def only(row: Any) -> Any:
    """Return the queryset that holds just this row."""
    return type(row).objects.filter(pk=row.pk)


def fresh(row: Any) -> Any:
    """Return the row as the database has it now."""
    return only(row).get()
