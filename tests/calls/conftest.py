"""What the tests of calls share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_flashcall.providers.base import Answer
from tests.calls.scripted import ScriptedProvider, seen


@pytest.fixture
def script(flashcall: Any) -> Iterator[Callable[[Answer | Exception], None]]:
    """Return a function that decides what the provider does."""
    seen.clear()
    flashcall(PROVIDER="tests.calls.scripted.ScriptedProvider")

    def decide(outcome: Answer | Exception) -> None:
        ScriptedProvider.outcome = outcome

    yield decide
    del ScriptedProvider.outcome
