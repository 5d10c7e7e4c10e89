"""One request over HTTP, and the names of what can go wrong."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_flashcall.exceptions import NotSent, OutcomeUnknown, ProviderError
from django_flashcall.providers.http import MAX_BODY, HttpClient
from tests import wire
from tests.constants import DIGITS
from tests.providers.http_clients import (
    KEY,
    make_http_client,
    post,
    seconds_until_unknown,
    wait_for_threads,
)
from tests.wire import Server

OK = b'{"result":"ok"}'


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """Return a second server, which must see nothing."""
    with wire.serving() as server:
        server.answers(OK)
        yield server


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def whole_text(error: BaseException) -> str:
    """Return all that a log with a traceback would show of ``error`` and its causes."""
    return repr(error) + "".join(traceback.format_exception(error))


def hang(monkeypatch: pytest.MonkeyPatch, *, until: threading.Event) -> None:
    """Let every look-up of a name take until the event is set."""
    look_up = socket.getaddrinfo

    def hanging(*args: Any, **kwargs: Any) -> Any:
        until.wait(10)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)


class TestAnswer:
    def test_the_payload_goes_out_once_as_json_with_our_headers(self, server: Server) -> None:
        server.answers(OK)

        assert post(server.url) == OK

        [request] = server.requests
        assert request.line == "POST /send/ HTTP/1.1"
        assert request.body == b'{"number": "79991234567"}'
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == KEY
        assert request.headers["accept-encoding"] == "identity"

    @pytest.mark.parametrize("status", ["201 Created", "400 Bad Request", "500 Oops"])
    def test_the_body_is_returned_whatever_the_status(self, server: Server, status: str) -> None:
        server.answers(OK, status=status)

        assert post(server.url) == OK

    def test_a_chunked_body_is_put_together(self, server: Server) -> None:
        server.script = wire.saying(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'8\r\n{"result\r\n7\r\n":"ok"}\r\n0\r\n\r\n'
        )

        assert post(server.url) == OK

    def test_a_body_without_a_length_ends_with_the_connection(self, server: Server) -> None:
        server.script = wire.saying(b"HTTP/1.1 200 OK\r\n\r\n" + OK)

        assert post(server.url) == OK

    def test_a_body_in_slow_pieces_within_the_deadline_is_taken(self, server: Server) -> None:
        server.script = wire.trickling(OK, after=wire.response(OK)[: -len(OK)], every=0.01)

        assert post(server.url, total_timeout=5) == OK

    def test_a_server_that_hangs_up_after_each_answer_is_no_trouble(self, server: Server) -> None:
        server.answers(OK)

        assert [post(server.url) for _ in range(3)] == [OK, OK, OK]
        assert server.connections == 3

    def test_the_longest_body_allowed_is_taken(self, server: Server) -> None:
        server.answers(b" " * MAX_BODY)

        assert len(post(server.url, total_timeout=5)) == MAX_BODY


class TestNeverSent:
    def test_a_refused_connection_was_never_sent(self) -> None:
        with wire.closed_port() as url, pytest.raises(NotSent, match="ConnectionError"):
            post(url)

    def test_a_name_that_leads_nowhere_was_never_sent(self) -> None:
        with pytest.raises(NotSent):
            post("http://nowhere.invalid/send/")

    def test_a_connection_that_takes_too_long_is_tried_twice_at_most(self) -> None:
        with wire.crowded() as listener:
            port = listener.getsockname()[1]
            began = time.monotonic()
            with pytest.raises(NotSent, match="ConnectTimeout"):
                post(f"http://127.0.0.1:{port}/send/", total_timeout=5)

        assert 0.6 <= time.monotonic() - began < 0.9

    def test_both_tries_share_one_deadline(self) -> None:
        with wire.crowded() as listener:
            port = listener.getsockname()[1]
            began = time.monotonic()
            with pytest.raises(NotSent):
                post(f"http://127.0.0.1:{port}/send/", total_timeout=0.4)

        assert time.monotonic() - began < 0.6

    def test_a_second_try_that_connects_sends_one_request(self) -> None:
        with wire.crowded() as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/send/"
            server = Server(url=url, script=wire.saying(wire.response(OK)))
            # After the first try has begun; the kernel itself would repeat it after a second.
            with wire.accepting(listener, server=server, after=0.3):
                assert post(url, connect_timeout=0.8, total_timeout=5) == OK

        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("url", "key"),
        [
            ("nonsense", KEY),
            ("http://", KEY),
            ("gopher://127.0.0.1/", KEY),
            ("http://127.0.0.1/", f"{KEY}\n"),
            ("http://127.0.0.1/", f" {KEY}"),
            ("http://127.0.0.1/", f"{KEY}-ключ"),
        ],
    )
    def test_a_request_that_cannot_be_made_was_never_sent(self, url: str, key: str) -> None:
        with pytest.raises(NotSent) as caught:
            make_http_client().post(url, {"number": DIGITS}, headers={"Authorization": key})

        assert KEY not in whole_text(caught.value)

    def test_through_a_proxy_that_refuses_was_never_sent(self, server: Server) -> None:
        with wire.closed_port() as proxy, pytest.raises(NotSent, match="ProxyError"):
            post(server.url, proxies={"http": proxy})

        assert server.connections == 0

    def test_a_look_up_that_hangs_is_bounded_and_sends_no_number_later(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answered = threading.Event()
        hang(monkeypatch, until=answered)
        began = time.monotonic()

        with pytest.raises(NotSent, match="takes too long"):
            post(server.url)
        took = time.monotonic() - began
        answered.set()
        wait_for_threads()

        assert took < 0.9
        # The name was found too late: a connection was opened, but no request was sent.
        assert [request.body for request in server.requests] == [b""]


class TestOutcomeUnknown:
    def test_silence_after_the_request_is_unknown_and_nothing_is_repeated(
        self, server: Server
    ) -> None:
        server.script = wire.silence

        with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
            post(server.url)

        assert len(server.requests) == 1

    def test_a_server_that_does_not_even_read_is_unknown(self, server: Server) -> None:
        server.before = wire.deafness

        assert seconds_until_unknown(server.url) < 0.8

        wait_for_threads()
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        "script",
        [
            pytest.param(wire.hanging_up, id="closed without a word"),
            pytest.param(wire.resetting_after(b""), id="reset without a word"),
            pytest.param(wire.resetting_after(b"HTTP/1.1 200 OK\r\n"), id="reset in the head"),
            pytest.param(wire.resetting_after(wire.response(OK)[:-5]), id="reset in the body"),
            pytest.param(wire.saying(wire.response(OK)[:-5]), id="closed in the body"),
            pytest.param(
                wire.saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
                id="chunks without a length",
            ),
            pytest.param(wire.saying(b"\x00\x01 no HTTP \xff\r\n\r\n"), id="no HTTP at all"),
            pytest.param(
                wire.saying(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
                id="too many headers",
            ),
            pytest.param(wire.saying(wire.response(b" " * (MAX_BODY + 1))), id="too long"),
        ],
    )
    def test_a_broken_answer_is_unknown_and_nothing_is_repeated(
        self, server: Server, script: wire.Script
    ) -> None:
        server.script = script

        with pytest.raises(OutcomeUnknown):
            post(server.url, total_timeout=5)

        assert len(server.requests) == 1

    def test_an_endless_body_is_cut_off(self, server: Server) -> None:
        server.script = wire.saying(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (4 * MAX_BODY))

        with pytest.raises(OutcomeUnknown, match="too long"):
            post(server.url, total_timeout=5)

    def test_a_compressed_body_is_refused_unread(self, server: Server) -> None:
        server.answers(gzip.compress(b" " * 1_000_000), Content_Encoding="gzip")

        with pytest.raises(OutcomeUnknown, match="encoded"):
            post(server.url)

    @pytest.mark.parametrize(
        "status", ["301 Moved", "302 Found", "303 See Other", "307 Again", "308 For Good"]
    )
    def test_a_redirect_is_never_followed(
        self, server: Server, elsewhere: Server, status: str
    ) -> None:
        server.answers(b"", status=status, Location=elsewhere.url)

        with pytest.raises(OutcomeUnknown, match="redirected"):
            post(server.url)

        assert len(server.requests) == 1
        assert elsewhere.connections == 0

    @pytest.mark.parametrize(
        "head", [b"HTTP/1.1 302 Found\r\nLocation: /\r\n", b"HTTP/1.1 200 OK\r\n"]
    )
    def test_a_bomb_is_not_inflated_not_even_of_a_redirect(
        self, server: Server, head: bytes
    ) -> None:
        bomb = gzip.compress(b" " * 200_000_000, compresslevel=1)
        server.script = wire.saying(head + b"Content-Encoding: gzip\r\n\r\n" + bomb)
        tracemalloc.start()
        with pytest.raises(OutcomeUnknown, match="encoded"):
            post(server.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 10_000_000

    def test_a_bad_header_of_the_answer_does_not_place_a_second_call(self, server: Server) -> None:
        lengths = b"Content-Length: 3\r\nContent-Length: 5\r\n"
        server.script = wire.saying(b"HTTP/1.1 200 OK\r\n" + lengths + b"\r\nabcde")

        with pytest.raises(OutcomeUnknown, match="InvalidHeader"):
            post(server.url)

        assert len(server.requests) == 1


@pytest.mark.usefixtures("no_proxies")
class TestEnvironment:
    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
    def test_proxies_of_the_environment_are_ignored(
        self, server: Server, elsewhere: Server, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, elsewhere.url)
        server.answers(OK)

        assert post(server.url) == OK
        assert elsewhere.connections == 0

    def test_a_netrc_does_not_replace_our_key(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        server.answers(OK)

        post(server.url)

        assert server.requests[0].headers["authorization"] == KEY

    def test_a_proxy_that_was_asked_for_is_used(self, server: Server, elsewhere: Server) -> None:
        post(server.url, proxies={"http": elsewhere.url})

        assert elsewhere.requests[0].line == f"POST {server.url} HTTP/1.1"
        assert server.connections == 0


class TestSecrets:
    @pytest.mark.parametrize(
        "script",
        [
            pytest.param(wire.hanging_up, id="hanging up"),
            pytest.param(wire.silence, id="silence"),
            pytest.param(wire.saying(b"nonsense\r\n\r\n"), id="nonsense"),
            pytest.param(
                wire.saying(wire.response(b"", status="302 Found", Location="/")), id="redirect"
            ),
        ],
    )
    def test_neither_key_nor_number_is_in_the_text_of_an_error(
        self, server: Server, script: wire.Script
    ) -> None:
        server.script = script

        with pytest.raises(ProviderError) as caught:
            post(server.url)

        assert KEY not in whole_text(caught.value)
        assert DIGITS not in whole_text(caught.value)

    def test_the_password_of_a_proxy_is_not_shown(self) -> None:
        assert "hunter2" not in repr(HttpClient(proxies={"https": "http://me:hunter2@proxy"}))

    def test_the_password_of_a_proxy_is_in_no_error(self, server: Server) -> None:
        with wire.closed_port() as url:
            proxy = url.replace("http://", "http://me:hunter2@")
            with pytest.raises(ProviderError) as caught:
                post(server.url, proxies={"http": proxy})

        assert "hunter2" not in whole_text(caught.value)
        assert server.connections == 0
