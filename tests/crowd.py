"""A site of eight threads, a provider that takes its time, a crowd that wants to be called."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import WSGIRequestHandler, WSGIServer
from django.test import override_settings

from tests import wire
from tests.browser import Page

THREADS = 8
CROWD = 12
REFUSAL = "We cannot place calls at the moment."
REPLY = json.dumps({"result": "ok", "id": "1", "price": "0.35", "code": "4217"}).encode()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came of it; ``slowest_page`` is in seconds, of a page that has no use for phones."""

    slowest_page: float
    called: int
    refused: int


class PoolServer(WSGIServer):
    """Serves with a fixed number of threads, as production does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), QuietHandler)
        self.set_app(WSGIHandler())
        self.pool = ThreadPoolExecutor(THREADS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Leave the request to the next thread that is free."""
        self.pool.submit(self._serve, request, client_address)

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)

    def server_close(self) -> None:
        """Let the threads finish."""
        super().server_close()
        self.pool.shutdown()


class QuietHandler(WSGIRequestHandler):
    """Serves without a word."""

    def log_message(self, format: str, *args: Any) -> None:
        """Leave the terminal to what was measured."""


def measure(*, calls: int, delay: float) -> Measured:
    """Let the crowd ask for calls at a provider that answers after ``delay`` seconds."""
    with wire.serving(late(delay)) as provider, site(provider, calls=calls) as url:
        visitors = [Visitor(url, f"+799912{calls:02}{one:03}") for one in range(CROWD)]
        with ThreadPoolExecutor(CROWD) as crowd:
            asked = [crowd.submit(visitor.ask) for visitor in visitors]
            until(lambda: len(provider.requests) >= min(calls, THREADS))
            waits = [wait_for(url) for _ in range(20)]
        refused = sum(REFUSAL in one.result() for one in asked)
    return Measured(slowest_page=max(waits), called=len(provider.requests), refused=refused)


def late(delay: float) -> wire.Script:
    """Answer, but not at once."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        ended.wait(delay)
        connection.sendall(wire.response(REPLY))

    return script


@contextmanager
def site(provider: wire.Server, *, calls: int) -> Iterator[str]:
    """Serve the tests' site with at most ``calls`` concurrent calls to ``provider``."""
    keys = {
        "PROVIDER": "django_flashcall.providers.mobilgroup.MobilgroupProvider",
        "OPTIONS": {"api_key": "key", "url": provider.url},
        "CONCURRENT_CALLS": calls,
        "RATES": {},
    }
    with override_settings(FLASHCALL=keys), PoolServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Visitor:
    """Somebody with the login page open."""

    def __init__(self, url: str, number: str) -> None:
        self.page_url = f"{url}/phone/login/"
        self.number = number
        self.session = requests.Session()
        self.session.trust_env = False
        self.form = Page(self.session.get(self.page_url, timeout=60).text).forms[0].fields

    def ask(self) -> str:
        """Ask for a call, and return the page that comes of it."""
        data = self.form | {"number": self.number}
        with self.session, self.session.post(self.page_url, data=data, timeout=60) as response:
            return response.text


def wait_for(url: str) -> float:
    """Return how many seconds the page takes that everybody sees."""
    began = time.monotonic()
    requests.get(url, timeout=60).raise_for_status()
    return time.monotonic() - began


def until(is_so: Any) -> None:
    """Wait for something that other threads bring about."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
