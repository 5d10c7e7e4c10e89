"""Connections: TLS, time limits, and what is left behind."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from django_flashcall.exceptions import NotSent, OutcomeUnknown
from django_flashcall.providers.http import MAX_BODY
from tests import wire
from tests.forks import forking, in_a_fork
from tests.providers.http_clients import (
    make_http_client,
    post,
    seconds_until_unknown,
    wait_for_threads,
)
from tests.wire import Server

OK = b'{"result":"ok"}'


def assert_handshake_fails(server: Server) -> None:
    with pytest.raises(NotSent, match="SSLError"):
        post(server.secure_url)
    assert server.connections == 2  # tried once more: nothing had been sent
    assert server.requests == []


@pytest.mark.usefixtures("authority")
class TestTls:
    """The errors of a handshake come before the key leaves this machine."""

    def test_the_right_host_is_talked_to(self, server: Server) -> None:
        server.tls = wire.shaking_hands()
        server.answers(OK)

        assert post(server.secure_url) == OK

    def test_a_certificate_for_another_host_is_refused(self, server: Server) -> None:
        server.tls = wire.shaking_hands(host="voice.example.org")

        assert_handshake_fails(server)

    def test_a_certificate_that_has_expired_is_refused(self, server: Server) -> None:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        server.tls = wire.shaking_hands(not_after=yesterday)

        assert_handshake_fails(server)

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, server: Server) -> None:
        server.tls = wire.shaking_hands(authority=trustme.CA())

        assert_handshake_fails(server)

    def test_a_server_without_tls_is_refused(self, server: Server) -> None:
        server.before = wire.saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        assert_handshake_fails(server)

    # The socket of a connection that is reset just now is left to the collector by CPython's ssl.
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_a_reset_in_the_handshake_was_never_sent(self, server: Server) -> None:
        server.before = wire.reset

        with pytest.raises(NotSent):
            post(server.secure_url)
        wait_for_threads()
        gc.collect()

        assert server.requests == []

    def test_a_handshake_that_hangs_was_never_sent(self, server: Server) -> None:
        server.before = wire.absence

        with pytest.raises(NotSent):
            post(server.secure_url)

        assert server.requests == []


class TestSockets:
    @pytest.mark.parametrize(
        "script",
        [
            pytest.param(wire.saying(wire.response(b" " * (2 * MAX_BODY))), id="too long"),
            pytest.param(wire.saying(wire.response(OK, Content_Encoding="br")), id="encoded"),
            pytest.param(wire.saying(wire.response(OK)), id="good"),
            pytest.param(wire.silence, id="silence"),
        ],
    )
    def test_are_closed_whatever_came_of_the_answer(
        self, server: Server, script: wire.Script
    ) -> None:
        server.script = script

        with warnings.catch_warnings(record=True) as leaks:
            warnings.simplefilter("always")
            with suppress(OutcomeUnknown):
                post(server.url)
            gc.collect()

        assert leaks == []


class TestDeadline:
    """The time-outs of ``requests`` bound one read each; ``total_timeout`` bounds them all."""

    def test_a_body_that_trickles_is_cut_off(self, server: Server) -> None:
        head = b"HTTP/1.1 200 OK\r\n\r\n"
        server.script = wire.trickling(b" " * 100, after=head)

        assert seconds_until_unknown(server.url) < 0.8

    def test_chunks_that_trickle_are_cut_off(self, server: Server) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        server.script = wire.trickling(b"1\r\n \r\n" * 20, after=head)

        assert seconds_until_unknown(server.url) < 0.8

    def test_the_head_of_a_chunk_that_trickles_is_cut_off(self, server: Server) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        server.script = wire.trickling(b"1;" + b"x" * 40, after=head)

        assert seconds_until_unknown(server.url) < 0.8

    def test_headers_that_trickle_are_cut_off(self, server: Server) -> None:
        server.script = wire.trickling(b"X-Slow: " + b"x" * 40, after=b"HTTP/1.1 200 OK\r\n")

        assert seconds_until_unknown(server.url) < 0.8

    def test_no_thread_and_no_socket_outlives_it(self, server: Server) -> None:
        server.script = wire.trickling(b"X-Slow: " + b"x" * 400, after=b"HTTP/1.1 200 OK\r\n")

        seconds_until_unknown(server.url)
        began = time.monotonic()
        wait_for_threads()

        assert time.monotonic() - began < 1

    def test_without_a_thread_nothing_is_sent(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch, pytest.raises(NotSent, match="no thread"):
            patch.setattr(threading.Thread, "start", refuse)
            post(server.url)

        assert server.connections == 0

    def test_the_last_read_does_not_outlive_it(self, server: Server) -> None:
        head = b"HTTP/1.1 200 OK\r\n\r\n"
        server.script = wire.pausing(head, b"{", seconds=0.7)

        assert seconds_until_unknown(server.url, read_timeout=0.9, total_timeout=1) < 1.3


class TestConnections:
    """One for each call: none is shared, so none is stale."""

    def test_one_that_the_server_dropped_meanwhile_does_not_spoil_the_next_call(
        self, server: Server
    ) -> None:
        server.script = wire.resting

        for _ in range(2):
            assert post(server.url) == OK
            wait_for_threads()

        assert server.connections == 2

    def test_each_of_32_threads_gets_the_answer_to_its_own_call(self, server: Server) -> None:
        server.echoes = True

        def call(turn: int) -> bytes:
            return make_http_client(total_timeout=10, read_timeout=10).post(
                server.url, {"number": turn}, headers={}
            )

        with ThreadPoolExecutor(32) as threads:
            answers = list(threads.map(call, range(32)))

        assert answers == [b'{"number": %d}' % turn for turn in range(32)]
        assert len(server.requests) == 32

    @forking
    def test_a_fork_calls_as_its_parent_does(self, server: Server) -> None:
        server.answers(OK)
        assert post(server.url) == OK

        assert in_a_fork(lambda: post(server.url, total_timeout=5) == OK)
        assert post(server.url) == OK
        assert len(server.requests) == 3
