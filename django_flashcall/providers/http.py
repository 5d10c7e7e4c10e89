"""The wire: one JSON request, one bounded answer, and a name for each way to fail.

The only module that knows ``requests``. Whatever goes wrong here is either certainly before the
request went out (``NotSent``) or not (``OutcomeUnknown``); there is no third.
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

#: A good answer has about a hundred bytes.
MAX_BODY = 64 * 1024

HEADERS = {"Accept-Encoding": "identity", "Content-Type": "application/json"}

#: The thread in which a call is made.
THREAD = "flashcall-wire"

#: We wait so many seconds longer than the total: the socket's own time-out says more than ours.
GRACE = 0.1


class Body:
    """What is sent; it knows whether anybody has begun to, and can be withdrawn before.

    Without the body nobody can place a call: it holds the number. ``requests`` and ``urllib3``
    call ``read()`` for it once the connection stands, TLS and proxies included, and the headers
    are written. So whether it was read tells what is certain, and no list of errors has to be
    complete, nor right about the next version of a library.
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
        """Make ``requests`` take this for a stream; nobody can read it past the guard."""
        return iter(self.read, b"")

    def read(self, size: int = -1) -> bytes:
        """Give the content out, unless it was withdrawn."""
        with self._turn:
            if self._is_withdrawn:
                raise TimeoutError("withdrawn")
            self.was_read = True
        return self._content.read(size)

    def withdraw(self) -> bool:
        """See to it that this is never sent; ``False`` if it may have been."""
        with self._turn:
            self._is_withdrawn = not self.was_read
            return self._is_withdrawn


class Plug(HTTPAdapter):
    """Keeps hold of the socket, so that an answer for which nobody waits can be cut off."""

    socket: socket.socket | None = None

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Let the connections of the pool tell what their socket is."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        plug = self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                plug.socket = self.sock

        pool.ConnectionCls = Connection
        return pool

    def pull(self) -> None:
        """Cut the line, whatever still comes along it."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class Session(requests.Session):
    """Looks at no redirect: ``requests`` would read its body whole, however long, to say where."""

    def get_redirect_target(self, response: requests.Response) -> None:
        """Return nothing; what a redirect means is for ``_read`` to say."""


def is_safe(record: logging.LogRecord) -> bool:
    """Keep what urllib3 says of our calls out of the log where it quotes their answers."""
    return record.threadName != THREAD


# SECURITY: a bad header is quoted as it came, at level WARNING: with a number or a key that it
# repeats, and on as many lines as it has. What became of the call is logged by ``dialing``.
logging.getLogger("urllib3.connection").addFilter(is_safe)


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How long to wait and which way to go; ``proxies`` as ``requests`` takes them."""

    connect_timeout: timedelta = timedelta(seconds=3)
    read_timeout: timedelta = timedelta(seconds=20)
    total_timeout: timedelta = timedelta(seconds=25)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)

    @sensitive_variables()
    def post(self, url: str, payload: Mapping[str, Any], *, headers: Mapping[str, str]) -> bytes:
        """Send ``payload`` as JSON once and return the body of the answer, whatever its status.

        Raises ``NotSent`` or ``OutcomeUnknown``. A connection that could not be made is tried
        once more; nothing is repeated after a byte of ``payload`` may have been sent.
        """
        body, plug = Body(json.dumps(payload).encode()), Plug()
        total = self.total_timeout.total_seconds()
        deadline = time.monotonic() + total
        send = partial(self._send, url, body, plug=plug, headers=headers, deadline=deadline)
        try:
            return _within(total + GRACE, lambda: _twice(send))
        except TimeoutError as error:
            kind = NotSent if body.withdraw() else OutcomeUnknown
            plug.pull()
            raise kind("the answer takes too long") from error
        except RuntimeError as error:
            raise NotSent("no thread can be started") from error

    @sensitive_variables()
    def _send(
        self, url: str, body: Body, *, plug: Plug, headers: Mapping[str, str], deadline: float
    ) -> bytes:
        if time.monotonic() > deadline:
            raise NotSent("no connection in time")
        # A connection for each call: one that idles in a pool may be closed by the server just
        # when the next call is written to it, and that call would be *unknown*. A handshake
        # is cheap beside a telephone that rings, and nothing is shared by threads or forks.
        with Session() as session:
            for scheme in ("https://", "http://"):
                session.mount(scheme, plug)
            # SECURITY: no proxies, netrc or certificates from the environment: a netrc would
            # replace our Authorization header, a proxy would read the key.
            session.trust_env = False
            request = partial(
                session.post,
                url,
                data=body,
                headers={**HEADERS, **headers},
                timeout=self._timeouts(deadline),
                proxies={scheme: Secret(proxy) for scheme, proxy in self.proxies.items()},
                # SECURITY: a redirect would carry the key and the number to somebody else.
                allow_redirects=False,
                stream=True,
            )
            try:
                with request() as response:
                    return _read(response, deadline=deadline)
            except OutcomeUnknown:
                raise
            except Exception as error:
                # SECURITY: the name only, and no cause: such errors hold the address and more.
                kind = OutcomeUnknown if body.was_read else NotSent
                raise kind(type(error).__name__) from None

    def _timeouts(self, deadline: float) -> tuple[float, float]:
        left = max(deadline - time.monotonic(), 0.001)
        return (
            min(self.connect_timeout.total_seconds(), left),
            min(self.read_timeout.total_seconds(), left),
        )


def _twice(send: Callable[[], bytes]) -> bytes:
    try:
        return send()
    except NotSent:
        return send()


def _within(seconds: float, work: Callable[[], bytes]) -> bytes:
    """Return what ``work`` returns, or raise ``TimeoutError`` after so many ``seconds``.

    It runs in a thread: the time-outs of sockets bound one read each, so headers that trickle
    would hold the visitor for ever, and none of them bounds a look-up of the name.
    """
    outcome: Future[bytes] = Future()
    Thread(target=_settle, args=(outcome, work), name=THREAD, daemon=True).start()
    try:
        return outcome.result(timeout=seconds)
    finally:
        del outcome  # else a failure keeps it, and with it the key, in a cycle of references


def _settle(outcome: Future[bytes], work: Callable[[], bytes]) -> None:
    try:
        outcome.set_result(work())
    except Exception as error:
        outcome.set_exception(error)


def _read(response: requests.Response, *, deadline: float) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if response.is_redirect or encoding.lower() != "identity":
        # Nobody asked for a compressed body: what inflates may inflate without end.
        raise OutcomeUnknown(f"status {response.status_code}, redirected or encoded")
    body = bytearray()
    # One byte at a time from the buffer: a larger read would wait until it is full, and a body
    # that trickles would outlive the deadline.
    for piece in response.raw.stream(1, decode_content=False):
        body += piece
        if len(body) > MAX_BODY:
            raise OutcomeUnknown("the answer is too long")
        if time.monotonic() > deadline:
            raise OutcomeUnknown("the answer takes too long")
    return bytes(body)
