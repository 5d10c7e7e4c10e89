from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import django
import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.utils import timezone, translation

from django_flashcall import alarms, services
from django_flashcall.choices import Alarm, ErrorCode, Purpose
from django_flashcall.clock import day_of, hour_of
from django_flashcall.exceptions import BlockLimitReached, CooldownActive, LimitReached
from django_flashcall.limits import shared
from django_flashcall.money import to_units
from django_flashcall.signals import operator_alarm
from django_flashcall.visitors.visitor import Visitor
from tests.factories import PhoneFactory, PriceFactory, UsageFactory

#: Before Django 6.0 each was a pair.
MANAGERS: list[Any] = (
    ["anna@example.org"] if django.VERSION >= (6, 0) else [("Anna", "anna@example.org")]
)
VISITOR = Visitor(address="203.0.113.7")
LOCMEM = "django_flashcall.providers.locmem.LocMemProvider"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-03-14 12:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Return what the operator was told."""
    told: list[str] = []

    def listen(sender: Any, message: str, **kwargs: Any) -> None:
        told.append(message)

    operator_alarm.connect(listen)
    yield told
    operator_alarm.disconnect(listen)


def start(number: str = "+79991234567") -> None:
    services.start_verification(number, purpose=Purpose.LOGIN, visitor=VISITOR)


def test_an_alarm_sounds_once_an_hour(heard: list[str], clock: time_machine.Traveller) -> None:
    for minutes in (0, 30, 29, 1):
        clock.shift(timedelta(minutes=minutes))
        alarms.sound(Alarm.USER_DISABLED)
    assert heard == ["The provider places no calls: the account is blocked."] * 2


def test_alarms_about_different_things_do_not_silence_each_other(heard: list[str]) -> None:
    alarms.sound(Alarm.USER_DISABLED)
    alarms.sound(Alarm.NOT_ENOUGH_MONEY)
    alarms.sound(Alarm.SPENDING, about="50", percent=50)
    alarms.sound(Alarm.SPENDING, about="80", percent=80)
    assert len(heard) == 4


def test_an_alarm_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    alarms.sound(Alarm.NOT_ENOUGH_MONEY)
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("alarm=not_enough_money The provider places no calls")


def test_an_alarm_speaks_the_language_of_the_site(heard: list[str]) -> None:
    with translation.override("ru"):
        alarms.sound(Alarm.USER_DISABLED)
    assert heard == ["The provider places no calls: the account is blocked."]


@pytest.mark.parametrize(
    "backend", ["tests.test_lines.DeadCache", "django.core.cache.backends.dummy.DummyCache"]
)
def test_a_cache_that_keeps_nothing_floods_nobody(
    backend: str, settings: Any, heard: list[str], clock: time_machine.Traveller
) -> None:
    settings.CACHES = {"default": {"BACKEND": backend}}
    for _ in range(3):
        alarms.sound(Alarm.USER_DISABLED)
    clock.shift(timedelta(hours=1))
    alarms.sound(Alarm.USER_DISABLED)
    assert len(heard) == 2


def test_managers_are_written_to_if_the_site_wants_that(flashcall: Any, settings: Any) -> None:
    settings.MANAGERS = MANAGERS
    alarms.sound(Alarm.USER_DISABLED)
    assert not mail.outbox
    flashcall(ALARM_MAILS=True)
    alarms.sound(Alarm.NOT_ENOUGH_MONEY)
    assert mail.outbox[0].to == ["anna@example.org"]
    assert "out of money" in mail.outbox[0].body


def test_a_mail_that_cannot_be_sent_disturbs_nobody(
    flashcall: Any, settings: Any, heard: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    flashcall(ALARM_MAILS=True)
    settings.MANAGERS = [5]
    alarms.sound(Alarm.USER_DISABLED)
    assert len(heard) == 1
    assert "alarm not mailed: " in caplog.text


def test_a_dead_cache_silences_no_alarm(settings: Any, heard: list[str]) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_lines.DeadCache"}}
    alarms.sound(Alarm.USER_DISABLED)
    assert len(heard) == 1


# --- what they are about -----------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("error_code", ErrorCode.values)
def test_refusals_of_the_account_are_told_to_the_operator_and_others_are_not(
    error_code: str, flashcall: Any, heard: list[str]
) -> None:
    flashcall(PROVIDER=LOCMEM, OPTIONS={"error_code": error_code})
    start()
    start("+79997654321")
    assert len(heard) == (1 if error_code in Alarm.values else 0)


@pytest.mark.django_db
def test_a_price_above_the_expected_is_told(flashcall: Any, heard: list[str]) -> None:
    PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
    start()
    assert not heard
    flashcall(OPTIONS={"price": Decimal("0.90")})
    start("+79997654321")
    assert heard == ["An attempt by flash_call cost 0.90; the expected price was 0.3500."]


@pytest.mark.django_db
def test_the_days_money_is_told_of_at_half_at_four_fifths_and_at_the_end(
    flashcall: Any, heard: list[str]
) -> None:
    flashcall(DAILY_SPEND=Decimal("3.50"))
    PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
    told = []
    for one in range(10):
        start(f"+7999{one:03}4567")
        told.append(len(heard))
    assert told == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    with pytest.raises(LimitReached):
        start()
    assert heard[-1] == "Today's calls have used 100% of DAILY_SPEND."
    assert len(heard) == 3


@pytest.mark.parametrize(
    ("spent", "percent"),
    [
        ("0", None),
        ("4.9999", None),
        ("5", 50),
        ("6", 50),
        ("7.9999", 50),
        ("8", 80),
        ("9.9999", 80),
        ("10", 100),
        ("11", 100),
    ],
)
def test_a_level_is_told_of_from_where_it_begins(
    spent: str, percent: int | None, flashcall: Any, heard: list[str]
) -> None:
    flashcall(DAILY_SPEND=Decimal("10"))
    shared.watch_spending(to_units(Decimal(spent)), estimate=None, now=timezone.now())
    told = f"Today's calls have used {percent}% of DAILY_SPEND."
    assert heard == ([told] if percent else [])


@pytest.mark.django_db
def test_a_call_that_was_refused_for_something_else_has_used_no_money(
    flashcall: Any, heard: list[str]
) -> None:
    flashcall(DAILY_SPEND=Decimal("1"))
    PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
    start()
    with pytest.raises(CooldownActive):
        start()
    assert not heard


@pytest.mark.django_db
def test_a_block_that_is_used_up_has_used_no_money(flashcall: Any, heard: list[str]) -> None:
    flashcall(DAILY_SPEND=Decimal("1"), BLOCK_HOURLY_ATTEMPTS=1)
    PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
    start("+79991230001")
    with pytest.raises(BlockLimitReached):
        start("+79991230002")
    assert not heard


def test_a_cap_that_was_raised_is_told_of_again(flashcall: Any, heard: list[str]) -> None:
    for cap in ("10", "1000"):
        flashcall(DAILY_SPEND=Decimal(cap))
        shared.watch_spending(to_units(Decimal(cap)), estimate=None, now=timezone.now())
    assert len(heard) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_spent_before_counts_for_known_and_for_new_numbers(
    is_known: bool, flashcall: Any, heard: list[str]
) -> None:
    now = timezone.now()
    flashcall(DAILY_SPEND=Decimal("1"))
    PriceFactory(amount=Decimal("0.35"), valid_from=now)
    UsageFactory(scope="", since=day_of(now), units=5000)
    if is_known:
        PhoneFactory(number="+79991230001")
        UsageFactory(scope="+7999123", since=hour_of(now))
    start("+79991230001")
    assert heard == ["Today's calls have used 80% of DAILY_SPEND."]


class MuteCache(LocMemCache):
    """A cache that fails without a word: what is put into it is not there, and it says no."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return default


def test_a_cache_that_fails_in_silence_silences_no_alarm(
    settings: Any, heard: list[str], clock: time_machine.Traveller
) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_alarms.MuteCache"}}
    for _ in range(5):
        alarms.sound(Alarm.NOT_ENOUGH_MONEY)
        clock.shift(timedelta(hours=1))
    assert len(heard) == 5


def test_an_alarm_that_another_process_sounded_is_over_when_its_hour_is(
    heard: list[str], clock: time_machine.Traveller
) -> None:
    alarms.sound(Alarm.NOT_ENOUGH_MONEY)
    alarms.sounded.clear()  # as another process has it
    clock.shift(timedelta(minutes=59))
    alarms.sound(Alarm.NOT_ENOUGH_MONEY)
    assert len(heard) == 1
    clock.shift(timedelta(minutes=2))
    cache.clear()  # the cache's own clock is not moved here
    alarms.sound(Alarm.NOT_ENOUGH_MONEY)
    assert len(heard) == 2
