"""Check what others provide: their settings that the package reads, and a provider's checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from ..conf import is_list, read_setting, satisfies, takes_one_argument


def is_cache(value: Any) -> bool:
    """Return whether ``value`` is the name of a cache."""
    return isinstance(value, str) and value in settings.CACHES


def _is_source(value: Any) -> bool:
    """Return whether ``conf.get_address()`` can read the client address from there."""
    source = import_string(value) if isinstance(value, str) and "." in value else value
    is_function = takes_one_argument(source) and not isinstance(source, type)
    return source is None or isinstance(source, str) or is_function


def _is_keys(value: Any) -> bool:
    return is_list(value, of=lambda key: isinstance(key, str | bytes) and key)


#: A setting, its default, the test of its value, and what the value must be.
RULES: list[tuple[str, Any, Callable[[Any], object], str]] = [
    ("RATELIMIT_USE_CACHE", "default", is_cache, "the name of a cache in CACHES"),
    (
        "RATELIMIT_IP_META_KEY",
        None,
        _is_source,
        "None, a key of request.META, or a callable with one argument or its dotted path",
    ),
    ("SECRET_KEY_FALLBACKS", [], _is_keys, "a list of keys that are not empty"),
]


def check_others(**kwargs: Any) -> list[CheckMessage]:
    """Check the settings of Django and django-ratelimit that this package reads."""
    return [
        Error(f"{name} must be {expected}.", id="django_flashcall.E009")
        for name, default, test, expected in RULES
        if not satisfies(test, read_setting(name, default=default))
    ]


def ask_provider(check: Callable[[], list[CheckMessage]]) -> list[CheckMessage]:
    """Return the messages of a provider's own ``check``, or an error if it fails."""
    try:
        return list(check())
    except Exception as error:
        # SECURITY: the text of the error may repeat an option, so only its name is shown.
        return [
            Error(
                f"The checks of FLASHCALL['PROVIDER'] raise {type(error).__name__}.",
                hint="Correct its OPTIONS, or its methods check() and check_deploy().",
                id="django_flashcall.E005",
            )
        ]
