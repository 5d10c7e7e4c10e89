"""A server that answers, or fails to, as the test decides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import wire
from tests.providers.mobilgroup import answer
from tests.wire import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server that has no answer yet."""
    with wire.serving() as server:
        yield server


@pytest.fixture
def api() -> Iterator[Server]:
    """Return a server that answers as mobilgroup's description does."""
    with wire.serving() as server:
        answer(server)
        yield server
