"""Days and times as visitors and operators see them, with and without ``USE_TZ``."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeGuard

from django.utils import timezone
from django.utils.formats import date_format

NO_TIME = timedelta(0)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)

#: The clocks of two servers of a site do not differ by more than this.
MAX_CLOCK_DIFFERENCE = HOUR


def day_of(moment: datetime) -> datetime:
    """Return the start of the day of ``moment`` in the default time zone."""
    local = _local(moment, zone=timezone.get_default_timezone())
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour of ``moment``."""
    return moment.replace(minute=0, second=0, microsecond=0)


def clock_time(moment: datetime) -> str:
    """Format ``moment`` in the visitor's time zone, rounded up to whole minutes."""
    local = _local(
        moment + timedelta(minutes=1) - timedelta.resolution, zone=timezone.get_current_timezone()
    )
    today = _local(timezone.now(), zone=timezone.get_current_timezone())
    return date_format(local, "H:i" if local.date() == today.date() else "j E, H:i")


def end_time(moment: datetime) -> str:
    """Format ``moment`` in the visitor's time zone, rounded down to whole minutes."""
    return clock_time(moment - timedelta(minutes=1) + timedelta.resolution)


def local_time(moment: datetime) -> datetime:
    """Return ``moment`` in the current time zone."""
    return _local(moment, zone=timezone.get_current_timezone())


def stored_time(moment: datetime) -> datetime:
    """Return ``moment`` as the site stores times; a naive one is in the default time zone."""
    aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
    return (
        aware.astimezone(UTC) if timezone.is_aware(timezone.now()) else timezone.make_naive(aware)
    )


def timestamp() -> float:
    """Return the current time in seconds since 1970 in UTC, whatever ``USE_TZ`` is.

    Cookies and sessions store times like this, since they outlive a change of the settings.
    """
    return time.time()


def is_timestamp(value: object) -> TypeGuard[float]:
    """Return whether ``value`` was made by ``timestamp()``: a number, and not in the future."""
    # SECURITY: a time in the far future would never grow old. True is a number in Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= timestamp() + MAX_CLOCK_DIFFERENCE.total_seconds()


def moment_of(stamp: float) -> datetime:
    """Return the time of ``stamp`` as ``timezone.now()`` returned it then."""
    # A naive time is in the zone of the process, which need not be the site's: a container without
    # time zone data is in UTC.
    return datetime.fromtimestamp(stamp, UTC if timezone.is_aware(timezone.now()) else None)


def _local(moment: datetime, *, zone: tzinfo) -> datetime:
    return timezone.localtime(moment, zone) if timezone.is_aware(moment) else moment
