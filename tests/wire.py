"""A provider made of sockets: it keeps what reaches it, and answers as the test scripts it."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import trustme

#: Who vouches for the tests' servers, where a test asks for ``authority``.
AUTHORITY = trustme.CA()

#: What the server does with a connection once the request was read.
Script = Callable[[socket.socket, threading.Event], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came in; the names of ``headers`` are in lower case."""

    line: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass
class Server:
    """Listens on loopback until the test ends; ``requests`` are in the order of their arrival."""

    url: str
    script: Script
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    #: What it does with a connection before it reads.
    before: Script | None = None
    #: Answers each request with its own body.
    echoes: bool = False

    @property
    def secure_url(self) -> str:
        """The address for whoever expects TLS."""
        return self.url.replace("http://", "https://")

    def answers(self, body: bytes, *, status: str = "200 OK", **headers: str) -> None:
        """Answer from now on with ``body``; underscores in ``headers`` stand for hyphens."""
        self.script = saying(response(body, status=status, **headers))


def shaking_hands(
    *, host: str = "127.0.0.1", authority: trustme.CA | None = None, **dates: Any
) -> ssl.SSLContext:
    """Return how a server shows a certificate for ``host``, from the tests' own authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (authority or AUTHORITY).issue_cert(host, **dates).configure_cert(context)
    return context


def response(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """Write a whole HTTP response."""
    lines = {"Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def saying(data: bytes) -> Script:
    """Send ``data`` and hang up."""
    return lambda connection, ended: connection.sendall(data)


def silence(connection: socket.socket, ended: threading.Event) -> None:
    """Send nothing, and keep the connection open."""
    ended.wait(10)


def resting(connection: socket.socket, ended: threading.Event) -> None:
    """Answer, promise to keep the connection, and close it a moment later."""
    connection.sendall(response(b'{"result":"ok"}', Connection="keep-alive"))
    ended.wait(0.05)


def deafness(connection: socket.socket, ended: threading.Event) -> None:
    """Read nothing for longer than any client of the tests waits."""
    ended.wait(1.5)


def absence(connection: socket.socket, ended: threading.Event) -> None:
    """Never read at all."""
    ended.wait(10)
    connection.close()


def reset(connection: socket.socket, ended: threading.Event) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hanging_up(connection: socket.socket, ended: threading.Event) -> None:
    """Close the connection without an answer."""


def resetting_after(data: bytes) -> Script:
    """Send ``data``, then reset the connection."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(data)
        time.sleep(0.05)  # so that the client has read it before the reset throws it away
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


def trickling(data: bytes, *, after: bytes = b"", every: float = 0.05) -> Script:
    """Send ``after`` at once, then ``data`` byte by byte; pauses are in seconds."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(after)
        for byte in data:
            if ended.wait(every):
                return
            connection.sendall(bytes([byte]))

    return script


def repeating(data: bytes, *, after: bytes) -> Script:
    """Send ``after``, then ``data`` again and again until nobody listens any more."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(after)
        while not ended.wait(0.01):
            connection.sendall(data)

    return script


def pausing(*pieces: bytes, seconds: float) -> Script:
    """Send the ``pieces`` with a pause before each but the first, then keep the connection open."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        for piece in pieces:
            connection.sendall(piece)
            if ended.wait(seconds):
                return
        ended.wait(10)

    return script


@contextmanager
def serving(script: Script = hanging_up) -> Iterator[Server]:
    """Run a server on a free port of loopback."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = Server(url=f"http://127.0.0.1:{listener.getsockname()[1]}/send/", script=script)
        with accepting(listener, server=server):
            yield server


@contextmanager
def accepting(listener: socket.socket, *, server: Server, after: float = 0) -> Iterator[None]:
    """Serve the connections of ``listener``, each in a thread that begins ``after`` seconds."""
    ended = threading.Event()
    listener.settimeout(0.02)
    threads: list[threading.Thread] = []

    def accept() -> None:
        ended.wait(after)
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            server.connections += 1
            thread = threading.Thread(target=_serve, args=(connection, server, ended))
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield
    finally:
        ended.set()
        for thread in [acceptor, *threads]:
            thread.join()


@contextmanager
def closed_port() -> Iterator[str]:
    """Give the address of a port that refuses every connection, and that nobody else takes."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/send/"


@contextmanager
def crowded() -> Iterator[socket.socket]:
    """Give a listener whose queue is full: who connects to it waits in vain."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        try:
            yield listener
        finally:
            for one in crowd:
                one.close()


def _serve(connection: socket.socket, server: Server, ended: threading.Event) -> None:
    connection.settimeout(1)
    try:
        if server.before:
            server.before(connection, ended)
        with _secured(connection, server) as line:
            request = _read_request(line)
            if request is not None:
                server.requests.append(request)
                script = saying(response(request.body)) if server.echoes else server.script
                script(line, ended)
    except OSError:
        return  # the client is gone, or never spoke


def _secured(connection: socket.socket, server: Server) -> socket.socket:
    if server.tls is None:
        return connection
    return server.tls.wrap_socket(connection, server_side=True)


def _read_request(connection: socket.socket) -> Request | None:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return None
        headers = dict(_read_headers(iter(stream.readline, b"\r\n")))
        body = stream.read(int(headers.get("content-length", "0")))
    return Request(line=line, headers=headers, body=body)


def _read_headers(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line:
            raise ConnectionError("the client hung up")
        name, _, value = line.decode("latin-1").partition(":")
        yield name.lower(), value.strip()
