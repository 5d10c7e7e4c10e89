"""A real browser before the example site, with the simulator as its provider over real HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings as live
from django.utils import timezone

from django_flashcall.simulator.testing import RunningSimulator
from tests.chromium.visitor import Visitor

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None  # type: ignore[assignment]

HERE = Path(__file__).parent
HOW = "these need Chromium and the example site: run `nox -s chromium`"
CHROMIUM = os.environ.get("FLASHCALL_TEST_CHROMIUM", "/usr/bin/chromium")
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]

# Playwright has an event loop in the thread of the test, in which Django sees no reason for ORM.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what lies here where it cannot run."""
    if sync_playwright and live.ROOT_URLCONF == "example.urls":
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=HOW))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Start the browser."""
    with sync_playwright() as playwright:
        # Its sandbox wants rights that containers do not give.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=QUIET, chromium_sandbox=False
        )
        yield browser
        browser.close()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Let the site's clock run from now, to be moved; the browser has its own."""
    with time_machine.travel(timezone.now(), tick=True) as clock:
        yield clock


@pytest.fixture
def site(
    live_server: Any, settings: Any, simulator: RunningSimulator, clock: time_machine.Traveller
) -> str:
    """Serve the example site, and return its address."""
    options = {"api_key": simulator.api_key, "url": simulator.url}
    settings.FLASHCALL = {**settings.FLASHCALL, "OPTIONS": options, "RATES": {}}
    return str(live_server.url)


@pytest.fixture
def arrive(
    chromium: Any, site: str, simulator: RunningSimulator, clock: time_machine.Traveller
) -> Iterator[Callable[..., Visitor]]:
    """Return a function that opens a window; its console must be empty at the end."""
    visitors: list[Visitor] = []

    def come(**window: Any) -> Visitor:
        visitors.append(Visitor(chromium, site, simulator=simulator, clock=clock, **window))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()
    assert [line for visitor in visitors for line in visitor.complaints] == []
