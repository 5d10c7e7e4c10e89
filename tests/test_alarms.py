"""Tests."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import django
import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone, translation

from django_flashcall import alarms, services
from django_flashcall.choices import Alarm, ErrorCode, Purpose
from tests.constants import LOCMEM, VISITOR, Clock
from tests.factories import PriceFactory

#: Before Django 6.0 each was a pair.
MANAGERS: list[Any] = (
    ["anna@example.org"] if django.VERSION >= (6, 0) else [("Anna", "anna@example.org")]
)


def start(number: str = "+79991234567") -> None:
    services.start_verification(number, purpose=Purpose.LOGIN, visitor=VISITOR)


class TestSounding:
    def test_an_alarm_is_sent_once_an_hour(self, warnings_sent: list[str], clock: Clock) -> None:
        for minutes in (0, 30, 29, 1):
            clock.shift(timedelta(minutes=minutes))
            alarms.sound(Alarm.USER_DISABLED)
        assert warnings_sent == ["The provider places no calls: the account is blocked."] * 2

    def test_alarms_about_different_things_do_not_silence_each_other(
        self, warnings_sent: list[str]
    ) -> None:
        alarms.sound(Alarm.USER_DISABLED)
        alarms.sound(Alarm.NOT_ENOUGH_MONEY)
        alarms.sound(Alarm.NO_PRICE, about="sms", channel="sms")
        alarms.sound(Alarm.NO_PRICE, about="voice", channel="voice")
        assert len(warnings_sent) == 4

    def test_an_alarm_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        alarms.sound(Alarm.NOT_ENOUGH_MONEY)
        [record] = caplog.records
        assert record.levelname == "ERROR"
        assert record.getMessage().startswith("alarm=not_enough_money The provider places no calls")

    def test_an_alarm_speaks_the_language_of_the_site(self, warnings_sent: list[str]) -> None:
        with translation.override("ru"):
            alarms.sound(Alarm.USER_DISABLED)
        assert warnings_sent == ["The provider places no calls: the account is blocked."]

    def test_managers_are_written_to_if_the_site_wants_that(
        self, flashcall: Any, settings: Any
    ) -> None:
        settings.MANAGERS = MANAGERS
        alarms.sound(Alarm.USER_DISABLED)
        assert not mail.outbox
        flashcall(ALARM_MAILS=True)
        alarms.sound(Alarm.NOT_ENOUGH_MONEY)
        assert mail.outbox[0].to == ["anna@example.org"]
        assert "out of money" in mail.outbox[0].body

    def test_a_mail_that_cannot_be_sent_disturbs_nobody(
        self,
        flashcall: Any,
        settings: Any,
        warnings_sent: list[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        flashcall(ALARM_MAILS=True)
        settings.MANAGERS = [5]
        alarms.sound(Alarm.USER_DISABLED)
        assert len(warnings_sent) == 1
        assert "alarm not mailed: " in caplog.text


class TestCaches:
    @pytest.mark.parametrize(
        "backend", ["tests.doubles.DeadCache", "django.core.cache.backends.dummy.DummyCache"]
    )
    def test_a_cache_that_keeps_nothing_floods_nobody(
        self, backend: str, settings: Any, warnings_sent: list[str], clock: Clock
    ) -> None:
        settings.CACHES = {"default": {"BACKEND": backend}}
        for _ in range(3):
            alarms.sound(Alarm.USER_DISABLED)
        clock.shift(timedelta(hours=1))
        alarms.sound(Alarm.USER_DISABLED)
        assert len(warnings_sent) == 2

    def test_a_dead_cache_silences_no_alarm(self, settings: Any, warnings_sent: list[str]) -> None:
        settings.CACHES = {"default": {"BACKEND": "tests.doubles.DeadCache"}}
        alarms.sound(Alarm.USER_DISABLED)
        assert len(warnings_sent) == 1

    def test_a_cache_that_fails_in_silence_silences_no_alarm(
        self, settings: Any, warnings_sent: list[str], clock: Clock
    ) -> None:
        settings.CACHES = {"default": {"BACKEND": "tests.doubles.MuteCache"}}
        for _ in range(5):
            alarms.sound(Alarm.NOT_ENOUGH_MONEY)
            clock.shift(timedelta(hours=1))
        assert len(warnings_sent) == 5

    def test_an_alarm_that_another_process_sounded_is_over_when_its_hour_is(
        self, warnings_sent: list[str], clock: Clock
    ) -> None:
        alarms.sound(Alarm.NOT_ENOUGH_MONEY)
        alarms.sounded.clear()  # as another process has it
        clock.shift(timedelta(minutes=59))
        alarms.sound(Alarm.NOT_ENOUGH_MONEY)
        assert len(warnings_sent) == 1
        clock.shift(timedelta(minutes=2))
        cache.clear()  # the cache's own clock is not moved here
        alarms.sound(Alarm.NOT_ENOUGH_MONEY)
        assert len(warnings_sent) == 2


class TestProviderErrors:
    @pytest.mark.django_db
    @pytest.mark.parametrize("error_code", ErrorCode.values)
    def test_refusals_of_the_account_are_reported_to_the_operator_and_others_are_not(
        self, error_code: str, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        flashcall(PROVIDER=LOCMEM, OPTIONS={"error_code": error_code})
        start()
        start("+79997654321")
        assert len(warnings_sent) == (1 if error_code in Alarm.values else 0)

    @pytest.mark.django_db
    def test_a_price_above_the_expected_is_reported(
        self, flashcall: Any, warnings_sent: list[str]
    ) -> None:
        PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
        start()
        assert not warnings_sent
        flashcall(OPTIONS={"price": Decimal("0.90")})
        start("+79997654321")
        assert warnings_sent == [
            "An attempt by flash_call cost 0.9000; the expected price was 0.3500."
        ]
