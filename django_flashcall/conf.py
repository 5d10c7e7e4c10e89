"""Settings: the dict ``FLASHCALL``, read at each use so that it can be overridden.

Other modules of this package read ``django.conf.settings`` only for ``AUTH_USER_MODEL``, in system
checks, and in ``testing``. The simulator is a separate app.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string


@dataclass(frozen=True, kw_only=True)
class FlashCallSettings:
    """The keys of ``FLASHCALL`` with their types and defaults; the reference explains each."""

    PROVIDER: str = "django_flashcall.providers.console.ConsoleProvider"
    OPTIONS: dict[str, Any] = field(default_factory=dict, repr=False)
    DIALER: str = "django_flashcall.calls.dialing.dial"
    CONCURRENT_CALLS: int = 4
    CHANNELS: Sequence[str] = ("flash_call", "voice", "sms")
    CODE_LENGTH: int = 4
    CODE_LIFETIME: timedelta = timedelta(minutes=5)
    VERIFICATION_LIFETIME: timedelta = timedelta(minutes=10)
    MAX_CHECKS: int = 3
    MAX_ATTEMPTS: int = 3
    COOLDOWNS: Sequence[timedelta] = (
        timedelta(seconds=60),
        timedelta(seconds=120),
        timedelta(seconds=300),
    )
    DAILY_ATTEMPTS: int = 5
    DAILY_SMS: int = 2
    DAILY_FAILED_CHECKS: int = 10
    MONTHLY_FAILED_CHECKS: int = 13
    BLOCK_HOURLY_ATTEMPTS: int = 30
    SITE_DAILY_ATTEMPTS: int | None = None
    DAILY_SPEND: Decimal | None = None
    BEFORE_CALL: str = ""
    ALARM_MAILS: bool = False
    CURRENCY: str = "RUB"
    REGIONS: Sequence[str] = ("RU",)
    NUMBER_TYPES: Sequence[str] = ("mobile", "fixed_line_or_mobile")
    DENIED_PREFIXES: Sequence[str] = ("+7840", "+7940")
    RATES: dict[str, Sequence[str]] = field(
        default_factory=lambda: {"start": ("10/10m", "60/d"), "check": ("60/h",)}
    )
    PHONE_LOGIN: bool | None = None
    SIGN_UP: bool = True
    ALLOW_STAFF: bool = False
    USER_PHONE_FIELD: str = ""
    USER_PHONES_PROVEN: bool = False
    MAX_DORMANCY: timedelta | None = None
    KEEP: timedelta = timedelta(days=90)

    @property
    def allows_phone_login(self) -> bool:
        """Whether a number alone logs in; a site that has not decided allows it."""
        return self.PHONE_LOGIN is not False


UNREADABLE = object()

KEYS = tuple(key.name for key in fields(FlashCallSettings))


def get_settings() -> FlashCallSettings:
    """Return ``settings.FLASHCALL``; raise ``ImproperlyConfigured`` for an unknown key."""
    given = read_setting("FLASHCALL", default={})
    if not issubclass(type(given), dict):
        raise ImproperlyConfigured(f"FLASHCALL must be a dict, not {type(given).__name__}.")
    # By the methods of ``dict`` and ``str``: those of a subclass may do and raise anything.
    named = {_read_key(key): value for key, value in dict.items(given)}
    return FlashCallSettings(**named)


def _read_key(key: Any) -> str:
    if not issubclass(type(key), str):
        kind = type(key).__name__
        raise ImproperlyConfigured(f"FLASHCALL has a key of the type {kind}. Keys are strings.")
    name = str.__str__(key)
    if name not in KEYS:
        raise ImproperlyConfigured(unknown_key(name))
    return name


def unknown_key(key: str) -> str:
    """Return an error text for ``key`` that suggests the nearest known key."""
    nearest = difflib.get_close_matches(key.upper(), KEYS, n=1, cutoff=0.5)
    meant = f" Did you mean {nearest[0]!r}?" if nearest else f" The keys are {', '.join(KEYS)}."
    return f"FLASHCALL has no key {key!r}.{meant}"


def read_setting(name: str, *, default: Any) -> Any:
    """Return a setting as it is, or ``UNREADABLE`` if Django cannot read it."""
    try:
        return getattr(settings, name, default)
    except Exception:
        # Django asks the value for an attribute, and an object may raise anything.
        return UNREADABLE


def get_dialer() -> Callable[[int], object]:
    """Import and return the callable in ``FLASHCALL["DIALER"]``; it takes an attempt's id."""
    dialer: Callable[[int], object] = import_string(get_settings().DIALER)
    return dialer


