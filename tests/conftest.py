"""What every test starts from: an empty outbox, an empty cache, and a clock that can be moved."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import translation

from django_flashcall import alarms
from django_flashcall.calls import decoys
from django_flashcall.choices import Channel
from django_flashcall.limits import rates
from django_flashcall.providers import locmem
from django_flashcall.simulator.testing import RunningSimulator, running_simulator
from django_flashcall.visitors.visitor import Visitor
from tests import canary, wire
from tests.racing import ROUNDS

pytest_plugins = ["django_flashcall.contrib.pytest"]


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
    rates.arrivals.count = 0
    alarms.sounded.clear()
    decoys.past_calls.clear()
    for channel in Channel:
        decoys.remember(channel, seconds=0)  # the stand-in answers at once
    translation.deactivate()
    yield
    locmem.outbox.clear()


@pytest.fixture(autouse=True)
def listening(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test in which the canary sings, whatever else it is about."""
    listener = canary.Listener()
    canary.song.clear()
    ours = logging.getLogger("django_flashcall")
    logging.getLogger().addHandler(listener)
    ours.setLevel(logging.INFO)
    yield
    ours.setLevel(logging.NOTSET)
    logging.getLogger().removeHandler(listener)
    dump = canary.dump() if request.node.get_closest_marker("django_db") else ()
    assert [*canary.song, *canary.mails(), *dump] == []


@pytest.fixture
def outbox() -> list[locmem.Delivery]:
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
    return Visitor(address="203.0.113.7")
