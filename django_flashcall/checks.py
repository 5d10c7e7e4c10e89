"""What ``manage.py check`` says about the settings; what only matters in production needs --deploy.

A check that needs ``DEBUG`` to be on would stop the test suite of every site: the test runner
turns it off and runs the plain checks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_backends, get_user_model
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import connections
from django.db.models import CharField, TextField
from django.utils.module_loading import import_string

from .codes import SPOKEN_LENGTH
from .conf import FlashCallSettings, get_settings
from .phone import NUMBER_TYPES, SUPPORTED_REGIONS
from .providers.base import BaseProvider, load_provider
from .querysets import LONGEST_VERIFICATION, SHORTEST_KEEP
from .words import Channel

#: A code that people can still type from a missed call, and that no check of ours makes long.
CODE_LENGTHS = range(4, 9)

RATE = re.compile(r"[1-9]\d*/([1-9]\d*)?[smhd]", re.ASCII)

#: A year of guessing at one number should not succeed more often.
MAX_ODDS = 0.05

Rule = tuple[str, Callable[[Any], bool], str]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_duration(value: Any) -> bool:
    return isinstance(value, timedelta) and value > timedelta(0)


def _is_lifetime(value: Any) -> bool:
    # ASVS 4 2.7.2, ASVS 5 6.5.5 and NIST SP 800-63B 5.1.3.2.
    return _is_duration(value) and value <= LONGEST_VERIFICATION


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
    ("LINES", _is_count, "a positive number"),
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
        "the three letters of a currency",
    ),
    (
        "REGIONS",
        lambda value: _is_list(value, of=_is_one_of(SUPPORTED_REGIONS)),
        "a list of two-letter regions, for instance ['RU']",
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
    ("SIGN_UP", lambda value: isinstance(value, bool), "True or False"),
    ("ALLOW_STAFF", lambda value: isinstance(value, bool), "True or False"),
    ("USER_PHONE_FIELD", lambda value: isinstance(value, str), "the name of a field"),
    ("USER_PHONES_PROVEN", lambda value: isinstance(value, bool), "True or False"),
    ("MAX_DORMANCY", _is_none_or(_is_duration), "None or a timedelta"),
    (
        "KEEP",
        lambda value: _is_duration(value) and value >= SHORTEST_KEEP,
        "a timedelta of at least 31 days, as far as limits look back",
    ),
]


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check the keys of ``FLASHCALL``, their values, and what they name."""
    try:
        config = get_settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="django_flashcall.E001")]
    wrong = [*_wrong_values(config)]
    return wrong or [
        *_check_callable("DIALER", config.DIALER),
        *_check_callable("BEFORE_CALL", config.BEFORE_CALL),
        *_check_provider(config),
        *_check_field(config),
        *_check_odds(config),
    ]


def check_backend(**kwargs: Any) -> list[CheckMessage]:
    """Look for the backend without which nobody is logged in."""
    # Not by class: this module is imported before the models that the backend needs are.
    try:
        backends = [inspect.signature(backend.authenticate) for backend in get_backends()]
    except ImproperlyConfigured:
        backends = []
    if any("verification" in signature.parameters for signature in backends):
        return []
    return [
        Warning(
            "No backend of AUTHENTICATION_BACKENDS logs in by phone.",
            hint="Add 'django_flashcall.backends.PhoneBackend', or a subclass of it.",
            id="django_flashcall.W001",
        )
    ]


def check_isolation(**kwargs: Any) -> list[CheckMessage]:
    """Warn of an isolation level at which parallel starts fail to serialise."""
    levels = {
        alias: database["OPTIONS"]["isolation_level"]
        for alias, database in connections.settings.items()
        if "isolation_level" in database.get("OPTIONS", {})
    }
    return [
        Warning(
            f"The database {alias!r} does not run at READ COMMITTED, the level that "
            "django_flashcall is made for.",
            hint="Leave isolation_level out of its OPTIONS: it is Django's default.",
            id="django_flashcall.W003",
        )
        for alias, level in levels.items()
        if _level_name(level) != "read committed"
    ]


