"""What the record says as a whole: read within bounded ranges, by commands and never by a page."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count, Q

from . import alarms
from .clock import hour_of
from .models import Usage, Verification
from .words import Alarm, VerificationStatus

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)

#: Fewer verifications of an hour say nothing.
ENOUGH = 30

#: The scope under which the hours stand in which the alarm sounded.
SOUNDED = "conversion"


def watch_conversion(*, now: datetime) -> None:
    """Sound the alarm if the last hour approved half as many verifications as the week, or fewer.

    Those that began within ten minutes are still open, and are left out.
    """
    until = now - timedelta(minutes=10)
    count, approved = _approved(since=until - HOUR, until=until)
    of_week, approved_of_week = _approved(since=until - WEEK, until=until - HOUR)
    if count < ENOUGH or not of_week:
        return
    # approved / count <= approved_of_week / of_week / 2, without rounding
    if approved_of_week and 2 * approved * of_week <= approved_of_week * count:
        hour, week = 100 * approved // count, 100 * approved_of_week // of_week
        if _is_first(now=now):
            alarms.sound(Alarm.CONVERSION, count=count, hour=hour, week=week)


def _is_first(*, now: datetime) -> bool:
    """Tell whether the alarm has not sounded this hour: cron's processes forget, the row stays."""
    _row, is_new = Usage.objects.get_or_create(scope=SOUNDED, since=hour_of(now))
    return is_new


def _approved(*, since: datetime, until: datetime) -> tuple[int, int]:
    """Return how many verifications began in a range, and how many of them were approved."""
    begun = Verification.objects.filter(created_at__gt=since, created_at__lte=until)
    approved = Q(status=VerificationStatus.APPROVED)
    counts = begun.filter(is_decoy=False).aggregate(
        all=Count("pk"), approved=Count("pk", filter=approved)
    )
    return counts["all"], counts["approved"]
