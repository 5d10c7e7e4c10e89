"""What a provider must offer: one verb per channel, a few flags, and honest errors.

A provider never sees a model. It gets values, makes exactly one request, and returns an ``Answer``
or raises one of three errors, which say what is certain:

``ProviderRefused``
    The provider said no: nothing rang, nothing was billed.
``NotSent``
    Nothing can have reached the provider.
``OutcomeUnknown``
    Anything else. It may have rung and been billed, so nobody will ask again.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.core.checks import CheckMessage
from django.core.checks import Error as CheckError
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ..conf import get_settings
from ..words import Channel


class Secret(str):
    """A text that no debug page shows: keys of providers are kept and passed on as this.

    It is the text itself wherever it is written, so ``f"Bearer {secret}"`` is what it seems.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the provider said to an order that it took.

    ``price`` is in ``FLASHCALL["CURRENCY"]``, ``None`` where it was missing or odd: a reply that
    is wrong about money is not wrong about the call. ``code`` is empty where we know it already.
    """

    id: str = ""
    price: Decimal | None = None
    code: str = field(default="", repr=False)


class BaseProvider:
    """The contract; ``FLASHCALL["OPTIONS"]`` arrive as keyword arguments of ``__init__``."""

    #: What can be asked for.
    channels: Set[str] = frozenset(Channel.values)
    #: Where we draw the code. It can be checked even if the provider's answer is lost.
    own_code_channels: Set[str] = frozenset()
    #: Does an SMS carry the code of an earlier call, by the id of that call?
    sms_needs_call = True

    @property
    def deadline(self) -> timedelta:
        """After so long no answer will come any more."""
        return timedelta(minutes=1)

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Call ``number`` (E.164) from a number whose last ``length`` digits are the code.

        ``code`` is given if flash calls are among ``own_code_channels``.
        """
        raise NotImplementedError

    def voice(self, number: str, *, code: str = "") -> Answer:
        """Call ``number`` (E.164) and speak four digits: ``code``, else the caller's last four."""
        raise NotImplementedError

    def sms(self, number: str, *, call_id: str = "", code: str = "") -> Answer:
        """Write to ``number`` (E.164) the code of the call ``call_id``, or ``code``."""
        raise NotImplementedError

    def check(self) -> list[CheckMessage]:
        """Say what is wrong with the options, with the cure as hint."""
        return []

    def check_deploy(self) -> list[CheckMessage]:
        """Say what must not reach production; asked by ``check --deploy`` only."""
        return []


class StandIn(BaseProvider):
    """A provider that calls nobody, for development and for tests."""

    def check_deploy(self) -> list[CheckMessage]:
        """Refuse to be the provider of a real site."""
        return [
            CheckError(
                f"Phone login runs on {type(self).__name__}, which calls nobody.",
                hint="Set FLASHCALL['PROVIDER'] to 'django_flashcall.providers.mobilgroup"
                ".MobilgroupProvider', and give its api_key in FLASHCALL['OPTIONS'].",
                id="django_flashcall.E010",
            )
        ]


def load_provider() -> BaseProvider:
    """Make the provider that the settings name; raise ``ImproperlyConfigured`` if it cannot be."""
    config = get_settings()
    try:
        provider: BaseProvider = import_string(config.PROVIDER)(**config.OPTIONS)
    except (ImportError, TypeError) as error:
        # SECURITY: the options hold the key, so of the error only its text is told.
        raise ImproperlyConfigured(
            f"FLASHCALL: the provider {config.PROVIDER!r} cannot be made: {error}. "
            "See PROVIDER and OPTIONS."
        ) from error
    return provider
