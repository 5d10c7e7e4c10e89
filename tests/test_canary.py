"""The canary of conftest.py, which listens in every test, sings when it should."""

from __future__ import annotations

import logging

import pytest

from tests.conftest import Canary


@pytest.mark.parametrize(
    ("name", "line", "sings"),
    [
        ("django_flashcall.dialing", "number=+79991234567", True),
        ("django_flashcall.dialing", "number=+7••••••••67 price=0.35", False),
        ("urllib3.connection", "Authorization: canary-key-of-the-site", True),
        ("django.server", "GET /phone/code/ 1234567890", False),
    ],
)
def test_sings(name: str, line: str, sings: bool) -> None:
    canary = Canary()
    canary.emit(logging.LogRecord(name, logging.INFO, __file__, 1, line, (), None))
    assert bool(canary.song) is sings
