"""Purge: delete personal data older than ``FLASHCALL["KEEP"]``, one batch at a time.

Deleted verifications no longer count in reports. The daily sums contain no personal data and stay.
Several purges can run at once, and each can be killed at any time. The next one continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import IntegrityError
from django.db.models import Model, QuerySet

from ..conf import get_settings
from ..databases import in_own_transaction
from ..models import Phone, Usage, Verification
from ..phones import PhoneQuerySet
from ..querysets import MIN_KEEP

#: At most this many rows are deleted in one transaction. Visitors do not need these rows.
BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Purged:
    """How many rows were deleted. Attempts are deleted with their verifications."""

    verifications: int
    phones: int
    hours: int


def purge(*, now: datetime) -> Purged:
    """Delete verifications, unowned numbers and hours of blocks that are older than ``KEEP``.

    Numbers are kept that have a user, are blocked, were called recently, or are referred to by a
    table of the site. With ``USER_PHONE_FIELD``, numbers that were ever proved are kept as well.
    """
    config = get_settings()
    # SECURITY: what the limits count is kept, whatever the settings say.
    before = now - max(config.KEEP, MIN_KEEP)
    verifications = Verification.objects.filter(created_at__lt=before)
    phones = Phone.objects.forgettable(before=before)
    if config.USER_PHONE_FIELD:
        # SECURITY: a number that lost its user must not log in to accounts that list it.
        phones = phones.filter(verified_at=None, released_at=None)
    hours = Usage.objects.exclude(scope="").filter(since__lt=before)
    return Purged(
        verifications=_delete_all(verifications, delete=_delete_verifications),
        phones=_delete_all(phones, delete=partial(_forget, phones)),
        hours=_delete_all(hours, delete=_delete_hours),
    )


def _delete_all(rows: QuerySet[Model], *, delete: Callable[[list[int]], int]) -> int:
    return sum(_delete_most(batch, delete=delete) for batch in _batches(rows))


def _batches(rows: QuerySet[Model]) -> Iterator[list[int]]:
    """Yield the keys of ``rows`` in batches, the oldest first, each row once."""
    keys = rows.order_by("pk").values_list("pk", flat=True)
    last = 0
    while batch := list(keys.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1]


def _delete_most(batch: list[int], *, delete: Callable[[list[int]], int]) -> int:
    """Delete a batch, except rows that a table of the site protects."""
    try:
        return delete(batch)
    except IntegrityError:
        if len(batch) == 1:
            return 0
    half = len(batch) // 2
    return sum(_delete_most(part, delete=delete) for part in (batch[:half], batch[half:]))


@in_own_transaction(Verification)
def _delete_verifications(batch: list[int]) -> int:
    old = Verification.objects.filter(pk__in=batch)
    # On SQLite, a transaction must write before it reads, as ``delete()`` does.
    old.update(address=None)
    _, deleted = old.delete()
    return deleted.get(Verification._meta.label, 0)


@in_own_transaction(Phone)
def _forget(phones: PhoneQuerySet[Phone], batch: list[int]) -> int:
    return phones.filter(pk__in=batch).forget()


@in_own_transaction(Usage)
def _delete_hours(batch: list[int]) -> int:
    deleted, _ = Usage.objects.filter(pk__in=batch).delete()
    return deleted
