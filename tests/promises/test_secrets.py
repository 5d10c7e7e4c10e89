"""The provider's key, and the numbers: where they must not show, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

from django_flashcall.exceptions import ProviderError
from django_flashcall.providers.base import Secret
from django_flashcall.providers.mobilgroup import MobilgroupProvider
from tests import wire
from tests.constants import NUMBER
from tests.wire import Server

KEY = "canary-key-of-the-site"


SCRIPTS = [
    pytest.param(wire.hanging_up, id="hanging up"),
    pytest.param(wire.silence, id="silence"),
    pytest.param(wire.trickling(b" " * 90, after=b"HTTP/1.1 200 OK\r\n\r\n"), id="trickling"),
    pytest.param(wire.resetting_after(b"HTTP/1.1 200 OK\r\n"), id="reset"),
    pytest.param(wire.saying(wire.response(b"<html>")), id="HTML"),
    pytest.param(wire.saying(wire.response(b"", status="302 Found", Location="/")), id="redirect"),
    pytest.param(wire.saying(wire.response(b'{"result":"error"}')), id="error"),
    pytest.param(wire.saying(wire.response(b'{"result":"ok","code":"x"}')), id="no code"),
]


@pytest.fixture
def server() -> Iterator[Server]:
    with wire.serving() as server:
        yield server


def fail(server: Server, *, auth: str, debug: bool, settings: Any) -> str:
    """Let a site's own view fail on a call, and return the pages and mails that Django makes."""
    settings.DEBUG = debug
    settings.FLASHCALL = {"OPTIONS": {"api_key": KEY}}
    waits = {"read_timeout": timedelta(seconds=0.2), "total_timeout": timedelta(seconds=0.4)}
    return report_on(MobilgroupProvider(api_key=KEY, url=server.url, auth=auth, **waits))


def report_on(provider: MobilgroupProvider) -> str:
    """Let ``provider`` call, in vain, and return what Django shows of it."""
    with pytest.raises(ProviderError) as caught:
        provider.flash_call(NUMBER, length=4)
    reporter = ExceptionReporter(RequestFactory().get("/"), *caught._excinfo)
    return reporter.get_traceback_html() + reporter.get_traceback_text()


class TestSecrets:
    @pytest.mark.parametrize("debug", [True, False], ids=["debug page", "mail to the admins"])
    @pytest.mark.parametrize("auth", ["header", "body"])
    @pytest.mark.parametrize("script", SCRIPTS)
    def test_an_error_of_the_wire_shows_no_key(
        self, script: wire.Script, auth: str, debug: bool, server: Server, settings: Any
    ) -> None:
        server.script = script
        report = fail(server, auth=auth, debug=debug, settings=settings)
        assert "flash_call" in report
        assert KEY not in report
        # With DEBUG on Django shows the variables of every function, and this is whom one called.
        assert debug or NUMBER.removeprefix("+") not in report

    def test_a_call_that_was_not_placed_shows_no_key(self, settings: Any) -> None:
        with wire.closed_port() as url:
            server = Server(url=url, script=wire.silence)
            for debug in (True, False):
                assert KEY not in fail(server, auth="body", debug=debug, settings=settings)

    @pytest.mark.parametrize("debug", [True, False], ids=["debug page", "mail to the admins"])
    def test_an_error_of_the_wire_shows_no_password_of_a_proxy(
        self, debug: bool, settings: Any
    ) -> None:
        settings.DEBUG = debug
        with wire.closed_port() as url:
            proxies = {"http": Secret(url.replace("http://", f"http://me:{KEY}@"))}
            provider = MobilgroupProvider(api_key="key", url="http://127.0.0.1:1/", proxies=proxies)
            assert KEY not in report_on(provider)

    def test_a_secret_is_a_text_that_does_not_show_in_what_holds_it(self) -> None:
        secret = Secret(KEY)
        assert secret == KEY
        assert f"Bearer {secret}" == f"Bearer {KEY}"
        assert KEY not in repr({"Authorization": secret})