def check_deploy(**kwargs: Any) -> list[CheckMessage]:
    """Name what must not reach production."""
    try:
        config = get_settings()
        messages = load_provider().check_deploy()
    except (ImproperlyConfigured, AttributeError):
        return []  # check_settings says so already
    messages += _check_money(config)
    messages += _check_caches()
    messages += _check_sqlite()
    if config.ALLOW_STAFF:
        messages.append(
            Warning(
                "FLASHCALL['ALLOW_STAFF'] lets a code of a few digits open the admin.",
                hint="Leave it off, and let staff log in with a password and a second factor.",
                id="django_flashcall.W002",
            )
        )
    return messages


def _check_sqlite() -> list[CheckMessage]:
    """Warn of SQLite where visitors in parallel get "database is locked"."""
    return [
        Warning(
            f"The database {alias!r} is SQLite, and does not begin transactions as IMMEDIATE: "
            "visitors in parallel get “database is locked”.",
            hint='Set "transaction_mode": "IMMEDIATE" and "timeout": 20 in its OPTIONS.',
            id="django_flashcall.W009",
        )
        for alias, database in connections.settings.items()
        if database["ENGINE"].endswith(".sqlite3")
        and database.get("OPTIONS", {}).get("transaction_mode") != "IMMEDIATE"
    ]


def _check_money(config: FlashCallSettings) -> list[CheckMessage]:
    caps = ("DAILY_SPEND", "SITE_DAILY_ATTEMPTS")
    unset = [key for key in caps if getattr(config, key) is None]
    messages: list[CheckMessage] = [
        Warning(
            f"Nothing bounds all calls of a day: FLASHCALL[{key!r}] is not set.",
            hint="Set it to twice a good day's; before DAILY_SPEND, enter a price of each channel.",
            id="django_flashcall.W006",
        )
        for key in unset
    ]
    if set(config.REGIONS) >= SUPPORTED_REGIONS:
        messages.append(
            Warning(
                "FLASHCALL['REGIONS'] names every country: calls to some cost a fortune.",
                hint="Name those that your visitors come from.",
                id="django_flashcall.W008",
            )
        )
    return messages


def _check_caches() -> list[CheckMessage]:
    aliases = {"default", getattr(settings, "RATELIMIT_USE_CACHE", "default")}
    lonely = [alias for alias in sorted(aliases) if _is_lonely(alias)]
    return [
        Warning(
            f"The cache {alias!r} is not shared by processes: rates, pauses and alarms are counted "
            "in each of them anew.",
            hint="Use Redis or Memcached there; limits of numbers and of money hold without.",
            id="django_flashcall.W007",
        )
        for alias in lonely
    ]


def _is_lonely(alias: str) -> bool:
    backend = settings.CACHES.get(alias, {}).get("BACKEND", "")
    return backend.rsplit(".", 1)[-1] in ("LocMemCache", "DummyCache")


def _wrong_values(config: FlashCallSettings) -> Iterable[CheckMessage]:
    for key, is_right, expected in RULES:
        if not is_right(getattr(config, key)):
            yield Error(f"FLASHCALL[{key!r}] must be {expected}.", id="django_flashcall.E002")
    if not _is_shorter(config.CODE_LIFETIME, config.VERIFICATION_LIFETIME):
        yield Error(
            "FLASHCALL['CODE_LIFETIME'] is longer than VERIFICATION_LIFETIME, which ends it.",
            id="django_flashcall.E003",
        )


def _level_name(level: Any) -> str:
    return str(getattr(level, "name", level)).replace("_", " ").lower()


def _is_shorter(one: Any, other: Any) -> bool:
    return not (_is_duration(one) and _is_duration(other)) or one <= other


