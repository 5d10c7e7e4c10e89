"""Check ``FLASHCALL`` as a whole: what it refers to, and the combined effect of its limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import CharField, TextField
from django.shortcuts import resolve_url
from django.urls import URLResolver, get_resolver, reverse
from django.utils.module_loading import import_string

from ..choices import Channel
from ..codes import EXCLUDED_CODES, SPOKEN_LENGTH
from ..conf import FlashCallSettings, get_settings, read_setting, satisfies, takes_one_argument
from ..providers.base import BaseProvider, LocalProvider, load_provider
from .others import ask_provider
from .users import NUMBER_LENGTH, is_shorter, phone_backends
from .values import check_values

#: Guessing codes for one number for a year must not succeed with a higher probability.
MAX_ODDS = 0.05

#: A year touches this many windows of thirty days, and each may be used up.
WINDOWS_OF_A_YEAR = 13


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check the keys of ``FLASHCALL``, their values, and what they refer to."""
    try:
        config = get_settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="django_flashcall.E001")]
    wrong = [*check_values(config)]
    return wrong or [
        *_check_callable("DIALER", config.DIALER),
        *_check_callable("BEFORE_CALL", config.BEFORE_CALL),
        *_check_provider(config),
        *_check_field(config),
        *_check_odds(config),
    ]


def check_backend(**kwargs: Any) -> list[CheckMessage]:
    """Warn if no authentication backend logs in by phone."""
    if phone_backends():
        return []
    if _phone_login() is False:
        return []
    return [
        Warning(
            "No backend in AUTHENTICATION_BACKENDS logs in by phone.",
            hint="Add 'django_flashcall.backends.PhoneBackend', or a subclass of it.",
            id="django_flashcall.W001",
        )
    ]


def check_phone_login(**kwargs: Any) -> list[CheckMessage]:
    """Warn if a login by phone alone bypasses a second step, or if ``LOGIN_URL`` needs it."""
    messages: list[CheckMessage] = []
    if _phone_login() is None and any(_asks_for_second_step(view) for view in _site_views()):
        messages.append(
            Warning(
                "A call is the second step after a password, but logs in without one, too.",
                hint="Set FLASHCALL['PHONE_LOGIN'] to False, so that a call is only a second step. "
                "Set it to True if users may log in by phone alone.",
                id="django_flashcall.W011",
            )
        )
    if _phone_login() is False and satisfies(_is_our_login, read_setting("LOGIN_URL", default="")):
        messages.append(
            Warning(
                "LOGIN_URL is the page that FLASHCALL['PHONE_LOGIN'] turns off.",
                hint="Set LOGIN_URL to the page that asks for the password.",
                id="django_flashcall.W012",
            )
        )
    return messages


def odds_in_a_year(config: FlashCallSettings) -> float:
    """Return the probability that one of a year's guesses at one number is right.

    Each check is compared with all live codes of its verification. If the provider calls from few
    numbers, the probability is higher.
    """
    checks = min(365 * config.DAILY_FAILED_CHECKS, WINDOWS_OF_A_YEAR * config.MONTHLY_FAILED_CHECKS)
    live = min(config.MAX_ATTEMPTS, config.DAILY_ATTEMPTS)
    # A verification may begin with any channel, if the channels before it are stopped.
    speaks = Channel.VOICE in config.CHANNELS
    digits = min(config.CODE_LENGTH, SPOKEN_LENGTH) if speaks else config.CODE_LENGTH
    return float(1 - (1 - live / (10**digits - EXCLUDED_CODES)) ** checks)


def _phone_login() -> bool | None:
    try:
        return get_settings().PHONE_LOGIN
    except ImproperlyConfigured:
        return True  # check_settings reports it


def _site_views() -> Iterator[Any]:
    """Yield the views of all URL patterns of the site."""
    resolvers = [get_resolver()] if getattr(settings, "ROOT_URLCONF", None) else []
    while resolvers:
        for pattern in resolvers.pop().url_patterns:
            if isinstance(pattern, URLResolver):
                resolvers.append(pattern)
            else:
                yield pattern.callback


def _asks_for_second_step(view: Any) -> bool:
    # By its hook, since this module is imported before the models, which SecondStepMixin needs.
    return hasattr(getattr(view, "view_class", None), "needs_second_step")


