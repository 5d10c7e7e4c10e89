"""The site's clock, with and without ``USE_TZ``: days and times as people on the site see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from django.utils import timezone
from django.utils.formats import date_format


def day_of(moment: datetime) -> datetime:
    """Return the midnight, in the default time zone, with which the day of ``moment`` began."""
    local = _local(moment, zone=timezone.get_default_timezone())
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def hour_of(moment: datetime) -> datetime:
    """Return the full hour in which ``moment`` lies."""
    return moment.replace(minute=0, second=0, microsecond=0)


def clock_time(moment: datetime) -> str:
    """Write ``moment`` as the visitor's clock shows it, in whole minutes and never too early."""
    local = _local(
        moment + timedelta(minutes=1) - timedelta.resolution, zone=timezone.get_current_timezone()
    )
    today = _local(timezone.now(), zone=timezone.get_current_timezone())
    return date_format(local, "H:i" if local.date() == today.date() else "j E, H:i")


def end_time(moment: datetime) -> str:
    """Write ``moment`` as the visitor's clock shows it, in whole minutes and never too late."""
    return clock_time(moment - timedelta(minutes=1) + timedelta.resolution)


def local_time(moment: datetime) -> datetime:
    """Return ``moment`` as the clock of whoever looks at the page shows it."""
    return _local(moment, zone=timezone.get_current_timezone())


def stored_time(moment: datetime) -> datetime:
    """Return ``moment`` as the site stores times; a naive one is of the default time zone."""
    aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
    return (
        aware.astimezone(UTC) if timezone.is_aware(timezone.now()) else timezone.make_naive(aware)
    )


def _local(moment: datetime, *, zone: tzinfo) -> datetime:
    return timezone.localtime(moment, zone) if timezone.is_aware(moment) else moment