def _check_callable(key: str, path: str) -> list[CheckMessage]:
    try:
        named = import_string(path) if path else None
    except ImportError as error:
        return [Error(f"FLASHCALL[{key!r}]: {error}.", id="django_flashcall.E004")]
    if callable(named) or not path:
        return []
    return [Error(f"FLASHCALL[{key!r}] cannot be called.", id="django_flashcall.E004")]


def _check_odds(config: FlashCallSettings) -> list[CheckMessage]:
    """Say how likely it is that somebody guesses a code of one number within a year."""
    odds = odds_in_a_year(config)
    if odds <= MAX_ODDS:
        return []
    return [
        Warning(
            f"Within these limits somebody who tries for a year guesses a code of one number with "
            f"a probability of {odds:.0%}.",
            hint="Lower MONTHLY_FAILED_CHECKS, DAILY_FAILED_CHECKS or MAX_ATTEMPTS, or raise "
            "CODE_LENGTH where no voice speaks the code, which has four digits then.",
            id="django_flashcall.W005",
        )
    ]


def odds_in_a_year(config: FlashCallSettings) -> float:
    """Return the probability that wrong codes, as many as the limits allow, contain a right one.

    Each check is compared with all live codes of its verification, of which a caller's number has
    ``CODE_LENGTH`` digits. If the provider's pool of numbers is smaller, the odds are worse.
    """
    # A year has parts of thirteen windows of thirty days, and each part may be used up.
    checks = min(365 * config.DAILY_FAILED_CHECKS, 13 * config.MONTHLY_FAILED_CHECKS)
    live = min(config.MAX_ATTEMPTS, config.DAILY_ATTEMPTS)
    # A verification may begin with any channel, where those before it are stopped.
    speaks = Channel.VOICE in config.CHANNELS
    digits = min(config.CODE_LENGTH, SPOKEN_LENGTH) if speaks else config.CODE_LENGTH
    return float(1 - (1 - live / 10**digits) ** checks)


def _check_provider(config: FlashCallSettings) -> list[CheckMessage]:
    try:
        provider: object = load_provider()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="django_flashcall.E005")]
    if isinstance(provider, BaseProvider):
        return [*provider.check(), *_check_channels(config, provider)]
    return [
        Error(
            "FLASHCALL['PROVIDER'] is no provider.",
            hint="Derive it from django_flashcall.providers.base.BaseProvider.",
            id="django_flashcall.E005",
        )
    ]


def _check_field(config: FlashCallSettings) -> list[CheckMessage]:
    if not config.USER_PHONE_FIELD:
        return []
    try:
        field = get_user_model()._meta.get_field(config.USER_PHONE_FIELD)
    except FieldDoesNotExist as error:
        return [Error(f"FLASHCALL['USER_PHONE_FIELD']: {error}.", id="django_flashcall.E007")]
    if not isinstance(field, CharField | TextField):
        return [
            Error(
                "FLASHCALL['USER_PHONE_FIELD'] is no field for text.",
                hint="Numbers begin with + or 0: keep them in a CharField or a PhoneNumberField.",
                id="django_flashcall.E007",
            )
        ]
    if getattr(field, "db_index", False) or getattr(field, "unique", False):
        return []
    return [
        Warning(
            "FLASHCALL['USER_PHONE_FIELD'] has no index: each login reads all users.",
            hint="Give the field db_index=True, or name it in an index of Meta.indexes and "
            "silence this.",
            id="django_flashcall.W004",
        )
    ]


def _check_channels(config: FlashCallSettings, provider: BaseProvider) -> list[CheckMessage]:
    needs_call = {Channel.SMS} if provider.sms_needs_call else set()
    if set(config.CHANNELS) & (set(provider.channels) - needs_call):
        return []
    return [
        Error(
            "No verification can begin: the provider has none of FLASHCALL['CHANNELS'] to start "
            "with.",
            hint="Add 'flash_call' or 'voice': an SMS repeats the code of an earlier call.",
            id="django_flashcall.E006",
        )
    ]
