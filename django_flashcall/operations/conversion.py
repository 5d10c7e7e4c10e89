"""Conversion: the share of verifications that are approved. Commands compute it, pages do not."""

from __future__ import annotations

from datetime import datetime

from django.db import router
from django.db.models import Count, Q

from .. import alarms
from ..choices import Alarm, VerificationStatus
from ..clock import HOUR, WEEK, hour_of
from ..models import Usage, Verification
from ..querysets import MAX_VERIFICATION_LIFETIME

#: With fewer verifications in an hour, no alarm sounds.
MIN_SAMPLE = 30

#: The scope of the ``Usage`` rows that mark the hours in which the alarm sounded.
ALARM_SCOPE = "conversion"


def watch_conversion(*, now: datetime) -> None:
    """Sound an alarm if the share approved in the last hour is at most half that of the week.

    Verifications that may still be approved are left out.
    """
    until = now - MAX_VERIFICATION_LIFETIME
    count, approved = _approved(since=until - HOUR, until=until)
    of_week, approved_of_week = _approved(since=until - WEEK, until=until - HOUR)
    if count < MIN_SAMPLE or not of_week:
        return
    # approved / count <= approved_of_week / of_week / 2, without rounding
    if approved_of_week and 2 * approved * of_week <= approved_of_week * count:
        hour, week = 100 * approved // count, 100 * approved_of_week // of_week
        if _is_first(now=now):
            alarms.sound(Alarm.CONVERSION, count=count, hour=hour, week=week)


def _is_first(*, now: datetime) -> bool:
    """Return whether the alarm has not sounded this hour; a row remembers it for the next job."""
    _row, is_new = Usage.objects.get_or_create(scope=ALARM_SCOPE, since=hour_of(now))
    return is_new


def _approved(*, since: datetime, until: datetime) -> tuple[int, int]:
    """Return how many verifications began in a range, and how many of them were approved."""
    # A report, not a decision: the router may read it from a replica.
    verifications = Verification.objects.using(router.db_for_read(Verification))
    begun = verifications.filter(created_at__gt=since, created_at__lte=until)
    approved = Q(status=VerificationStatus.APPROVED)
    counts = begun.filter(is_decoy=False).aggregate(
        all=Count("pk"), approved=Count("pk", filter=approved)
    )
    return counts["all"], counts["approved"]