def _is_our_login(url: Any) -> bool:
    return resolve_url(url) == reverse("django_flashcall:login")


def _check_callable(key: str, path: str) -> list[CheckMessage]:
    if not path:
        return []
    try:
        named = import_string(path)
    except ImportError as error:
        return [Error(f"FLASHCALL[{key!r}]: {error}.", id="django_flashcall.E004")]
    except Exception as error:  # the module of the site is run, and may fail in any way
        reason = type(error).__name__
        return [Error(f"FLASHCALL[{key!r}] raises {reason}.", id="django_flashcall.E004")]
    if takes_one_argument(named):
        return []
    return [
        Error(
            f"FLASHCALL[{key!r}] must name a callable that takes one argument.",
            id="django_flashcall.E004",
        )
    ]


def _check_odds(config: FlashCallSettings) -> list[CheckMessage]:
    """Warn if the limits make it too likely that a code is guessed within a year."""
    odds = odds_in_a_year(config)
    if odds <= MAX_ODDS:
        return []
    return [
        Warning(
            f"With these limits, an attacker who guesses codes for one number for a year succeeds "
            f"with a probability of {odds:.0%}.",
            hint="Lower MONTHLY_FAILED_CHECKS, DAILY_FAILED_CHECKS or MAX_ATTEMPTS. Without voice "
            "calls, whose codes have four digits, you can also raise CODE_LENGTH.",
            id="django_flashcall.W005",
        )
    ]


def _check_provider(config: FlashCallSettings) -> list[CheckMessage]:
    try:
        provider: object = load_provider()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="django_flashcall.E005")]
    if not isinstance(provider, BaseProvider) or type(provider) in (BaseProvider, LocalProvider):
        return [
            Error(
                "FLASHCALL['PROVIDER'] must name a subclass of BaseProvider.",
                hint="Derive the class from django_flashcall.providers.base.BaseProvider.",
                id="django_flashcall.E005",
            )
        ]
    return [*ask_provider(provider.check), *_check_channels(config, provider)]


def _check_channels(config: FlashCallSettings, provider: BaseProvider) -> list[CheckMessage]:
    needs_call = {Channel.SMS} if provider.sms_needs_call else set()
    if satisfies(
        lambda channels: set(config.CHANNELS) & (set(channels) - needs_call), provider.channels
    ):
        return []
    return [
        Error(
            "No verification can begin: the provider supports none of FLASHCALL['CHANNELS'] for a "
            "first attempt.",
            hint="Add 'flash_call' or 'voice'. An SMS repeats the code of an earlier call.",
            id="django_flashcall.E006",
        )
    ]


def _check_field(config: FlashCallSettings) -> list[CheckMessage]:
    if not config.USER_PHONE_FIELD:
        return []
    try:
        field = get_user_model()._meta.get_field(config.USER_PHONE_FIELD)
    except FieldDoesNotExist as error:
        return [Error(f"FLASHCALL['USER_PHONE_FIELD']: {error}.", id="django_flashcall.E007")]
    if not isinstance(field, CharField | TextField) or field.name == "password":
        return [
            Error(
                "FLASHCALL['USER_PHONE_FIELD'] must name a text field, and not the password.",
                hint="Numbers begin with + or 0. Use a CharField or a PhoneNumberField.",
                id="django_flashcall.E007",
            )
        ]
    return _check_column(field)


def _check_column(field: Any) -> list[CheckMessage]:
    if is_shorter(field, NUMBER_LENGTH):
        return [
            Error(
                f"FLASHCALL['USER_PHONE_FIELD'] has room for {field.max_length} characters, and a "
                f"number has up to {NUMBER_LENGTH} with its +.",
                hint="Raise max_length of the field. Numbers are written there after a paid call.",
                id="django_flashcall.E007",
            )
        ]
    if getattr(field, "db_index", False) or getattr(field, "unique", False):
        return []
    return [
        Warning(
            "FLASHCALL['USER_PHONE_FIELD'] has no index, so each login reads all users.",
            hint="Set db_index=True on the field. If Meta.indexes already indexes it, silence "
            "this warning.",
            id="django_flashcall.W004",
        )
    ]
