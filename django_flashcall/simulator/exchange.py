"""The telephone exchange: what was asked, what rang and what it cost, in this process' memory."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.utils import timezone
from django.utils.translation import gettext as _

from django_flashcall.simulator.faults import FATED_NUMBERS, Fault, Refused
from django_flashcall.simulator.protocol import Kind, Order

PRICES = {
    Kind.FLASH_CALL: Decimal("0.35"),
    Kind.VOICE: Decimal("0.70"),
    Kind.SMS: Decimal("1.60"),
}
KEPT = 500


@dataclass(frozen=True)
class Received:
    """One request as it came, right or wrong."""

    authorization: str = field(repr=False)
    body: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call or an SMS; ``rang`` is false if it was answered and billed, and then lost.

    ``spoken`` is the code that a voice call speaks, empty for the others.
    """

    id: str
    kind: Kind
    number: str
    calling_number: str
    code: str
    spoken: str
    repeated: bool
    price: Decimal
    at: datetime
    key: str = field(repr=False)
    rang: bool

    @property
    def speech(self) -> str:
        """Spell the code as it is spoken, twice where that was asked for."""
        once = "\N{NO-BREAK SPACE}".join(self.spoken)
        return f"{once}, {once}" if self.repeated else once

    @property
    def text(self) -> str:
        """Word the SMS in the language of whoever reads it."""
        return _("Your code: %(code)s") % {"code": self.code}


@dataclass
class Arrangement:
    """A fault that the next ``times`` requests meet, or those for ``number``, digits only."""

    fault: Fault
    number: str = ""
    times: int = 1
    seconds: float = 10

    def concerns(self, number: str) -> bool:
        """Say whether a request for the number meets the fault."""
        return self.number in ("", number)


class Exchange:
    """Calls, requests and arranged faults, newest first and bounded; safe between threads.

    A site of several processes has as many exchanges, which do not know each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A site's record outlives this process: an old id must not name a new call.
        self._ids = itertools.count(int(time.time()))
        self._woken = threading.Event()
        self._clear()

    def _clear(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._requests: deque[Received] = deque(maxlen=KEPT)
        self._arranged: list[Arrangement] = []
        self.requests_received = 0
        self.billed = Decimal("0.00")

    def reset(self) -> None:
        """Forget everything, and let the slow answers go at once."""
        with self._lock:
            self._woken.set()
            self._woken = threading.Event()
            self._clear()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Everything that was placed, also what never rang; newest first."""
        with self._lock:
            return tuple(self._calls)

    @property
    def requests(self) -> tuple[Received, ...]:
        """The latest requests, also those that failed; newest first."""
        with self._lock:
            return tuple(self._requests)

    @property
    def arranged(self) -> tuple[Arrangement, ...]:
        """The faults that nobody has met yet, next first."""
        with self._lock:
            return tuple(self._arranged)

    def ringing(self, number: str = "") -> tuple[Call, ...]:
        """Return what the subscriber's handset shows; without a number, everybody's."""
        return tuple(call for call in self.calls if call.rang and number in ("", call.number))

    def receive(self, request: Received) -> None:
        """Count a request, whatever comes of it."""
        with self._lock:
            self.requests_received += 1
            self._requests.appendleft(request)

    def arrange(self, arrangement: Arrangement) -> None:
        """Let the next requests meet a fault."""
        with self._lock:
            self._arranged.append(arrangement)

    def number_of(self, order: Order) -> str:
        """Return whose phone the order is for; an SMS goes where the call that it names went."""
        return self._named_by(order).number if order.kind is Kind.SMS else order.number

    def fault_for(self, order: Order) -> Arrangement | None:
        """Use up the first arranged fault that concerns the order, else look at its number."""
        number = self.number_of(order)
        with self._lock:
            for arrangement in self._arranged:
                if arrangement.concerns(number):
                    return self._use_up(arrangement)
        fated = FATED_NUMBERS.get(order.number)
        return Arrangement(fated) if fated else None

    def _use_up(self, arrangement: Arrangement) -> Arrangement:
        arrangement.times -= 1
        if arrangement.times <= 0:
            self._arranged.remove(arrangement)
        return arrangement

    def place(self, order: Order, *, key: str, rang: bool = True) -> Call:
        """Carry out the order and bill it."""
        number = self.number_of(order)
        calling_number, code = self._caller_and_code(order)
        with self._lock:
            call = Call(
                id=str(next(self._ids)),
                kind=order.kind,
                number=number,
                calling_number=calling_number,
                code=code,
                spoken=code if order.kind is Kind.VOICE else "",
                repeated=order.repeated,
                price=PRICES[order.kind],
                at=timezone.now(),
                key=key,
                rang=rang,
            )
            self._calls.appendleft(call)
            self.billed += call.price
        return call

    def _caller_and_code(self, order: Order) -> tuple[str, str]:
        if order.kind is Kind.SMS:
            call = self._named_by(order)
            return call.calling_number, call.code
        own = order.code if order.kind is Kind.FLASH_CALL else ""
        digits = f"{secrets.randbelow(10**7):07}"
        prefix = "7" + f"495{digits}"[: 10 - len(own)]
        calling_number = order.ani or prefix + own
        return calling_number, order.code or calling_number[-order.capacity :]

    def _named_by(self, order: Order) -> Call:
        for call in self.calls:
            if call.id == order.call_id and call.kind is not Kind.SMS:
                return call
        raise Refused(Fault.UNKNOWN_REQUEST)

    def pause(self, seconds: float) -> None:
        """Hold an answer back, until ``reset()`` at the longest."""
        self._woken.wait(seconds)


exchange = Exchange()
