"""The limits of one number: cooldowns, attempts per day, and wrong codes per day and month.

They are computed from the record, under the lock that ``claim_number()`` takes on the number's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from ..choices import Channel
from ..clock import DAY, MONTH, NO_TIME
from ..conf import get_settings
from ..exceptions import ChannelSuspended, CooldownActive, NumberBlocked, QuotaExceeded
from ..models import Phone, Verification, VerificationAttempt
from ..querysets import MAX_VERIFICATION_LIFETIME, VerificationQuerySet

TOO_MANY_SMS = _("Too many SMS messages to this number. Try again after %(time)s.")


def claim_number(phone: Phone, *, channel: str, now: datetime, is_trusted: bool = False) -> None:
    """Claim a call to ``phone`` inside the caller's transaction, which must roll back on errors.

    The trusted browsers of a number share a cooldown and quotas of their own, so strangers cannot
    lock out the owner. Raises ``CooldownActive``, ``NumberBlocked`` or ``QuotaExceeded``, and
    ``Phone.DoesNotExist`` if the number was purged in the meantime.
    """
    shortest = NO_TIME if is_trusted else min(get_settings().COOLDOWNS)
    if not Phone.objects.filter(pk=phone.pk).claim_call(now=now, cooldown=shortest):
        raise _refusal(phone, now=now)
    recent = VerificationAttempt.objects.recent(
        phone.pk, since=now - DAY, channel=channel, is_trusted=is_trusted
    )
    _refuse_quota(recent, channel=channel)
    _refuse_if_suspended(recent)
    retry_at = _rested_at(recent)
    if retry_at and retry_at > now:
        raise CooldownActive(retry_at=retry_at)


def refuse_if_suspended(phone: Phone, *, channel: str, now: datetime) -> None:
    """Raise ``ChannelSuspended`` if the provider treats calls to the number as spam."""
    _refuse_if_suspended(
        VerificationAttempt.objects.recent(phone.pk, since=now - DAY, channel=channel)
    )


def grant_checks(phone: Phone, *, now: datetime, is_trusted: bool = False) -> int:
    """Return how many checks a new verification gets, under the lock of the number.

    That is at most ``MAX_CHECKS``, and at most what the daily and monthly quotas leave.
    Raises ``QuotaExceeded`` if none are left.
    """
    config = get_settings()
    verifications = _counted_together(phone, is_trusted=is_trusted)
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
    phone: Phone, *, channels: Iterable[str], now: datetime, is_trusted: bool = False
) -> dict[str, datetime]:
    """Return, by channel, when ``phone`` may be called again; ``now`` means immediately.

    The cooldown grows with each attempt of the last 24 hours.
    """
    attempts = VerificationAttempt.objects
    recent = attempts.recent(phone.pk, since=now - DAY, is_trusted=is_trusted)
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


def checks_free_at(phone: Phone, *, now: datetime, is_trusted: bool = False) -> datetime:
    """Return when a new verification of ``phone`` would get a check; ``now`` means immediately."""
    return _checks_return_at(_counted_together(phone, is_trusted=is_trusted), now=now)


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
    """Return when the daily quota of a number ends; ``None`` if it is not used up."""
    config = get_settings()
    if recent["count"] >= config.DAILY_ATTEMPTS:
        first: datetime = recent["first"]
        return first + DAY
    if channel == Channel.SMS and recent["sms"] >= config.DAILY_SMS:
        first = recent["first_sms"]
        return first + DAY
    return None


def _refuse_if_suspended(recent: dict[str, Any]) -> None:
    """Refuse a channel on which the provider treats calls to the number as spam."""
    if recent["spam"]:
        raise ChannelSuspended(retry_at=recent["spam"] + DAY)


def _counted_together(phone: Phone, *, is_trusted: bool) -> VerificationQuerySet[Verification]:
    """Filter the verifications whose wrong codes share a quota: from trusted browsers, or not."""
    return Verification.objects.filter(phone=phone, is_trusted=is_trusted)


def _checks_return_at(
    verifications: VerificationQuerySet[Verification], *, now: datetime
) -> datetime:
    """Return when a check is free again."""
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
    """Yield when counted checks are free again, and how many.

    Unused checks are free again when their verification ends.
    """
    for row in began:
        unused = max(row["failed"] - row["checks"], 0)
        yield row["expires_at"], unused
        yield row["created_at"] + window + MAX_VERIFICATION_LIFETIME, row["failed"] - unused


def _refusal(phone: Phone, *, now: datetime) -> CooldownActive | NumberBlocked:
    phone.refresh_from_db(fields=["blocked_at", "last_attempt_at"])
    if phone.blocked_at:
        return NumberBlocked()
    shortest = min(get_settings().COOLDOWNS)
    recent = VerificationAttempt.objects.recent(phone.pk, since=now - DAY)
    return CooldownActive(retry_at=_rested_at(recent) or (phone.last_attempt_at or now) + shortest)
