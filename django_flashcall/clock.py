"""Days and times as visitors and operators see them, with and without ``USE_TZ``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from django.utils import timezone
from django.utils.formats import date_format

NO_TIME = timedelta(0)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)


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


def _local(moment: datetime, *, zone: tzinfo) -> datetime:
    return timezone.localtime(moment, zone) if timezone.is_aware(moment) else moment
