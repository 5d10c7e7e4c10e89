"""Read requests strictly by the API description.

This may be stricter than the provider: keys and types that are not in the description are refused,
so that a client's mistakes are found here and not in production.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import TextChoices
from django.utils.crypto import constant_time_compare

from django_flashcall.simulator.faults import Fault, Refused

API_KEY = "simulator-key"
#: The numbers that are registered in the account, which voice calls may come from.
REGISTERED_NUMBERS = ("74959999999",)

#: A country code and a number. Russian numbers have eleven digits, and +89 is not assigned.
DIALLABLE = re.compile(r"7[0-9]{10}|(?!7|0|89)[0-9]{10,15}")


class Kind(TextChoices):
    """The three services of the provider."""

    FLASH_CALL = "flash_call"
    VOICE = "voice"
    SMS = "sms"


@dataclass(frozen=True, kw_only=True)
class Order:
    """One well-formed request; an SMS has a ``call_id`` instead of a ``number``."""

    kind: Kind
    number: str = ""
    capacity: int = 4
    code: str = ""
    repeated: bool = False
    ani: str = ""
    call_id: str = ""


def api_key() -> str:
    """Return the API key of the simulator: ``SIMULATOR_API_KEY``."""
    return str(getattr(settings, "SIMULATOR_API_KEY", API_KEY))


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``; raise ``Refused`` if there is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(Fault.UNKNOWN_REQUEST) from error
    if not isinstance(document, dict):
        raise Refused(Fault.UNKNOWN_REQUEST)
    return document


def authorise(header: str, document: dict[str, Any]) -> str:
    """Return the API key of the request; the header takes precedence over the body."""
    security = document.get("security")
    section = security if isinstance(security, dict) else {}
    key = header or section.get("apiKey")
    if not isinstance(key, str) or not constant_time_compare(key, api_key()):
        raise Refused(Fault.AUTHORISATION_FAILED)
    return key


def read_order(document: dict[str, Any]) -> Order:
    """Return the order in a request, which must be one of the six in the description."""
    _section(document, "security", {"apiKey"})
    if "sms" in document:
        return _read_sms(document)
    if "voice" in document:
        return _read_voice(document)
    return _read_flash_call(document)


def _read_flash_call(document: dict[str, Any]) -> Order:
    _allow(document, {"security", "number", "capacity", "flashcall"})
    # Not in the description, but other clients of the platform choose the code this way.
    own = _section(document, "flashcall", {"code"})
    return Order(
        kind=Kind.FLASH_CALL,
        capacity=int(_text(document, "capacity", r"[1-8]", default="4")),
        code=_text(own, "code", r"[0-9]{1,7}"),
        number=_number(document),
    )


def _read_voice(document: dict[str, Any]) -> Order:
    _allow(document, {"security", "number", "capacity", "voice"})
    voice = _section(document, "voice", {"code", "repeat", "ani"})
    return Order(
        kind=Kind.VOICE,
        capacity=int(_text(document, "capacity", r"[1-4]", default="4")),
        code=_text(voice, "code", r"[0-9]{4}"),
        repeated=_text(voice, "repeat", r"[01]", default="0") == "1",
        number=_number(document),
        ani=_registered(_text(voice, "ani", r".*")),
    )


def _read_sms(document: dict[str, Any]) -> Order:
    _allow(document, {"security", "sms"})
    sms = _section(document, "sms", {"id"})
    return Order(kind=Kind.SMS, call_id=_text(sms, "id", r".+", default=None))


def _number(document: dict[str, Any]) -> str:
    number = _text(document, "number", r".*")
    if not re.fullmatch(r"[0-9]+", number):
        raise Refused(Fault.NUMBER_IS_EMPTY)
    if not DIALLABLE.fullmatch(number):
        raise Refused(Fault.NUMBER_NOT_VALID)
    return number


def _registered(ani: str) -> str:
    if ani and ani not in getattr(settings, "SIMULATOR_ANI", REGISTERED_NUMBERS):
        raise Refused(Fault.ANI_PHONE_NOT_VALID)
    return ani


def _allow(section: dict[str, Any], keys: Set[str]) -> None:
    if not section.keys() <= keys:
        raise Refused(Fault.UNKNOWN_REQUEST)


def _section(document: dict[str, Any], key: str, keys: Set[str]) -> dict[str, Any]:
    section = document.get(key, {})
    if not isinstance(section, dict):
        raise Refused(Fault.UNKNOWN_REQUEST)
    _allow(section, keys)
    return section


def _text(section: dict[str, Any], key: str, pattern: str, default: str | None = "") -> str:
    """Return a value, which must be a string that matches ``pattern``, or the default."""
    if key not in section and default is not None:
        return default
    value = section.get(key)
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
        raise Refused(Fault.UNKNOWN_REQUEST)
    return value
