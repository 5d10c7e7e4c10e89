"""The base class of providers: one method per channel, a few flags, and three errors.

A provider does not use models. It receives plain values, makes exactly one request, and returns an
``Answer`` or raises one of these errors:

``ProviderRefused``
    The provider refused. No call was placed and nothing was billed.
``NotSent``
    Nothing reached the provider.
``OutcomeUnknown``
    Anything else. The call may have been placed and billed, so it is not repeated. If the answer
    names a price, ``UnusableAnswer`` keeps it.
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

from ..choices import Channel
from ..conf import get_settings
from ..exceptions import OutcomeUnknown
from ..text import Secret as Secret


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the provider answered about a call that it accepted.

    ``price`` is in ``FLASHCALL["CURRENCY"]``, ``None`` if it is missing or malformed; the code is
    still used. ``code`` is empty if it is already known.
    """

    id: str = ""
    price: Decimal | None = None
    code: str = field(default="", repr=False)


class UnusableAnswer(OutcomeUnknown):
    """The answer cannot be used for a code, but the call may have been billed as it says."""

    def __init__(self, reason: str, answer: Answer) -> None:
        super().__init__(reason)
        self.answer = answer


class BaseProvider:
    """Base class of providers. ``FLASHCALL["OPTIONS"]`` are its keyword arguments."""

    #: The channels that the provider supports.
    channels: Set[str] = frozenset(Channel.values)
    #: The channels whose code we generate. It can be checked even if the provider's answer is lost.
    own_code_channels: Set[str] = frozenset()
    #: Whether an SMS repeats the code of an earlier call, identified by the id of that call.
    sms_needs_call = True

    @property
    def deadline(self) -> timedelta:
        """The time after which an answer can no longer arrive."""
        return timedelta(minutes=1)

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Call ``number`` (E.164) from a number whose last ``length`` digits are the code.

        ``code`` is given if ``own_code_channels`` contains flash calls.
        """
        raise NotImplementedError

    def voice(self, number: str, *, code: str = "") -> Answer:
        """Call ``number`` (E.164) and speak ``code``, or the end of the calling number."""
        raise NotImplementedError

    def sms(self, number: str, *, call_id: str = "", code: str = "") -> Answer:
        """Send an SMS to ``number`` (E.164) with the code of the call ``call_id``, or ``code``."""
        raise NotImplementedError

    def check(self) -> list[CheckMessage]:
        """Return check messages about the options, each with a hint."""
        return []

    def check_deploy(self) -> list[CheckMessage]:
        """Return check messages for ``check --deploy`` only."""
        return []


class LocalProvider(BaseProvider):
    """Base class of providers that place no calls, for development and tests."""

    def check_deploy(self) -> list[CheckMessage]:
        """Return an error: a real site needs a real provider."""
        return [
            CheckError(
                f"Phone login uses {type(self).__name__}, which places no calls.",
                hint="Set FLASHCALL['PROVIDER'] to 'django_flashcall.providers.mobilgroup"
                ".MobilgroupProvider', and its api_key in FLASHCALL['OPTIONS'].",
                id="django_flashcall.E010",
            )
        ]


def load_provider() -> BaseProvider:
    """Return the provider that the settings name; raise ``ImproperlyConfigured`` if it fails."""
    config = get_settings()
    try:
        provider: BaseProvider = import_string(config.PROVIDER)(**config.OPTIONS)
    except (ImportError, TypeError) as error:
        # SECURITY: the options contain the key, so only the text of the error is shown.
        raise _not_created(config.PROVIDER, reason=str(error)) from error
    except Exception as error:
        # SECURITY: the text of another error may repeat an option, so only its name is shown.
        raise _not_created(config.PROVIDER, reason=type(error).__name__) from None
    return provider


def _not_created(path: str, *, reason: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"FLASHCALL: the provider {path!r} cannot be created: {reason}. See PROVIDER and OPTIONS."
    )
