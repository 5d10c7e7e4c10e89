"""What every test starts from: an empty outbox, an empty cache, and a clock that can be moved."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import translation

from django_flashcall import alarms, door, echoes
from django_flashcall.door import Visitor
from django_flashcall.providers import locmem
from django_flashcall.simulator.testing import RunningSimulator, running_simulator
from django_flashcall.words import Channel
from tests import wire

pytest_plugins = ["django_flashcall.contrib.pytest"]


#: More digits in a row than a price, an id or a time has.
NUMBER = re.compile(r"[0-9]{10}")
#: The providers' key wherever the tests give one that matters.
KEY = "canary-key"


@pytest.fixture(autouse=True)
def clean_slate() -> Iterator[None]:
    """Forget the calls, the rates and the language of the test before."""
    locmem.outbox.clear()
    cache.clear()
    door.arrivals.count = 0
    alarms.sounded.clear()
    echoes.heard.clear()
    for channel in Channel:
        echoes.note(channel, seconds=0)  # the stand-in answers at once
    translation.deactivate()
    yield
    locmem.outbox.clear()


class Canary(logging.Handler):
    """Hears all that is logged, and keeps what must not be: a number in full, or a key."""

    def __init__(self) -> None:
        super().__init__()
        self.song: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line, with its traceback if it has one."""
        line = logging.Formatter("%(name)s %(message)s").format(record)
        if (record.name.startswith("django_flashcall.") and NUMBER.search(line)) or KEY in line:
            self.song.append(line)


@pytest.fixture(autouse=True)
def canary() -> Iterator[None]:
    """Fail the test in which a number or the key is logged, whatever else it is about."""
    canary = Canary()
    logging.getLogger().addHandler(canary)
    yield
    logging.getLogger().removeHandler(canary)
    assert canary.song == []


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
    with running_simulator() as running:
        yield running


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
