"""A provider for tests: calls are kept in ``outbox``, like mail in Django's test runner.

::

    from django_flashcall.providers import locmem

    locmem.outbox[-1].code
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal

from ..choices import Channel
from ..codes import draw_code
from ..exceptions import ProviderRefused
from .base import Answer, LocalProvider


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One call or SMS that would have been made, with the code it carries."""

    id: str
    channel: str
    number: str
    code: str


#: All calls and SMS of this process, the latest last. Clear it between tests.
outbox: list[Delivery] = []

_ids = itertools.count(1)


class LocMemProvider(LocalProvider):
    """Behaves like mobilgroup with its default options, but places no calls."""

    own_code_channels = frozenset({Channel.VOICE})

    def __init__(self, *, price: Decimal = Decimal("0.35"), error_code: str = "") -> None:
        self.price = price
        self.error_code = error_code

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Generate a code as the provider would, and add the call to the outbox."""
        return self._deliver(Channel.FLASH_CALL, number, code=draw_code(length, number=number))

    def voice(self, number: str, *, code: str = "") -> Answer:
        """Add a call with the spoken code to the outbox."""
        return self._deliver(Channel.VOICE, number, code=code)

    def sms(self, number: str, *, call_id: str = "", code: str = "") -> Answer:
        """Add an SMS with the code of the call ``call_id`` to the outbox."""
        call = next((call for call in outbox if call.id == call_id), None)
        if call is None:
            raise ProviderRefused("unknown_request")
        return self._deliver(Channel.SMS, number, code=call.code)

    def _deliver(self, channel: Channel, number: str, *, code: str) -> Answer:
        if self.error_code:
            raise ProviderRefused(self.error_code)
        delivery = Delivery(id=str(next(_ids)), channel=channel, number=number, code=code)
        outbox.append(delivery)
        return Answer(id=delivery.id, price=self.price, code=code)
