"""A provider of another shape, the example of docs/providers.rst.

*Ringer* exists only here. It chooses every code itself, names its own ids, counts money in
hundredths, writes its errors as objects, and sends an SMS without an earlier call.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django_flashcall.choices import Channel, ErrorCode
from django_flashcall.exceptions import OutcomeUnknown, ProviderRefused
from django_flashcall.providers.base import Answer, BaseProvider, Secret
from django_flashcall.providers.http import HttpClient

#: Their words for what went wrong, and ours.
ERRORS = {
    "no_funds": ErrorCode.NOT_ENOUGH_MONEY,
    "bad_token": ErrorCode.AUTHORISATION_FAILED,
    "bad_phone": ErrorCode.NUMBER_NOT_VALID,
}


class RingerProvider(BaseProvider):
    """Calls and writes, but does not speak."""

    channels = frozenset({Channel.FLASH_CALL, Channel.SMS})
    sms_needs_call = False

    def __init__(self, *, api_key: str, url: str) -> None:
        self.api_key = Secret(api_key)
        self.url = url
        self.http_client = HttpClient()

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Call ``number``; the code is the end of the calling number that they name."""
        ring = self._order({"phone": number, "how": "ring"})
        return self._answer(ring, code=str(ring.get("caller", ""))[-length:])

    def sms(self, number: str, *, call_id: str = "", code: str = "") -> Answer:
        """Send a text with a code that they choose."""
        text = self._order({"phone": number, "how": "text"})
        return self._answer(text, code=str(text.get("digits", "")))

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        body = self.http_client.post(self.url, order, headers={"X-Token": self.api_key})
        try:
            reply = json.loads(body)
            if "error" in reply:
                raise ProviderRefused(ERRORS.get(reply["error"]["type"], ErrorCode.UNKNOWN_REQUEST))
            order_made: dict[str, Any] = reply["order"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise OutcomeUnknown("no answer of Ringer's") from error
        return order_made

    def _answer(self, order: dict[str, Any], *, code: str) -> Answer:
        if not (code.isascii() and code.isdigit()):
            raise OutcomeUnknown("no code")
        cents = order.get("cents")
        price = Decimal(cents) / 100 if isinstance(cents, int) else None
        return Answer(id=str(order.get("ref", "")), price=price, code=code)
