"""Adopt the numbers that a site's users already have in ``USER_PHONE_FIELD``.

Users are read in batches, and their numbers are sorted in a temporary file, so that a small machine
can process a million users.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db.models import TextChoices

from ..conf import get_settings
from ..databases import in_own_transaction, written_users
from ..exceptions import NumberRefused
from ..models import Phone
from ..phone import parse_number

T = TypeVar("T")

#: At most this many users are read, or numbers written, at a time.
BATCH = 500


class Finding(TextChoices):
    """What happens to the number of one user."""

    LINK = "link", "to be linked"
    KNOWN = "known", "already linked"
    TAKEN = "taken", "linked to another user"
    RELEASED = "released", "released by another user"
    DUPLICATE = "duplicate", "claimed by several users"
    BLANK = "blank", "empty"
    UNREADABLE = "unreadable", "not a phone number"
    OTHER_REGION = "other_region", "of a region or type that is not called"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The number in one user's field, and what happens to it. ``user`` is a primary key."""

    user: Any
    number: str = field(default="", repr=False)
    finding: Finding


def survey() -> Iterator[Claim]:
    """Yield a claim for the ``USER_PHONE_FIELD`` of every user, and change nothing."""
    with closing(sqlite3.connect("")) as claims_file:  # temporary
        claims_file.execute("CREATE TABLE claim (number TEXT, user TEXT)")
        for users in _users():
            claims = [_read(pk, text) for pk, text in users]
            readable = [claim for claim in claims if claim.finding == Finding.LINK]
            rows = ((claim.number, str(claim.user)) for claim in readable)
            claims_file.executemany("INSERT INTO claim VALUES (?, ?)", rows)
            yield from (claim for claim in claims if claim.finding != Finding.LINK)
        claims_by_number = claims_file.execute(
            "SELECT number, user FROM claim ORDER BY number, rowid"
        )
        yield from _compare(claims_by_number)


def link(claims: Iterable[Claim]) -> Iterator[Claim]:
    """Link the numbers of the ``claims`` that can be linked, and yield all claims.

    A link is not a proof: ``verified_at`` stays empty.
    """
    for batch in _batches(claims):
        free = {claim.number: claim.user for claim in batch if claim.finding == Finding.LINK}
        linked = _write(free) if free else set()
        for claim in batch:
            lost = claim.finding == Finding.LINK and claim.number not in linked
            yield replace(claim, finding=Finding.TAKEN) if lost else claim


def _users() -> Iterator[list[tuple[Any, Any]]]:
    """Yield the primary keys and fields of all users in batches, one query each.

    A cursor would keep all users in memory on MariaDB, and a snapshot open on PostgreSQL.
    """
    users = written_users().order_by("pk")
    rows: Any = users.values_list("pk", get_settings().USER_PHONE_FIELD)
    batch = list(rows[:BATCH])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:BATCH])


def _read(pk: Any, text: Any) -> Claim:
    if not str(text or "").strip():
        return Claim(user=pk, finding=Finding.BLANK)
    try:
        return Claim(user=pk, number=parse_number(str(text)), finding=Finding.LINK)
    except NumberRefused as error:
        is_number = error.code in ("number_region", "number_type")
        return Claim(user=pk, finding=Finding.OTHER_REGION if is_number else Finding.UNREADABLE)


def _compare(rows: Iterable[tuple[str, str]]) -> Iterator[Claim]:
    """Compare claims, sorted by number, with each other and with the known numbers."""
    to_key = get_user_model()._meta.pk.to_python
    claimed = (
        (number, [to_key(user) for _, user in group])
        for number, group in groupby(rows, key=itemgetter(0))
    )
    for batch in _batches(claimed):
        phones = Phone.objects.filter(number__in=[number for number, _ in batch])
        known = {phone.number: phone for phone in phones}
        for number, users in batch:
            for user in users:
                finding = _judge(user, others=len(users) - 1, phone=known.get(number))
                yield Claim(user=user, number=number, finding=finding)


def _judge(user: Any, *, others: int, phone: Phone | None) -> Finding:
    if phone is not None and phone.user_id == user:
        return Finding.KNOWN
    if others:
        return Finding.DUPLICATE
    if phone is None:
        return Finding.LINK
    if phone.had_user:
        return Finding.RELEASED
    return Finding.LINK if phone.user_id is None else Finding.TAKEN


@in_own_transaction(Phone)
def _write(users: dict[str, Any]) -> set[str]:
    """Link each number to its user, and return the numbers that were linked.

    Users who were deleted, and numbers that now have another user, are skipped.
    """
    kept = written_users().filter(pk__in=users.values()).select_for_update()
    keys = set(kept.values_list("pk", flat=True))
    wanted = {number: user for number, user in users.items() if user in keys}
    new = [Phone(number=number, user_id=user) for number, user in wanted.items()]
    Phone.objects.bulk_create(new, ignore_conflicts=True)
    these = Phone.objects.filter(number__in=wanted)
    # SECURITY: a number that lost its user is not linked to a user who only entered it.
    for phone in these.filter(user=None, verified_at=None, released_at=None):
        these.filter(pk=phone.pk, user=None).update(user=wanted[phone.number])
    owners = these.values_list("number", "user_id")
    return {number for number, owner in owners if owner == wanted[number]}


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    left = iter(items)
    while batch := list(islice(left, BATCH)):
        yield batch