def get_before_call() -> Callable[[Any], str] | None:
    """Import and return the callable in ``FLASHCALL["BEFORE_CALL"]``, ``None`` if it is not set."""
    path = get_settings().BEFORE_CALL
    hook: Callable[[Any], str] | None = import_string(path) if path else None
    return hook


def get_secrets() -> list[str | bytes]:
    """Return the secret keys for digests, the current one first."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def get_address(request: HttpRequest) -> str:
    """Return the client address, according to django-ratelimit's ``RATELIMIT_IP_META_KEY``.

    That setting is a key of ``request.META``, a callable, or the dotted path of one. The default is
    ``REMOTE_ADDR``. Returns an empty string if there is no address.
    """
    source = getattr(settings, "RATELIMIT_IP_META_KEY", None) or "REMOTE_ADDR"
    if isinstance(source, str) and "." in source:
        source = import_string(source)
    return str(source(request) if callable(source) else request.META.get(source, ""))


def get_login_redirect() -> str:
    """Return the URL that Django redirects to after a login."""
    return settings.LOGIN_REDIRECT_URL


def get_language() -> str:
    """Return the default language of the site, which is used for its operators."""
    return settings.LANGUAGE_CODE


def get_cookie_options() -> dict[str, Any]:
    """Return the options of our own cookies, which are those of the session cookie.

    ``Strict`` is not among them: a page that another site links to would not know its browser.
    """
    is_framed = settings.SESSION_COOKIE_SAMESITE == "None"
    return {
        "path": settings.SESSION_COOKIE_PATH,
        "domain": settings.SESSION_COOKIE_DOMAIN,
        "secure": settings.SESSION_COOKIE_SECURE,
        "samesite": "None" if is_framed else "Lax",
    }


def get_session_cookie() -> str:
    """Return the name of the session cookie."""
    return settings.SESSION_COOKIE_NAME


def get_backend_paths() -> list[str]:
    """Return the dotted paths of the site's authentication backends."""
    return list(settings.AUTHENTICATION_BACKENDS)


def satisfies(test: Callable[[Any], object], value: Any) -> bool:
    """Return whether ``value`` passes ``test``; one that cannot be tested does not pass."""
    try:
        return bool(test(value))
    except Exception:
        return False  # an object in the settings may raise anything, whatever it is asked


def is_flag(value: Any) -> bool:
    """Return whether ``value`` is ``True`` or ``False``, and nothing that equals them."""
    return isinstance(value, bool)


def is_whole(value: Any, *, least: int, most: int) -> bool:
    """Return whether ``value`` is a whole number within the bounds, and not a flag."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_duration(value: Any, *, least: timedelta, most: timedelta) -> bool:
    """Return whether ``value`` is a duration within the bounds."""
    return isinstance(value, timedelta) and least <= value <= most


def is_list(value: Any, *, of: Callable[[Any], object]) -> bool:
    """Return whether ``value`` is a list or a tuple, and each item passes ``of``."""
    return isinstance(value, list | tuple) and all(of(item) for item in value)


def takes_one_argument(function: Any) -> bool:
    """Return whether ``function`` can be called with one argument, as far as can be known."""
    if not callable(function):
        return False
    try:
        # Not that of a wrapped function, which may take more arguments than its wrapper.
        inspect.signature(function, follow_wrapped=False).bind(None)
    except ValueError:
        return True  # many functions that are written in C have no signature
    except TypeError:
        return False
    return True
