"""Forgetting: personal data older than ``FLASHCALL["KEEP"]`` is deleted, a batch at a time.

What is gone is gone from the reports, too; the sums of the site's days name nobody, and stay.
Several may purge at once, and each may be killed at any time: the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import IntegrityError
from django.db.models import Model, QuerySet

from .conf import get_settings
from .models import Phone, Usage, Verification
from .querysets import SHORTEST_KEEP, PhoneQuerySet
from .transactions import in_own_transaction

#: So many rows are deleted in one transaction; visitors wait for none that they need.
BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Purged:
    """How many rows are gone; the attempts go with their verifications."""

    verifications: int
    phones: int
    hours: int


def purge(*, now: datetime) -> Purged:
    """Delete what ``KEEP`` has passed over: verifications, numbers of nobody, hours of blocks.

    A number stays while it is somebody's, blocked, called, or named by a row of the site's own, and
    where ``USER_PHONE_FIELD`` is in use, once it was proved.
    """
    config = get_settings()
    # SECURITY: whatever the settings say, what limits count stays.
    before = now - max(config.KEEP, SHORTEST_KEEP)
    verifications = Verification.objects.filter(created_at__lt=before)
    phones = Phone.objects.forgettable(before=before)
    if config.USER_PHONE_FIELD:
        # SECURITY: that it changed hands keeps others' accounts shut for who has it now.
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
    """Return the keys of ``rows``, the oldest first; rows that were kept do not come again."""
    keys = rows.order_by("pk").values_list("pk", flat=True)
    last = 0
    while batch := list(keys.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1]


def _delete_most(batch: list[int], *, delete: Callable[[list[int]], int]) -> int:
    """Delete a batch, but for the rows that one of the site's own protects."""
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
    # Written before ``delete()`` looks for what goes with them: SQLite wants that.
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
