"""HTTP: send one JSON request, and read one answer of bounded size within a deadline.

This is the only module that uses ``requests``. A failure either happened before the request was
sent (``NotSent``), or the request may have been sent (``OutcomeUnknown``).
"""

from __future__ import annotations

import io
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Lock, Thread
from typing import Any

import requests
from django.views.decorators.debug import sensitive_variables
from requests.adapters import HTTPAdapter

from ..exceptions import NotSent, OutcomeUnknown
from .base import Secret

#: Longer answers are refused. A normal answer has about a hundred bytes.
MAX_BODY = 64 * 1024

HEADERS = {"Accept-Encoding": "identity", "Content-Type": "application/json"}

#: The name of the thread that sends a request.
THREAD = "flashcall-http"

#: We wait this many seconds longer than the total timeout, since the socket's own timeout error
#: is more specific than ours.
GRACE = 0.1


class Body:
    """The body of a request. It records whether it was read, and can be withdrawn before that.

    No call can be placed without the body, since it contains the number. ``requests`` and
    ``urllib3`` read it after the connection is made, including TLS and proxies, and the headers are
    sent. So whether it was read decides between ``NotSent`` and ``OutcomeUnknown``, for every error
    and for future versions of the libraries.
    """

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self._length = len(content)
        self._turn = Lock()
        self._is_withdrawn = False
        self.was_read = False

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """Make ``requests`` treat this as a stream, which it reads only by ``read()``."""
        return iter(self.read, b"")

    def read(self, size: int = -1) -> bytes:
        """Return the content, unless it was withdrawn."""
        with self._turn:
            if self._is_withdrawn:
                raise TimeoutError("withdrawn")
            self.was_read = True
        return self._content.read(size)

    def withdraw(self) -> bool:
        """Ensure that this is never sent; return false if it may have been sent already."""
        with self._turn:
            self._is_withdrawn = not self.was_read
            return self._is_withdrawn


class Adapter(HTTPAdapter):
    """Keeps the socket, so that a late answer can be cut off."""

    socket: socket.socket | None = None

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Make the connections of the pool report their socket."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        adapter = self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                adapter.socket = self.sock

        pool.ConnectionCls = Connection
        return pool

    def shut_down(self) -> None:
        """Shut the socket down, even if data is still being received."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class Session(requests.Session):
    """Ignores redirects, since ``requests`` would read their whole body, whatever its length."""

    def get_redirect_target(self, response: requests.Response) -> None:
        """Return nothing; ``_read()`` refuses redirects."""


def is_safe(record: logging.LogRecord) -> bool:
    """Return whether a log record of urllib3 is not about our requests, and may be logged."""
    return record.threadName != THREAD


# SECURITY: urllib3 logs malformed headers of an answer, at level WARNING and on several lines. They
# may repeat a number or a key. The outcome of the call is logged by ``calls.outcomes``.
logging.getLogger("urllib3.connection").addFilter(is_safe)


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    """Sends requests with these timeouts and proxies; ``proxies`` as ``requests`` takes them."""

    connect_timeout: timedelta = timedelta(seconds=3)
    read_timeout: timedelta = timedelta(seconds=20)
    total_timeout: timedelta = timedelta(seconds=25)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)

    @sensitive_variables()
    def post(self, url: str, payload: Mapping[str, Any], *, headers: Mapping[str, str]) -> bytes:
        """Send ``payload`` as JSON and return the body of the answer, whatever its status.

        Raises ``NotSent`` or ``OutcomeUnknown``. A failed connection is tried once more. The
        request is not repeated after any byte of ``payload`` may have been sent.
        """
        body, adapter = Body(json.dumps(payload).encode()), Adapter()
        total = self.total_timeout.total_seconds()
        deadline = time.monotonic() + total
        send = partial(self._send, url, body, adapter=adapter, headers=headers, deadline=deadline)
        try:
            return _within(total + GRACE, lambda: _twice(send))
        except TimeoutError as error:
            kind = NotSent if body.withdraw() else OutcomeUnknown
            adapter.shut_down()
            raise kind("the answer takes too long") from error
        except RuntimeError as error:
            raise NotSent("no thread can be started") from error

    def _send(
        self, url: str, body: Body, *, adapter: Adapter, headers: Mapping[str, str], deadline: float
    ) -> bytes:
        if time.monotonic() > deadline:
            raise NotSent("no connection in time")
        with _one_connection(adapter) as session:
            try:
                with session.post(
                    url,
                    data=body,
                    headers={**HEADERS, **headers},
                    timeout=self._timeouts(deadline),
                    proxies={scheme: Secret(proxy) for scheme, proxy in self.proxies.items()},
                    # SECURITY: a redirect would send the key and the number elsewhere.
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    return _read(response, deadline=deadline)
            except OutcomeUnknown:
                raise
            except Exception as error:
                # SECURITY: only the name of the error, without its cause, which contains the URL.
                kind = OutcomeUnknown if body.was_read else NotSent
                raise kind(type(error).__name__) from None

    def _timeouts(self, deadline: float) -> tuple[float, float]:
        left = max(deadline - time.monotonic(), 0.001)
        return (
            min(self.connect_timeout.total_seconds(), left),
            min(self.read_timeout.total_seconds(), left),
        )


def _one_connection(adapter: Adapter) -> Session:
    """Return a session for one call.

    The server may close an idle pooled connection just when the next call is written to it, and
    that call would be *unknown*. A handshake is short compared with a phone call, and threads and
    forks share no connection.
    """
    session = Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    # SECURITY: no proxies, netrc or certificates from the environment. A netrc would replace our
    # Authorization header, and a proxy would read the key.
    session.trust_env = False
    return session


def _twice(send: Callable[[], bytes]) -> bytes:
    try:
        return send()
    except NotSent:
        return send()


def _within(seconds: float, work: Callable[[], bytes]) -> bytes:
    """Return the result of ``work``, or raise ``TimeoutError`` after ``seconds``.

    It runs in a thread. A socket timeout limits each read, not their sum, so headers that
    arrive byte by byte would never time out. Nor does it limit name resolution.
    """
    outcome: Future[bytes] = Future()
    Thread(target=_settle, args=(outcome, work), name=THREAD, daemon=True).start()
    try:
        return outcome.result(timeout=seconds)
    finally:
        del outcome  # a failure would keep it, and the key, in a reference cycle


@sensitive_variables()
def _settle(outcome: Future[bytes], work: Callable[[], bytes]) -> None:
    try:
        outcome.set_result(work())
    except Exception as error:
        outcome.set_exception(error)


def _read(response: requests.Response, *, deadline: float) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if response.is_redirect or encoding.lower() != "identity":
        # We do not accept compressed bodies, whose uncompressed size has no limit.
        raise OutcomeUnknown(f"status {response.status_code}, redirected or encoded")
    body = bytearray()
    # One byte at a time from the buffer. A larger read would wait until it is complete, and a slow
    # body would exceed the deadline.
    for piece in response.raw.stream(1, decode_content=False):
        body += piece
        if len(body) > MAX_BODY:
            raise OutcomeUnknown("the answer is too long")
        if time.monotonic() > deadline:
            raise OutcomeUnknown("the answer takes too long")
    return bytes(body)
