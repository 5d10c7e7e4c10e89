"""Checks that only run with ``check --deploy``.

They cannot be made to run whenever ``DEBUG`` is off: the test runner turns it off, and they would
fail the tests of every site.
"""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning
from django.core.exceptions import ImproperlyConfigured

from ..conf import FlashCallSettings
from ..phone import SUPPORTED_REGIONS
from ..providers.base import BaseProvider, load_provider
from .databases import check_caches, check_sqlite
from .others import ask_provider
from .values import valid_settings

#: The limits of a day, and what to set them to.
CAPS = {
    "DAILY_SPEND": "Enter a price for each channel. Then set it to twice the cost of a busy day.",
    "SITE_DAILY_ATTEMPTS": "Set it to twice the number of calls of a busy day.",
}


def check_deploy(**kwargs: Any) -> list[CheckMessage]:
    """Warn about settings that must not reach production."""
    config = valid_settings()
    provider = _provider() if config else None
    if config is None or provider is None:
        return []  # check_settings reports it
    messages = ask_provider(provider.check_deploy)
    messages += _check_money(config)
    messages += check_caches()
    messages += check_sqlite()
    if config.ALLOW_STAFF:
        messages.append(
            Warning(
                "FLASHCALL['ALLOW_STAFF'] lets staff log in with only a code of a few digits.",
                hint="Turn it off. Let staff log in with a password and a second factor.",
                id="django_flashcall.W002",
            )
        )
    return messages


def _provider() -> BaseProvider | None:
    try:
        provider: object = load_provider()
    except ImproperlyConfigured:
        return None
    return provider if isinstance(provider, BaseProvider) else None


def _check_money(config: FlashCallSettings) -> list[CheckMessage]:
    messages: list[CheckMessage] = [
        Warning(
            f"FLASHCALL[{key!r}] is not set, so daily calls are unlimited.",
            hint=hint,
            id="django_flashcall.W006",
        )
        for key, hint in CAPS.items()
        if getattr(config, key) is None
    ]
    if set(config.REGIONS) >= SUPPORTED_REGIONS:
        messages.append(
            Warning(
                "FLASHCALL['REGIONS'] allows every country, and calls to some are very expensive.",
                hint="List the regions that your visitors come from.",
                id="django_flashcall.W008",
            )
        )
    return messages
