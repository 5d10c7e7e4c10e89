"""Check the value of each key of ``FLASHCALL`` on its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.checks import CheckMessage, Error

from ..choices import Channel
from ..conf import FlashCallSettings
from ..phone import NUMBER_TYPES, SUPPORTED_REGIONS
from ..querysets import MAX_VERIFICATION_LIFETIME, MIN_KEEP

#: The code is the end of a calling number, which people copy by hand.
CODE_LENGTHS = range(4, 9)

#: The notation of django-ratelimit, such as 10/10m.
RATE = re.compile(r"[1-9]\d*/([1-9]\d*)?[smhd]", re.ASCII)

#: A setting, the test of its value, and what the value must be.
Rule = tuple[str, Callable[[Any], bool], str]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_duration(value: Any) -> bool:
    return isinstance(value, timedelta) and value > timedelta(0)


def _is_lifetime(value: Any) -> bool:
    # ASVS 4 2.7.2, ASVS 5 6.5.5 and NIST SP 800-63B 5.1.3.2.
    return _is_duration(value) and value <= MAX_VERIFICATION_LIFETIME


def _is_money(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and value > 0


def _is_none_or(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or rule(value)


def _is_list(value: Any, *, of: Callable[[Any], bool]) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(of(item) for item in value)
    )


def _is_prefix(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\+[0-9]+", value))


def _is_rates(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {"start", "check"}
        and all(_is_list(rates, of=_is_rate) for rates in value.values())
    )


def _is_rate(value: Any) -> bool:
    return isinstance(value, str) and bool(RATE.fullmatch(value))


def _is_one_of(words: Collection[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


RULES: list[Rule] = [
    ("PROVIDER", lambda value: isinstance(value, str), "a dotted path"),
    ("OPTIONS", lambda value: isinstance(value, dict), "a dict"),
    ("DIALER", lambda value: isinstance(value, str), "a dotted path"),
    ("CONCURRENT_CALLS", _is_count, "a positive number"),
    (
        "CHANNELS",
        lambda value: _is_list(value, of=_is_one_of(Channel.values)),
        f"a list of {', '.join(Channel.values)}",
    ),
    (
        "CODE_LENGTH",
        lambda value: _is_count(value) and value in CODE_LENGTHS,
        "a number from 4 to 8",
    ),
    ("CODE_LIFETIME", _is_lifetime, "a timedelta of at most ten minutes"),
    ("VERIFICATION_LIFETIME", _is_lifetime, "a timedelta of at most ten minutes"),
    ("MAX_CHECKS", lambda value: _is_count(value) and value <= 10, "a number from 1 to 10"),
    ("MAX_ATTEMPTS", lambda value: _is_count(value) and value <= 10, "a number from 1 to 10"),
    ("COOLDOWNS", lambda value: _is_list(value, of=_is_duration), "a list of timedeltas"),
    ("DAILY_ATTEMPTS", _is_count, "a positive number"),
    ("DAILY_SMS", lambda value: value == 0 or _is_count(value), "a number"),
    ("DAILY_FAILED_CHECKS", _is_count, "a positive number"),
    ("MONTHLY_FAILED_CHECKS", _is_count, "a positive number"),
    ("BLOCK_HOURLY_ATTEMPTS", _is_count, "a positive number"),
    ("SITE_DAILY_ATTEMPTS", _is_none_or(_is_count), "None or a positive number"),
    ("DAILY_SPEND", _is_none_or(_is_money), "None or a positive Decimal, such as Decimal('500')"),
    ("BEFORE_CALL", lambda value: isinstance(value, str), "a dotted path"),
    ("ALARM_MAILS", lambda value: isinstance(value, bool), "True or False"),
    (
        "CURRENCY",
        lambda value: isinstance(value, str) and len(value) == 3,
        "a three-letter currency code",
    ),
    (
        "REGIONS",
        lambda value: _is_list(value, of=_is_one_of(SUPPORTED_REGIONS)),
        "a list of two-letter regions, such as ['RU']",
    ),
    (
        "NUMBER_TYPES",
        lambda value: _is_list(value, of=_is_one_of(NUMBER_TYPES)),
        f"a list of {', '.join(sorted(NUMBER_TYPES))}",
    ),
    (
        "DENIED_PREFIXES",
        lambda value: value in ((), []) or _is_list(value, of=_is_prefix),
        "a list of prefixes such as '+7840'",
    ),
    ("RATES", _is_rates, "a dict of lists such as {'start': ['10/10m'], 'check': ['60/h']}"),
    ("PHONE_LOGIN", _is_none_or(lambda value: isinstance(value, bool)), "None, True or False"),
    ("SIGN_UP", lambda value: isinstance(value, bool), "True or False"),
    ("ALLOW_STAFF", lambda value: isinstance(value, bool), "True or False"),
    ("USER_PHONE_FIELD", lambda value: isinstance(value, str), "the name of a field"),
    ("USER_PHONES_PROVEN", lambda value: isinstance(value, bool), "True or False"),
    ("MAX_DORMANCY", _is_none_or(_is_duration), "None or a timedelta"),
    (
        "KEEP",
        lambda value: _is_duration(value) and value >= MIN_KEEP,
        "a timedelta of at least 31 days, since limits look back that far",
    ),
]


def check_values(config: FlashCallSettings) -> Iterable[CheckMessage]:
    """Yield an error for each wrong value."""
    for key, is_right, expected in RULES:
        if not is_right(getattr(config, key)):
            yield Error(f"FLASHCALL[{key!r}] must be {expected}.", id="django_flashcall.E002")
    if not _is_shorter(config.CODE_LIFETIME, config.VERIFICATION_LIFETIME):
        yield Error(
            "FLASHCALL['CODE_LIFETIME'] must not be longer than VERIFICATION_LIFETIME.",
            id="django_flashcall.E003",
        )


def _is_shorter(one: Any, other: Any) -> bool:
    return not (_is_duration(one) and _is_duration(other)) or one <= other
