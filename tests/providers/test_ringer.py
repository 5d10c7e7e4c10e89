"""A second provider works with everything else as it is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from django_flashcall.choices import AttemptStatus
from django_flashcall.models import VerificationAttempt
from tests import ringer, wire

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(flashcall: Any) -> Iterator[wire.Server]:
    with wire.serving() as server:
        options = {"api_key": "token-of-the-site", "url": server.url}
        flashcall(PROVIDER="tests.ringer.RingerProvider", OPTIONS=options)
        yield server


def start(client: Client) -> Any:
    return client.post("/phone/login/", {"number": "8 999 123-45-67"})


class TestRinger:
    def test_it_is_written_in_under_a_hundred_lines(self) -> None:
        assert len(inspect.getsource(ringer).splitlines()) < 100

    def test_its_flash_call_logs_in(self, client: Client, server: wire.Server) -> None:
        server.answers(b'{"order": {"ref": "r-1", "caller": "+74950004217", "cents": 35}}')
        page = start(client)
        assert client.post(page.url, {"code": "4217"}).url == "/welcome/"
        [request] = server.requests
        assert json.loads(request.body) == {"phone": "+79991234567", "how": "ring"}
        assert request.headers["x-token"] == "token-of-the-site"
        attempt = VerificationAttempt.objects.get()
        assert (attempt.provider_id, attempt.price) == ("r-1", Decimal("0.35"))

    def test_its_sms_needs_no_call_before(
        self, client: Client, server: wire.Server, flashcall: Any
    ) -> None:
        flashcall(CHANNELS=["sms"])
        server.answers(b'{"order": {"ref": "r-2", "digits": "0042", "cents": 160}}')
        page = start(client)
        assert "sent an SMS" in client.get(page.url).text
        assert client.post(page.url, {"code": "0042"}).url == "/welcome/"

    @pytest.mark.parametrize(
        ("body", "status", "error_code"),
        [
            (b'{"error": {"type": "no_funds"}}', AttemptStatus.REJECTED, "not_enough_money"),
            (b'{"error": {"type": "moon_phase"}}', AttemptStatus.REJECTED, "unknown_request"),
            (b'{"order": {"ref": "r-3"}}', AttemptStatus.UNKNOWN, ""),
            (b"<html>", AttemptStatus.UNKNOWN, ""),
            (b"[]", AttemptStatus.UNKNOWN, ""),
            (b'{"order": []}', AttemptStatus.UNKNOWN, ""),
        ],
    )
    def test_each_answer_ends_in_a_state_that_has_a_name(
        self, client: Client, server: wire.Server, body: bytes, status: str, error_code: str
    ) -> None:
        server.answers(body)
        assert client.get(start(client).url).status_code == 200
        attempt = VerificationAttempt.objects.get()
        assert (attempt.status, attempt.error_code) == (status, error_code)
        assert len(server.requests) == 1

    def test_a_spoken_code_is_not_offered(self, client: Client, server: wire.Server) -> None:
        server.answers(b'{"order": {"ref": "r-1", "caller": "+74950004217", "cents": 35}}')
        page = client.get(start(client).url).text
        assert "Send an SMS" in page
        assert "Get the code by voice call" not in page
