"""Check the value of each key of ``FLASHCALL`` on its own.

A value passes only if the whole package works with it. So each rule states a type and bounds: a
number must fit into its column, and a duration must not lead out of the calendar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from ..choices import Channel
from ..clock import DAY
from ..conf import (
    FlashCallSettings,
    get_settings,
    is_duration,
    is_flag,
    is_list,
    is_whole,
    satisfies,
)
from ..phone import NUMBER_TYPES, SUPPORTED_REGIONS
from ..querysets import MAX_VERIFICATION_LIFETIME, MIN_KEEP

#: Larger numbers do not fit into an integer column.
MAX_COUNT = 10**9

#: A longer time could lead out of the calendar.
MAX_PERIOD = timedelta(days=36500)

#: The largest sum of ``money.MONEY``, and the smallest unit.
MAX_SPEND, MIN_SPEND = Decimal("99999999.9999"), Decimal("0.0001")

SECOND = timedelta(seconds=1)

#: The notation of django-ratelimit, such as 10/10m.
RATE = re.compile(r"[1-9][0-9]{0,8}/([1-9][0-9]{0,8})?([smhd])")

UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY}

CURRENCY = re.compile(r"[A-Za-z]{3}")

PREFIX = re.compile(r"\+[0-9]{1,15}")

#: A setting, the test of its value, and what the value must be.
Rule = tuple[str, Callable[[Any], object], str]


def _is_money(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and MIN_SPEND <= value <= MAX_SPEND


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and all(part.isidentifier() for part in value.split("."))


def _is_path_or_empty(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or _is_path(value))


def _is_name_or_empty(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or value.isidentifier())


def _is_options(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _is_rates(value: Any) -> bool:
    return isinstance(value, dict) and all(
        action in ("start", "check") and _is_filled_list(rates, of=_is_rate)
        for action, rates in value.items()
    )


def _is_rate(value: Any) -> bool:
    found = RATE.fullmatch(value)
    return found is not None and int(found[1] or 1) * UNITS[found[2]] <= 366 * DAY


def _is_filled_list(value: Any, *, of: Callable[[Any], object]) -> bool:
    return is_list(value, of=of) and len(value) > 0


def _is_none_or(test: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: value is None or test(value)


def _is_one_of(words: Collection[str]) -> Callable[[Any], object]:
    return lambda value: isinstance(value, str) and value in words


def _is_like(pattern: re.Pattern[str]) -> Callable[[Any], object]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value)


def _list_of(test: Callable[[Any], object]) -> Callable[[Any], object]:
    return partial(_is_filled_list, of=test)


def _from(least: Any, most: Any) -> Callable[[Any], object]:
    kind = is_duration if isinstance(least, timedelta) else is_whole
    return partial(kind, least=least, most=most)


#: ASVS 4 2.7.2, ASVS 5 6.5.5 and NIST SP 800-63B 5.1.3.2.
_is_lifetime = _from(SECOND, MAX_VERIFICATION_LIFETIME)

_is_count = _from(1, MAX_COUNT)

COUNT = f"a positive number of at most {MAX_COUNT}"
LIFETIME = "a timedelta of at most ten minutes, and of at least one second"

RULES: list[Rule] = [
    ("PROVIDER", _is_path, "a dotted path"),
    ("OPTIONS", _is_options, "a dict whose keys are strings"),
    ("DIALER", _is_path, "a dotted path"),
    ("CONCURRENT_CALLS", _is_count, COUNT),
    (
        "CHANNELS",
        _list_of(_is_one_of(Channel.values)),
        f"a list of {', '.join(Channel.values)}",
    ),
    # The code is the end of a calling number, which people copy by hand.
    ("CODE_LENGTH", _from(4, 8), "a number from 4 to 8"),
    ("CODE_LIFETIME", _is_lifetime, LIFETIME),
    ("VERIFICATION_LIFETIME", _is_lifetime, LIFETIME),
    ("MAX_CHECKS", _from(1, 10), "a number from 1 to 10"),
    ("MAX_ATTEMPTS", _from(1, 10), "a number from 1 to 10"),
    (
        "COOLDOWNS",
        _list_of(_from(timedelta.resolution, DAY)),
        "a list of timedeltas, each positive and of at most one day",
    ),
    ("DAILY_ATTEMPTS", _is_count, COUNT),
    ("DAILY_SMS", _from(0, MAX_COUNT), f"a number from 0 to {MAX_COUNT}"),
    ("DAILY_FAILED_CHECKS", _is_count, COUNT),
    ("MONTHLY_FAILED_CHECKS", _is_count, COUNT),
    ("BLOCK_HOURLY_ATTEMPTS", _is_count, COUNT),
    ("SITE_DAILY_ATTEMPTS", _is_none_or(_is_count), f"None or {COUNT}"),
    (
        "DAILY_SPEND",
        _is_none_or(_is_money),
        f"None or a positive Decimal of at most {MAX_SPEND}, such as Decimal('500')",
    ),
    ("BEFORE_CALL", _is_path_or_empty, "a dotted path"),
    ("ALARM_MAILS", is_flag, "True or False"),
    ("CURRENCY", _is_like(CURRENCY), "a three-letter currency code"),
    (
        "REGIONS",
        _list_of(_is_one_of(SUPPORTED_REGIONS)),
        "a list of two-letter regions, such as ['RU']",
    ),
    (
        "NUMBER_TYPES",
        _list_of(_is_one_of(NUMBER_TYPES)),
        f"a list of {', '.join(sorted(NUMBER_TYPES))}",
    ),
    (
        "DENIED_PREFIXES",
        partial(is_list, of=_is_like(PREFIX)),
        "a list of prefixes such as '+7840'",
    ),
    (
        "RATES",
        _is_rates,
        "a dict of lists such as {'start': ['10/10m'], 'check': ['60/h']}, over a year at most",
    ),
    ("PHONE_LOGIN", _is_none_or(is_flag), "None, True or False"),
    ("SIGN_UP", is_flag, "True or False"),
    ("ALLOW_STAFF", is_flag, "True or False"),
    ("USER_PHONE_FIELD", _is_name_or_empty, "the name of a field"),
    ("USER_PHONES_PROVEN", is_flag, "True or False"),
    (
        "MAX_DORMANCY",
        _is_none_or(_from(DAY, MAX_PERIOD)),
        "None or a timedelta of at least one day, and of at most 100 years",
    ),
    (
        "KEEP",
        _from(MIN_KEEP, MAX_PERIOD),
        "a timedelta of at least 31 days, since limits look back that far, and of at most 100 "
        "years",
    ),
]


def valid_settings() -> FlashCallSettings | None:
    """Return the settings, or ``None`` if ``check_settings`` reports a wrong key or value."""
    try:
        config = get_settings()
    except ImproperlyConfigured:
        return None
    return None if [*check_values(config)] else config


def check_values(config: FlashCallSettings) -> Iterable[CheckMessage]:
    """Yield an error for each wrong value."""
    wrong = [rule for rule in RULES if not satisfies(rule[1], getattr(config, rule[0]))]
    for key, _test, expected in wrong:
        yield Error(f"FLASHCALL[{key!r}] must be {expected}.", id="django_flashcall.E002")
    if wrong or config.CODE_LIFETIME <= config.VERIFICATION_LIFETIME:
        return
    yield Error(
        "FLASHCALL['CODE_LIFETIME'] must not be longer than VERIFICATION_LIFETIME.",
        id="django_flashcall.E003",
    )
