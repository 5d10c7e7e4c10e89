"""What every test starts from: an empty outbox, an empty cache, and a clock that can be moved."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.utils import translation

from django_flashcall import alarms
from django_flashcall.calls import decoys
from django_flashcall.choices import Channel
from django_flashcall.limits import breaker, rates
from django_flashcall.providers import locmem
from django_flashcall.signals import operator_alarm
from django_flashcall.simulator.testing import RunningSimulator, running_simulator
from django_flashcall.visitors.visitor import Visitor
from tests import canary, doubles, wire
from tests.browser import Browser
from tests.constants import NOON, PASSWORD, VISITOR, Clock, Outbox
from tests.factories import UserFactory
from tests.racing import ROUNDS
from tests.userkind import FIELD

pytest_plugins = ["django_flashcall.contrib.pytest"]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run more workers than there are processors, since many tests wait for sockets."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hold each race as often as FLASHCALL_TEST_ROUNDS says."""
    if ROUNDS > 1 and metafunc.definition.get_closest_marker("races"):
        metafunc.fixturenames.append("race_round")
        metafunc.parametrize("race_round", range(ROUNDS))


@pytest.fixture(autouse=True)
def clean_slate() -> Iterator[None]:
    """Forget the calls, the rates and the language of the test before."""
    locmem.outbox.clear()
    cache.clear()
    rates.private_addresses.count = 0
    breaker.running.clear()
    alarms.sounded.clear()
    decoys.past_calls.clear()
    for channel in Channel:
        decoys.remember(channel, seconds=0)  # the stand-in answers at once
    translation.deactivate()
    yield
    locmem.outbox.clear()


@pytest.fixture(autouse=True)
def listening(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test in which the canary finds a leak, whatever else it is about."""
    listener = canary.Listener()
    canary.leaks.clear()
    ours = logging.getLogger("django_flashcall")
    logging.getLogger().addHandler(listener)
    ours.setLevel(logging.INFO)
    yield
    ours.setLevel(logging.NOTSET)
    logging.getLogger().removeHandler(listener)
    dump = canary.dump() if request.node.get_closest_marker("django_db") else ()
    assert [*canary.leaks, *canary.mails(), *dump] == []


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Stop the time at noon in Moscow, and return what moves it."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def browser() -> Browser:
    """Return a browser without cookies."""
    return Browser()


@pytest.fixture
def user() -> Any:
    """Return a user with a password."""
    user = UserFactory()
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def own_browser(user: Any) -> Browser:
    """Return the browser of ``user``, who has just logged in by password."""
    browser = Browser()
    browser.client.login(username=user.username, password=PASSWORD)
    return browser


@pytest.fixture
def warnings_sent() -> Iterator[list[str]]:
    """Return the alarms that the operator received."""
    received: list[str] = []

    def receive(sender: Any, message: str, **kwargs: Any) -> None:
        received.append(message)

    operator_alarm.connect(receive)
    yield received
    operator_alarm.disconnect(receive)


@pytest.fixture
def user_phone_field(flashcall: Any) -> None:
    """Read the numbers of users where their model has them."""
    flashcall(USER_PHONE_FIELD=FIELD)


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    """Wrap every request into a transaction, as many sites do."""
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture
def queued(flashcall: Any) -> Iterator[list[int]]:
    """Pass calls to a queue, and return it."""
    doubles.queue.clear()
    flashcall(DIALER="tests.doubles.enqueue")
    yield doubles.queue
    doubles.queue.clear()


@pytest.fixture
def outbox() -> Outbox:
    """Return the calls that were placed, the latest last."""
    return locmem.outbox


@pytest.fixture
def flashcall(settings: Any) -> Any:
    """Return a function that changes keys of ``FLASHCALL`` for one test."""

    def change(**keys: Any) -> None:
        settings.FLASHCALL = {**settings.FLASHCALL, **keys}

    return change


@pytest.fixture
def simulator(settings: Any) -> Iterator[RunningSimulator]:
    """Serve the provider's API on this machine; the simulator answers only in DEBUG."""
    settings.DEBUG = True
    settings.SIMULATOR_API_KEY = canary.KEY
    with running_simulator() as running:
        yield running


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C reach what this test starts, though a shell runs the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust the tests' own authority, and nobody else, to vouch for servers."""
    bundle = tmp_path / "authorities.pem"
    wire.AUTHORITY.cert_pem.write_to_path(str(bundle))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(bundle))


@pytest.fixture
def visitor() -> Visitor:
    """Return somebody who is not logged in."""
    return VISITOR
