"""Tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone, translation

from django_flashcall.clock import clock_time, day_of
from tests.constants import NOON


class TestClockTime:
    @pytest.mark.parametrize(
        ("moment", "text"),
        [
            (NOON, "12:00"),
            (NOON + timedelta(seconds=1), "12:01"),
            (NOON + timedelta(seconds=59), "12:01"),
            (NOON + timedelta(microseconds=1), "12:01"),
            (NOON + timedelta(minutes=2), "12:02"),
            (NOON + timedelta(hours=11, minutes=59), "23:59"),
            (NOON + timedelta(hours=12), "5 March, 00:00"),
            (NOON + timedelta(days=1), "5 March, 12:00"),
        ],
    )
    @time_machine.travel(NOON, tick=False)
    def test_is_in_whole_minutes_and_never_too_early(self, moment: datetime, text: str) -> None:
        assert clock_time(moment) == text

    @time_machine.travel(NOON, tick=False)
    def test_of_another_day_is_in_the_visitors_language(self) -> None:
        with translation.override("ru"):
            assert clock_time(NOON + timedelta(days=1)) == "5 марта, 12:00"

    @time_machine.travel(NOON, tick=False)
    def test_is_that_of_the_visitors_time_zone(self) -> None:
        with timezone.override("Asia/Yekaterinburg"):
            assert clock_time(NOON) == "14:00"

    @time_machine.travel(NOON, tick=False)
    def test_works_on_a_site_without_time_zones(self, settings: Any) -> None:
        settings.USE_TZ = False

        assert clock_time(timezone.now() + timedelta(minutes=2)).endswith(":02")


class TestDayOf:
    @pytest.mark.parametrize(
        ("moment", "midnight"),
        [
            (NOON, datetime(2026, 3, 3, 21, tzinfo=UTC)),
            (datetime(2026, 3, 3, 21, tzinfo=UTC), datetime(2026, 3, 3, 21, tzinfo=UTC)),
            (datetime(2026, 3, 3, 20, 59, tzinfo=UTC), datetime(2026, 3, 2, 21, tzinfo=UTC)),
        ],
    )
    def test_begins_at_midnight_of_the_default_time_zone(
        self, moment: datetime, midnight: datetime
    ) -> None:
        assert day_of(moment) == midnight

    def test_is_the_same_for_visitors_of_every_time_zone(self) -> None:
        with timezone.override("Asia/Vladivostok"):
            assert day_of(NOON) == datetime(2026, 3, 3, 21, tzinfo=UTC)

    def test_works_on_a_site_without_time_zones(self) -> None:
        naive = datetime(2026, 3, 4, 12, 30)  # noqa: DTZ001

        assert day_of(naive) == datetime(2026, 3, 4)  # noqa: DTZ001
