"""The telephone exchange: keeps requests, calls and their cost in this process's memory."""

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

from django_flashcall.simulator.faults import FAULTY_NUMBERS, Fault, Refused
from django_flashcall.simulator.protocol import Kind, Order

PRICES = {
    Kind.FLASH_CALL: Decimal("0.35"),
    Kind.VOICE: Decimal("0.70"),
    Kind.SMS: Decimal("1.60"),
}
KEPT = 500

#: The pages of a site show an example of a calling number that ends so.
EXAMPLE_ENDING = "7890"


@dataclass(frozen=True)
class Received:
    """One request as it was received, valid or not."""

    authorization: str = field(repr=False)
    body: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call or an SMS; ``arrived`` is false if it was accepted and billed, but did not arrive.

    ``spoken`` is the code that a voice call speaks. It is empty for other kinds.
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
    arrived: bool

    @property
    def speech(self) -> str:
        """The code as it is spoken, twice if the request asks for it."""
        once = "\N{NO-BREAK SPACE}".join(self.spoken)
        return f"{once}, {once}" if self.repeated else once

    @property
    def text(self) -> str:
        """The text of the SMS, in the current language."""
        return _("Your code: %(code)s") % {"code": self.code}


@dataclass
class PlannedFault:
    """A fault for the next ``times`` requests, or for those to ``number`` (digits only)."""

    fault: Fault
    number: str = ""
    times: int = 1
    seconds: float = 10

    def concerns(self, number: str) -> bool:
        """Return whether the fault applies to a request for ``number``."""
        return self.number in ("", number)


class Exchange:
    """The latest calls, requests and arranged faults, newest first. It is thread-safe.

    If a site has several processes, each has its own exchange.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A site keeps its record when this process ends, so a new call must not get an old id.
        self._ids = itertools.count(int(time.time()))
        self._woken = threading.Event()
        self._clear()

    def _clear(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._requests: deque[Received] = deque(maxlen=KEPT)
        self._arranged: list[PlannedFault] = []
        self.requests_received = 0
        self.billed = Decimal("0.00")

    def reset(self) -> None:
        """Delete everything, and send delayed answers immediately."""
        with self._lock:
            self._woken.set()
            self._woken = threading.Event()
            self._clear()

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls and SMS, including those that did not arrive, the newest first."""
        with self._lock:
            return tuple(self._calls)

    @property
    def requests(self) -> tuple[Received, ...]:
        """The latest requests, including those that failed, the newest first."""
        with self._lock:
            return tuple(self._requests)

    @property
    def arranged(self) -> tuple[PlannedFault, ...]:
        """The faults that have not been used up, the next one first."""
        with self._lock:
            return tuple(self._arranged)

    def ringing(self, number: str = "") -> tuple[Call, ...]:
        """Return the calls and SMS that arrived at ``number``, or at any number without one."""
        return tuple(call for call in self.calls if call.arrived and number in ("", call.number))

    def receive(self, request: Received) -> None:
        """Record a request, whether it succeeds or fails."""
        with self._lock:
            self.requests_received += 1
            self._requests.appendleft(request)

    def arrange(self, planned_fault: PlannedFault) -> None:
        """Arrange a fault for the next requests."""
        with self._lock:
            self._arranged.append(planned_fault)

    def number_of(self, order: Order) -> str:
        """Return the number that the order is for; an SMS goes to the number of its call."""
        return self._named_by(order).number if order.kind is Kind.SMS else order.number

    def fault_for(self, order: Order) -> PlannedFault | None:
        """Use up and return the first arranged fault for the order, or the fault of its number."""
        number = self.number_of(order)
        with self._lock:
            for planned_fault in self._arranged:
                if planned_fault.concerns(number):
                    return self._use_up(planned_fault)
        own_fault = FAULTY_NUMBERS.get(order.number)
        return PlannedFault(own_fault) if own_fault else None

    def _use_up(self, planned_fault: PlannedFault) -> PlannedFault:
        planned_fault.times -= 1
        if planned_fault.times <= 0:
            self._arranged.remove(planned_fault)
        return planned_fault

    def place(self, order: Order, *, key: str, arrived: bool = True) -> Call:
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
                arrived=arrived,
            )
            self._calls.appendleft(call)
            self.billed += call.price
        return call

    def _caller_and_code(self, order: Order) -> tuple[str, str]:
        if order.kind is Kind.SMS:
            call = self._named_by(order)
            return call.calling_number, call.code
        own = order.code if order.kind is Kind.FLASH_CALL else ""
        digits = _draw_ending(order.number)
        prefix = "7" + f"495{digits}"[: 10 - len(own)]
        calling_number = order.ani or prefix + own
        return calling_number, order.code or calling_number[-order.capacity :]

    def _named_by(self, order: Order) -> Call:
        for call in self.calls:
            if call.id == order.call_id and call.kind is not Kind.SMS:
                return call
        raise Refused(Fault.UNKNOWN_REQUEST)

    def pause(self, seconds: float) -> None:
        """Delay an answer by ``seconds``, or until ``reset()``."""
        self._woken.wait(seconds)


def _draw_ending(number: str) -> str:
    """Return seven random digits for the end of a calling number.

    A site may not accept the end of the called ``number`` as a code, or the end of its example.
    A demonstration should not meet this by chance.
    """
    while (digits := f"{secrets.randbelow(10**7):07}").endswith((number[-4:], EXAMPLE_ENDING)):
        pass
    return digits


exchange = Exchange()
