"""The provider for tests: real HTTP on this machine, without an account or a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django_flashcall.simulator.exchange import Call, Exchange, PlannedFault, exchange
from django_flashcall.simulator.faults import Fault
from django_flashcall.simulator.protocol import api_key
from django_flashcall.simulator.server import SimulatorServer


@dataclass(frozen=True)
class RunningSimulator:
    """The addresses of a simulator, and what it has received; ``url`` is that of the API."""

    url: str
    handset_url: str
    exchange: Exchange = exchange

    @property
    def api_key(self) -> str:
        """The API key of the simulator."""
        return api_key()

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls and SMS, including those that did not arrive, the newest first."""
        return self.exchange.calls

    @property
    def requests_received(self) -> int:
        """How many requests were received, including those that failed."""
        return self.exchange.requests_received

    def arrange(
        self, fault: str, number: str | None = None, times: int = 1, seconds: float = 10
    ) -> None:
        """Arrange a fault for the next ``times`` requests, if given only to ``number`` (digits)."""
        self.exchange.arrange(PlannedFault(Fault(fault), number or "", times, seconds))


@contextmanager
def running_simulator() -> Iterator[RunningSimulator]:
    """Serve the simulator in a thread, on a free port of 127.0.0.1, until the block ends.

    It only works while ``settings.DEBUG`` is on, which test runners turn off. All simulators of a
    process share one exchange, which is emptied at the beginning and the end of the block.

    ::

        @pytest.fixture
        def simulator(settings):
            settings.DEBUG = True
            with running_simulator() as simulator:
                yield simulator
    """
    server = SimulatorServer(host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    exchange.reset()
    thread.start()
    try:
        yield RunningSimulator(server.api_address, server.address)
    finally:
        server.shutdown()
        thread.join()
        exchange.reset()
        server.server_close()
