"""The wire: one JSON request, one bounded answer, and a name for each way to fail.

The only module that knows ``requests``. Whatever goes wrong here is either certainly before
anything was sent (``NotSent``) or not (``OutcomeUnknown``); there is no third.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Any

import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from ..exceptions import NotSent, OutcomeUnknown

#: A good answer has about a hundred bytes.
MAX_BODY = 64 * 1024

#: An address or a key that cannot be written as HTTP was not written.
UNWRITABLE = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    UnicodeEncodeError,
)

#: So long, in seconds, the sockets' own time-outs may take to say which of the two it was.
GRACE = 0.1


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How long to wait and which way to go; ``proxies`` as ``requests`` takes them."""

    connect_timeout: timedelta = timedelta(seconds=3)
    read_timeout: timedelta = timedelta(seconds=20)
    total_timeout: timedelta = timedelta(seconds=25)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)

    def post(self, url: str, payload: Mapping[str, Any], *, headers: Mapping[str, str]) -> bytes:
        """Send ``payload`` as JSON once and return the body of the answer, whatever its status.

        Raises ``NotSent`` or ``OutcomeUnknown``. A connection that could not be made is tried
        once more; nothing is repeated after a byte may have been sent.
        """
        total = self.total_timeout.total_seconds()
        deadline = time.monotonic() + total
        send = partial(self._send, url, payload, headers=headers, deadline=deadline)
        try:
            return _within(total + GRACE, lambda: _twice(send))
        except TimeoutError as error:
            raise OutcomeUnknown("the answer takes too long") from error

    def _send(
        self, url: str, payload: Mapping[str, Any], *, headers: Mapping[str, str], deadline: float
    ) -> bytes:
        # A connection for each call: one that idles in a pool may be closed by the server just
        # when the next call is written to it, and that call would be *unknown*. A handshake
        # is cheap beside a telephone that rings, and nothing is shared by threads or forks.
        with requests.Session() as session:
            # SECURITY: no proxies, netrc or certificates from the environment: a netrc would
            # replace our Authorization header, a proxy would read the key.
            session.trust_env = False
            request = partial(
                session.post,
                url,
                json=payload,
                headers={"Accept-Encoding": "identity", **headers},
                timeout=self._timeouts(deadline),
                proxies=dict(self.proxies),
                # SECURITY: a redirect would carry the key and the number to somebody else.
                allow_redirects=False,
                stream=True,
            )
            try:
                with request() as response:
                    return _read(response, deadline=deadline)
            except (requests.RequestException, HTTPError, UnicodeEncodeError) as error:
                # SECURITY: the name only, and no cause: such errors hold the address and more.
                kind = NotSent if was_never_sent(error) else OutcomeUnknown
                raise kind(type(error).__name__) from None

    def _timeouts(self, deadline: float) -> tuple[float, float]:
        left = max(deadline - time.monotonic(), 0.001)
        return (
            min(self.connect_timeout.total_seconds(), left),
            min(self.read_timeout.total_seconds(), left),
        )


def was_never_sent(error: Exception) -> bool:
    """Tell whether ``error`` came before the first byte of the request was written."""
    if isinstance(error, (requests.ConnectTimeout, *UNWRITABLE)):
        return True
    cause = _first(error.args)
    if isinstance(error, requests.exceptions.InvalidHeader):
        # SECURITY: requests names a header of ours so, in words, and a bad one of the answer, by
        # urllib3's error: then the call was placed, and a second try would place another.
        return not isinstance(cause, HTTPError)
    # requests wraps urllib3's MaxRetryError, which keeps what happened as its reason.
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, NewConnectionError):
        return True
    # A certificate that is not the provider's: the handshake failed, the key stayed here.
    return isinstance(_first(getattr(reason, "args", ())), ssl.SSLCertVerificationError)


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
    Thread(target=_settle, args=(outcome, work), daemon=True).start()
    try:
        return outcome.result(timeout=seconds)
    finally:
        del outcome  # else a failure keeps it, and with it the key, in a cycle of references


def _settle(outcome: Future[bytes], work: Callable[[], bytes]) -> None:
    try:
        outcome.set_result(work())
    except Exception as error:
        outcome.set_exception(error)


def _first(args: tuple[Any, ...]) -> Any:
    return args[0] if args else None


def _read(response: requests.Response, *, deadline: float) -> bytes:
    if response.is_redirect or "Content-Encoding" in response.headers:
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
