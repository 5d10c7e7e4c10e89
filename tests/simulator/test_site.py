"""The simulator inside a site: behind the site's own middleware, server and login."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from django_flashcall.simulator.testing import RunningSimulator
from tests.constants import DIGITS
from tests.simulator_client import ask


@pytest.fixture
def site(simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    """Serve the tests' site as ``runserver`` does, the simulator at ``/simulator/``."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/simulator/"
    yield RunningSimulator(f"{address}api/voice-password/send/", address)
    server.shutdown()
    thread.join()
    server.server_close()


class TestInsideASite:
    def test_the_api_needs_no_login_and_no_csrf_token(self, site: RunningSimulator) -> None:
        assert ask(site, number=DIGITS)["result"] == "ok"

    def test_the_handset_needs_no_login(self, site: RunningSimulator) -> None:
        answer = requests.get(site.handset_url, timeout=5)
        assert answer.status_code == 200
        assert 'data-source="/simulator/calls/"' in answer.text

    def test_the_form_leads_back_to_the_handset(self, site: RunningSimulator) -> None:
        answer = requests.post(f"{site.handset_url}control/reset/", timeout=5)
        assert answer.url == site.handset_url

    def test_a_lost_answer_is_half_an_answer(self, site: RunningSimulator) -> None:
        with pytest.raises(requests.exceptions.RequestException):
            ask(site, number="79000000040")
        assert len(site.exchange.ringing()) == 1

    def test_the_site_does_not_show_a_handset_without_debug(
        self, site: RunningSimulator, settings: Any
    ) -> None:
        settings.DEBUG = False
        assert requests.get(site.handset_url, timeout=5).status_code == 404
