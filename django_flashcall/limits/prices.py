"""The price list: which calls it allows, what a call will cost, and prices above the list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from .. import alarms
from ..choices import Alarm
from ..conf import get_settings
from ..exceptions import ChannelUnavailable, NumberRefused
from ..models import Price, VerificationAttempt


def is_stopped(channel: str, *, now: datetime) -> bool:
    """Return whether the price list stops ``channel`` for every number."""
    return any(not row.allowed for row in _in_force("", channel=channel, now=now))


def estimate_price(number: str, *, channel: str, now: datetime) -> Decimal | None:
    """Return the listed price of a call, or ``None`` if no row matches.

    A higher price that was billed within the last day replaces the listed one, as far as it is
    plausible. Raises ``ChannelUnavailable`` if the list stops the channel (empty prefix), or if no
    row matches while ``DAILY_SPEND`` is set, and ``NumberRefused`` if the list forbids the
    destination.
    """
    rows = _in_force(number, channel=channel, now=now)
    forbidden = [row.prefix for row in rows if not row.allowed]
    if "" in forbidden:
        raise ChannelUnavailable()
    if forbidden:
        raise NumberRefused(_("We do not call numbers of this kind."), code="number_forbidden")
    nearest = _nearest(rows)
    if nearest is not None:
        return nearest.estimate(now=now)
    if get_settings().DAILY_SPEND is not None:
        alarms.sound(Alarm.NO_PRICE, about=channel, channel=channel)
        raise ChannelUnavailable()
    return None


def listed_price(attempt: VerificationAttempt) -> Price | None:
    """Return the row that gives the price of ``attempt``, ``None`` if no row matches."""
    number, asked_at = attempt.verification.number, attempt.created_at
    return _nearest(_in_force(number, channel=attempt.channel, now=asked_at))


def remember_bill(attempt: VerificationAttempt, *, row: Price, price: Decimal) -> None:
    """Store a price above the estimate in its row, so that the next calls reserve as much.

    It is stored as it was billed. ``Price.estimate()`` limits it to what is plausible.
    """
    Price.objects.filter(pk=row.pk).update(billed=price, billed_at=attempt.created_at)


def pass_over_bill(row: Price) -> None:
    """Run the statement of ``remember_bill()``, and change nothing."""
    # The row has an amount, so no row matches.
    Price.objects.filter(pk=row.pk, amount=None).update(billed=row.billed, billed_at=row.billed_at)


def prefixes(number: str) -> list[str]:
    """Return all prefixes of an E.164 ``number``, from the empty one to the whole number."""
    return [number[:end] for end in range(len(number) + 1)]


def _in_force(number: str, *, channel: str, now: datetime) -> list[Price]:
    rows = Price.objects.matching(prefixes(number), channel=channel, now=now)
    return list({(row.prefix, row.channel): row for row in rows}.values())


def _nearest(rows: Iterable[Price]) -> Price | None:
    priced = [row for row in rows if row.amount is not None]
    # A row for the channel beats a row for all channels.
    return max(priced, key=lambda row: (len(row.prefix), row.channel != ""), default=None)
