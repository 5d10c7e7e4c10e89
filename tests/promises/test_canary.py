"""The canary, which looks for leaks in every test, finds them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.mail import EmailMessage
from django.http import HttpResponse
from django.test import RequestFactory

from django_flashcall.providers.locmem import Delivery
from tests import canary
from tests.constants import Outbox
from tests.factories import AttemptFactory


@pytest.fixture(autouse=True)
def alone(listening: None) -> Iterator[None]:
    """Let it find leaks here without failing the test."""
    yield
    canary.leaks.clear()


class TestCanary:
    @pytest.mark.parametrize(
        ("name", "line", "leaks"),
        [
            ("django_flashcall.calls.dialing", "number=+79991234567", True),
            ("django_flashcall.calls.dialing", "number=+7••••••••67 price=0.35", False),
            ("django_flashcall.calls.dialing", "code=4217", True),
            ("django_flashcall", "code=4217", True),
            ("django_flashcall.calls.dialing", "number=+7 999 123-45-67", True),
            ("urllib3.connection", "Authorization: canary-key-of-the-site", True),
            ("django.server", "GET /phone/code/ 1234567890", False),
        ],
    )
    def test_finds_leaks_in_the_log(
        self, name: str, line: str, leaks: bool, outbox: Outbox
    ) -> None:
        outbox.append(Delivery(id="1", channel="voice", number="+79991234567", code="4217"))

        canary.Listener().emit(logging.LogRecord(name, logging.INFO, __file__, 1, line, (), None))

        assert bool(canary.leaks) is leaks

    @pytest.mark.parametrize(
        ("response", "leaks"),
        [
            (HttpResponse("We are calling +7 999 123-45-67."), False),
            (HttpResponse("Your code is 4217."), True),
            (HttpResponse("Authorization: canary-key-of-the-site"), True),
            (HttpResponse(headers={"Location": "/phone/?number=79991234567"}), True),
            (HttpResponse(headers={"X-Code": "4217"}), True),
        ],
    )
    def test_finds_leaks_in_answers(
        self, response: HttpResponse, leaks: bool, outbox: Outbox
    ) -> None:
        outbox.append(Delivery(id="1", channel="voice", number="+79991234567", code="4217"))

        canary.watching(lambda request: response)(RequestFactory().get("/phone/"))

        assert bool(canary.leaks) is leaks

    @pytest.mark.parametrize(
        ("kept", "leaks"),
        [({"code": "4217"}, True), ({"n": "+79991234567"}, True), ({"n": 7}, False)],
    )
    def test_finds_leaks_in_sessions(
        self, kept: dict[str, object], leaks: bool, outbox: Outbox
    ) -> None:
        outbox.append(Delivery(id="1", channel="voice", number="+79991234567", code="4217"))
        request = RequestFactory().get("/phone/")
        request.session = SessionStore()
        request.session.update(kept)

        canary.watching(lambda request: HttpResponse())(request)

        assert bool(canary.leaks) is leaks

    @pytest.mark.parametrize(
        ("page", "leaks"),
        [
            ('<a href="/admin/django_flashcall/verification/4217/change/">Log in</a>', False),
            ("<td>4217</td>", True),
        ],
    )
    def test_finds_leaks_on_pages_of_the_admin(
        self, page: str, leaks: bool, outbox: Outbox
    ) -> None:
        outbox.append(Delivery(id="1", channel="voice", number="+79991234567", code="4217"))

        canary.watching(lambda request: HttpResponse(page))(RequestFactory().get("/admin/"))

        assert bool(canary.leaks) is leaks

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("kept", "leaks"),
        [
            ("4217", True),
            ("canary-key", True),
            ("79991234567", True),
            ("call-4217", False),
            ("0.4217", False),
        ],
    )
    def test_finds_leaks_in_the_database(self, kept: str, leaks: bool, outbox: Outbox) -> None:
        attempt = AttemptFactory(error_code=kept)
        outbox.append(Delivery(id="1", channel="voice", number="+79991234567", code="4217"))

        assert bool(list(canary.dump())) is leaks
        attempt.delete()

    def test_hears_messages_of_level_info(self) -> None:
        logging.getLogger("django_flashcall.calls.dialing").info("number=%s", "+79991234567")

        assert canary.leaks

    @pytest.mark.parametrize("text", ["We called +79991234567.", "Your code: 4217.", "canary-key"])
    def test_finds_leaks_in_mails(
        self, text: str, mailoutbox: list[EmailMessage], outbox: Outbox
    ) -> None:
        outbox.append(Delivery(id="1", channel="voice", number="+79991234567", code="4217"))
        mailoutbox.append(EmailMessage("Phone login", text))

        assert list(canary.mails())
        mailoutbox.clear()
