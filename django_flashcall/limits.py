"""May this call be made? The price list, and what is claimed before a call and settled after.

The database is the truth: each limit is claimed by one conditional UPDATE, or read under the lock
that such a claim holds. Locks are taken in the order verification, number, block, site: the row
that everybody needs is held shortest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Exists, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import alarms
from .clock import day_of, hour_of
from .conf import get_settings
from .exceptions import (
    BlockLimitReached,
    ChannelCooling,
    ChannelUnavailable,
    CooldownActive,
    LimitReached,
    NumberBlocked,
    NumberRefused,
    QuotaExceeded,
)
from .models import Phone, Price, Usage, Verification, VerificationAttempt
from .phone import prefixes
from .querysets import (
    LONGEST_VERIFICATION,
    PhoneQuerySet,
    UsageQuerySet,
    VerificationQuerySet,
    to_units,
)
from .transactions import in_own_transaction
from .words import Alarm, Channel

#: Calls are counted within this window, and cooldowns escalate with them.
DAY = timedelta(days=1)
#: Wrong codes are counted within this one, too; a success clears neither.
MONTH = timedelta(days=30)
HOUR = timedelta(hours=1)
NO_TIME = timedelta(0)

NOTHING = Decimal(0)

TOO_MANY_SMS = _("Too many SMS to this number. Try again after %(time)s.")

#: A call needs so long to ring and to be typed; with less time left none is placed.
USABLE = timedelta(minutes=1)

#: Percents of the day's money at which the operator is warned.
LEVELS = (100, 80, 50)

#: A bill that is so many times the listed price is a mistake, and not expected again.
ABSURD = 10

#: A block of numbers has these last digits in common with nobody.
BLOCK_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a call takes from the site's day: ``room`` must be left, ``taken`` is reserved.

    They differ for a decoy, which is refused when a call would be, and costs nothing.
    """

    room: Decimal | None
    taken: Decimal | None


def is_stopped(channel: str, *, now: datetime) -> bool:
    """Tell whether the price list stops ``channel`` for every number."""
    return any(not row.allowed for row in _in_force("", channel=channel, now=now))


