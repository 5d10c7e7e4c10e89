"""May this call be made? The price list, and what is claimed before a call and settled after.

Locks are taken in the order verification, number, site: the row that everybody needs is held
shortest.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from .clock import day_of
from .conf import get_settings
from .exceptions import ChannelUnavailable, CooldownActive, NumberBlocked, NumberRefused
from .models import Phone, Price, Usage, VerificationAttempt
from .phone import prefixes
from .querysets import to_units
from .transactions import in_own_transaction

#: Cooldowns escalate with the attempts at a number within this window.
DAY = timedelta(days=1)

NOTHING = Decimal(0)

#: A call needs so long to ring and to be typed; with less time left none is placed.
USABLE = timedelta(minutes=1)


@sensitive_variables()
def estimate_price(number: str, *, channel: str, now: datetime) -> Decimal | None:
    """Return what the price list foretells for a call, ``None`` if it is silent.

    Raises ``ChannelUnavailable`` if the list stops the channel (the empty prefix), and
    ``NumberRefused`` if it forbids the destination.
    """
    rows = Price.objects.matching(prefixes(number), channel=channel, now=now)
    in_force = {(row.prefix, row.channel): row for row in rows}.values()
    forbidden = [row.prefix for row in in_force if not row.allowed]
    if "" in forbidden:
        raise ChannelUnavailable()
    if forbidden:
        raise NumberRefused(_("We do not call numbers of this kind."), code="number_forbidden")
    return _longest_amount(in_force)


def claim_number(phone: Phone, *, now: datetime) -> None:
    """Claim a call to ``phone`` inside the caller's transaction, which a refusal must roll back.

    Raises ``CooldownActive`` or ``NumberBlocked``.
    """
    shortest = min(get_settings().COOLDOWNS)
    if not Phone.objects.filter(pk=phone.pk).claim_call(now=now, cooldown=shortest):
        raise _refusal(phone, now=now)
    retry_at = rested_at(phone, now=now)
    if retry_at and retry_at > now:
        raise CooldownActive(retry_at=retry_at)


def rested_at(phone: Phone, *, now: datetime) -> datetime | None:
    """Return when ``phone`` may be called again; ``None`` if it was not called for a day.

    The cooldown grows with each call of the last 24 hours.
    """
    recent = VerificationAttempt.objects.recent(phone.pk, since=now - DAY)
    if not recent["count"]:
        return None
    cooldowns = get_settings().COOLDOWNS
    latest: datetime = recent["latest"]
    wait: timedelta = cooldowns[min(recent["count"], len(cooldowns)) - 1]
    return latest + wait


def ensure_day(*, now: datetime) -> None:
    """See to it that the site's day has a row, before any transaction needs it.

    Inserted inside, two first calls of a day would deadlock on MariaDB.
    """
    day = day_of(now)
    if not Usage.objects.filter(scope="", since=day).exists():
        _insert_day(day)


def claim_site(reserved: Decimal | None, *, now: datetime) -> None:
    """Count a call and its estimate on the site's day, inside the caller's transaction."""
    today = Usage.objects.filter(scope="", since=day_of(now))
    today.add(attempts=1, units=to_units(reserved or NOTHING))


def settle_site(attempt: VerificationAttempt, *, price: Decimal) -> None:
    """Replace what was reserved for ``attempt`` by ``price``, on the day it was reserved."""
    units = to_units(price) - to_units(attempt.reserved or NOTHING)
    if units:
        day = Usage.objects.filter(scope="", since=day_of(attempt.created_at))
        day.add(attempts=0, units=units)


@in_own_transaction(Usage)
def _insert_day(day: datetime) -> None:
    Usage.objects.bulk_create([Usage(scope="", since=day)], ignore_conflicts=True)


def _longest_amount(rows: Iterable[Price]) -> Decimal | None:
    priced = [row for row in rows if row.amount is not None]
    # A row of the very channel is nearer than one of every channel.
    nearest = max(priced, key=lambda row: (len(row.prefix), row.channel != ""), default=None)
    return nearest.amount if nearest else None


def _refusal(phone: Phone, *, now: datetime) -> CooldownActive | NumberBlocked:
    phone.refresh_from_db(fields=["blocked_at", "last_attempt_at"])
    if phone.blocked_at:
        return NumberBlocked()
    shortest = min(get_settings().COOLDOWNS)
    return CooldownActive(
        retry_at=rested_at(phone, now=now) or (phone.last_attempt_at or now) + shortest
    )
