"""Wires that do not wait for long, and what they post."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from django_flashcall.exceptions import OutcomeUnknown
from django_flashcall.providers.http import THREAD, HttpClient
from tests.constants import DIGITS

KEY = "key-of-the-site"


def make_http_client(**options: Any) -> HttpClient:
    """Return a wire with short time-outs, which are given in seconds."""
    seconds = {"connect_timeout": 0.3, "read_timeout": 0.3, "total_timeout": 0.6} | options
    proxies = seconds.pop("proxies", {})
    timeouts = {name: timedelta(seconds=value) for name, value in seconds.items()}
    return HttpClient(proxies=proxies, **timeouts)


def post(url: str, **options: Any) -> bytes:
    """Post a number with the key, and return the answer."""
    headers = {"Authorization": KEY}
    return make_http_client(**options).post(url, {"number": DIGITS}, headers=headers)


def seconds_until_unknown(url: str, **options: Any) -> float:
    """Return after how many seconds the outcome is given up as unknown."""
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        post(url, **options)
    return time.monotonic() - began


def wait_for_threads() -> None:
    """Wait until no thread of a call or of the server's scripts runs any more."""
    deadline = time.monotonic() + 10
    while any(THREAD in t.name or "_serve" in t.name for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