@sensitive_variables()
def estimate_price(number: str, *, channel: str, now: datetime) -> Decimal | None:
    """Return what the price list foretells for a call, ``None`` if it is silent.

    That is the row's amount, or what was billed beyond it within a day. Raises
    ``ChannelUnavailable`` if the list stops the channel (the empty prefix), or is silent while the
    site's spending is capped, and ``NumberRefused`` if it forbids the destination.
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


def claim_number(phone: Phone, *, channel: str, now: datetime, device: UUID | None = None) -> None:
    """Claim a call to ``phone`` inside the caller's transaction, which a refusal must roll back.

    Trusted browsers, such as ``device``, have a cooldown and quotas of their own, all together:
    what strangers use up does not keep the owner out. Raises ``CooldownActive``, ``NumberBlocked``
    or ``QuotaExceeded``, and ``Phone.DoesNotExist`` if the number was purged meanwhile.
    """
    shortest = NO_TIME if device else min(get_settings().COOLDOWNS)
    if not Phone.objects.filter(pk=phone.pk).claim_call(now=now, cooldown=shortest):
        raise _refusal(phone, now=now)
    recent = VerificationAttempt.objects.recent(
        phone.pk, since=now - DAY, channel=channel, device=device
    )
    _refuse_quota(recent, channel=channel)
    _refuse_cooling(recent)
    retry_at = _rested_at(recent)
    if retry_at and retry_at > now:
        raise CooldownActive(retry_at=retry_at)


def refuse_cooling(phone: Phone, *, channel: str, now: datetime) -> None:
    """Raise ``ChannelCooling`` where the provider holds our calls to the number for spam."""
    _refuse_cooling(VerificationAttempt.objects.recent(phone.pk, since=now - DAY, channel=channel))


def grant_checks(phone: Phone, *, now: datetime, device: UUID | None = None) -> int:
    """Return how many codes may be tried for a new verification, under the lock of the number.

    At most ``MAX_CHECKS``, and no more than the day and the month have left. Raises
    ``QuotaExceeded`` if that is nothing.
    """
    config = get_settings()
    verifications = _counted_with(phone, device=device)
    failed = verifications.failed_checks(now=now, day=now - DAY, month=now - MONTH)
    left = min(
        config.DAILY_FAILED_CHECKS - failed["day"],
        config.MONTHLY_FAILED_CHECKS - failed["month"],
        config.MAX_CHECKS,
    )
    if left < 1:
        raise QuotaExceeded(retry_at=_checks_return_at(verifications, now=now))
    return left


def free_at(
    phone: Phone, *, channels: Iterable[str], now: datetime, device: UUID | None = None
) -> dict[str, datetime]:
    """Return when ``phone`` may be called again by each of ``channels``; ``now`` if at once.

    The cooldown grows with each call of the last 24 hours, which have their quotas.
    """
    attempts = VerificationAttempt.objects
    recent = attempts.recent(phone.pk, since=now - DAY, device=device)
    held = attempts.held_for_spam(phone.pk, since=now - DAY)
    rested = _rested_at(recent) or now
    return {
        channel: max(
            now,
            rested,
            _quota_ends_at(recent, channel=channel) or now,
            held[channel] + DAY if channel in held else now,
        )
        for channel in channels
    }


def checks_free_at(phone: Phone, *, now: datetime, device: UUID | None = None) -> datetime:
    """Return when a new verification of ``phone`` would be granted a check; ``now`` if at once."""
    return _checks_return_at(_counted_with(phone, device=device), now=now)


@sensitive_variables()
def with_windows(phones: PhoneQuerySet[Phone], *, number: str, now: datetime) -> QuerySet[Any]:
    """Look with the row of a number for those of its block's hour and the site's day.

    Adds ``has_hour``, and ``spent_units``: ``None`` if the day has no row.
    """
    day, hour = _windows(number, now=now)
    return phones.annotate(spent_units=Subquery(day.values("amount")), has_hour=Exists(hour))


@sensitive_variables()
def ensure_windows(number: str, *, now: datetime) -> int:
    """See to it that the site's day and the block's hour have rows; return what is spent today."""
    day, hour = _windows(number, now=now)
    spent = dict((day | hour).values_list("scope", "amount"))
    if len(spent) < 2:
        insert_windows(number, now=now)
    return spent.get("", 0)


def watch_spending(spent_units: int, *, claimed: Decimal | None, now: datetime) -> None:
    """Warn the operator when half, four fifths or all of the day's money is reserved.

    ``spent_units`` was read before ``claimed`` was: parallel calls may make the warning come one
    call later.
    """
    cap = get_settings().DAILY_SPEND
    if cap is None:
        return
    used = spent_units + to_units(claimed or NOTHING)
    percent = next((level for level in LEVELS if 100 * used >= level * to_units(cap)), None)
    if percent is not None:
        about = f"{day_of(now).date()}.{percent}.{cap}"
        alarms.sound(Alarm.SPENDING, every=DAY, about=about, percent=percent)


@sensitive_variables()
@in_own_transaction(Usage)
def insert_windows(number: str, *, now: datetime) -> None:
    """Insert these rows before the transaction that claims on them.

    Inserted inside it, two first calls of a day would deadlock on MariaDB.
    """
    # In the order in which claims lock them: the day first would deadlock with a claim, too.
    scopes = [(_block(number), hour_of(now)), ("", day_of(now))]
    rows = [Usage(scope=scope, since=since) for scope, since in scopes]
    Usage.objects.bulk_create(rows, ignore_conflicts=True)


@sensitive_variables()
def claim_shared(number: str, *, cost: Cost, now: datetime, device: UUID | None = None) -> None:
    """Claim a call on the hour of its block and on the site's day, inside the caller's transaction.

    The block asks nothing of a trusted browser. Raises ``LimitReached``, which must roll back.
    """
    config = get_settings()
    day, hour = _windows(number, now=now)
    if not device and not hour.claim(max_attempts=config.BLOCK_HOURLY_ATTEMPTS):
        raise BlockLimitReached(retry_at=hour_of(now) + HOUR)
    claimed = day.claim(
        units=to_units(cost.taken or NOTHING),
        room=to_units(cost.room or NOTHING),
        max_attempts=config.SITE_DAILY_ATTEMPTS,
        max_units=None if config.DAILY_SPEND is None else to_units(config.DAILY_SPEND),
    )
    if not claimed:
        # An hour more, should the clocks go back this day.
        raise LimitReached(retry_at=day_of(day_of(now) + DAY + HOUR))


def settle_site(attempt: VerificationAttempt, *, price: Decimal) -> None:
    """Replace what was reserved for ``attempt`` by ``price``, on the day it was reserved."""
    units = to_units(price) - to_units(attempt.reserved or NOTHING)
    if units:
        day = Usage.objects.filter(scope="", since=day_of(attempt.created_at))
        day.add(attempts=0, units=units)


@sensitive_variables()
def remember_bill(attempt: VerificationAttempt, *, price: Decimal) -> None:
    """Keep a price above the foretold one beside its row: the next calls reserve as much."""
    number, asked_at = attempt.verification.number, attempt.created_at
    nearest = _nearest(_in_force(number, channel=attempt.channel, now=asked_at))
    if nearest is not None:
        # One absurd bill must not close the site for a day.
        billed = min(price, ABSURD * (nearest.amount or price))
        Price.objects.filter(pk=nearest.pk).update(billed=billed, billed_at=asked_at)


@sensitive_variables()
def _windows(number: str, *, now: datetime) -> tuple[UsageQuerySet[Usage], UsageQuerySet[Usage]]:
    """Return the row of the site's day and that of the block's hour."""
    day = Usage.objects.filter(scope="", since=day_of(now))
    return day, Usage.objects.filter(scope=_block(number), since=hour_of(now))


@sensitive_variables()
def _block(number: str) -> str:
    return number[:-BLOCK_DIGITS]


@sensitive_variables()
def _in_force(number: str, *, channel: str, now: datetime) -> list[Price]:
    rows = Price.objects.matching(prefixes(number), channel=channel, now=now)
    return list({(row.prefix, row.channel): row for row in rows}.values())


def _nearest(rows: Iterable[Price]) -> Price | None:
    priced = [row for row in rows if row.amount is not None]
    # A row of the very channel is nearer than one of every channel.
    return max(priced, key=lambda row: (len(row.prefix), row.channel != ""), default=None)


def _rested_at(recent: dict[str, Any]) -> datetime | None:
    if not recent["count"]:
        return None
    cooldowns = get_settings().COOLDOWNS
    latest: datetime = recent["latest"]
    wait: timedelta = cooldowns[min(recent["count"], len(cooldowns)) - 1]
    return latest + wait


def _refuse_quota(recent: dict[str, Any], *, channel: str) -> None:
    ends_at = _quota_ends_at(recent, channel=channel)
    if ends_at is None:
        return
    if recent["count"] >= get_settings().DAILY_ATTEMPTS:
        raise QuotaExceeded(retry_at=ends_at)
    raise QuotaExceeded(TOO_MANY_SMS, retry_at=ends_at)


def _quota_ends_at(recent: dict[str, Any], *, channel: str) -> datetime | None:
    """Return until when a number was called too often in a day, ``None`` if it was not."""
    config = get_settings()
    if recent["count"] >= config.DAILY_ATTEMPTS:
        first: datetime = recent["first"]
        return first + DAY
    if channel == Channel.SMS and recent["sms"] >= config.DAILY_SMS:
        first = recent["first_sms"]
        return first + DAY
    return None


def _refuse_cooling(recent: dict[str, Any]) -> None:
    """Leave a number alone on a channel on which the provider holds our calls to it for spam."""
    if recent["spam"]:
        raise ChannelCooling(retry_at=recent["spam"] + DAY)


def _counted_with(phone: Phone, *, device: UUID | None) -> VerificationQuerySet[Verification]:
    """Return the verifications whose wrong codes count together: strangers', or known browsers'."""
    return Verification.objects.filter(phone=phone, device__isnull=device is None)


def _checks_return_at(
    verifications: VerificationQuerySet[Verification], *, now: datetime
) -> datetime:
    """Return when a check is free again; asked only by who is refused."""
    config = get_settings()
    windows = [(DAY, config.DAILY_FAILED_CHECKS), (MONTH, config.MONTHLY_FAILED_CHECKS)]
    return max(
        _free_at(verifications, now=now, window=window, limit=limit) for window, limit in windows
    )


def _free_at(
    verifications: VerificationQuerySet[Verification],
    *,
    now: datetime,
    window: timedelta,
    limit: int,
) -> datetime:
    began = list(verifications.failing(now=now, since=now - window))
    used = sum(row["failed"] for row in began)
    for free_at, checks in sorted(_releases(began, window=window)):
        if used < limit:
            break
        used, now = used - checks, free_at
    return now


def _releases(
    began: Iterable[dict[str, Any]], *, window: timedelta
) -> Iterator[tuple[datetime, int]]:
    """Return when checks that count are free again, and how many: unused ones when nobody waits."""
    for row in began:
        unused = max(row["failed"] - row["checks"], 0)
        yield row["expires_at"], unused
        yield row["created_at"] + window + LONGEST_VERIFICATION, row["failed"] - unused


def _refusal(phone: Phone, *, now: datetime) -> CooldownActive | NumberBlocked:
    phone.refresh_from_db(fields=["blocked_at", "last_attempt_at"])
    if phone.blocked_at:
        return NumberBlocked()
    shortest = min(get_settings().COOLDOWNS)
    recent = VerificationAttempt.objects.recent(phone.pk, since=now - DAY)
    return CooldownActive(retry_at=_rested_at(recent) or (phone.last_attempt_at or now) + shortest)
