"""The provider for a test: real HTTP on this machine, no account and no database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django_flashcall.simulator.exchange import Arrangement, Call, Exchange, exchange
from django_flashcall.simulator.faults import Fault
from django_flashcall.simulator.protocol import api_key
from django_flashcall.simulator.server import SimulatorServer


@dataclass(frozen=True)
class RunningSimulator:
    """Where the simulator listens, and what it has seen; ``url`` is the API's address."""

    url: str
    handset_url: str
    exchange: Exchange = exchange

    @property
    def api_key(self) -> str:
        """The key that opens it."""
        return api_key()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Everything that was placed, also what never rang; newest first."""
        return self.exchange.calls

    @property
    def requests_received(self) -> int:
        """How many requests came, also those that failed."""
        return self.exchange.requests_received

    def arrange(
        self, fault: str, number: str | None = None, times: int = 1, seconds: float = 10
    ) -> None:
        """Let the next ``times`` requests meet the fault, or those for ``number``, digits only."""
        self.exchange.arrange(Arrangement(Fault(fault), number or "", times, seconds))


@contextmanager
def running_simulator() -> Iterator[RunningSimulator]:
    """Serve the simulator in a thread, on a free port of 127.0.0.1, until the block ends.

    It answers while ``settings.DEBUG`` is on, which test runners switch off. All simulators of a
    process share one exchange, emptied at both ends of the block.

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
