"""Races: everybody is let go at once, each with a connection of their own.

``FLASHCALL_TEST_THREADS`` says how many run, 16 unless told otherwise; each race is held as often
as ``FLASHCALL_TEST_ROUNDS`` says.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import connections

from django_flashcall.exceptions import FlashCallError

THREADS = int(os.environ.get("FLASHCALL_TEST_THREADS", "16"))
ROUNDS = int(os.environ.get("FLASHCALL_TEST_ROUNDS", "1"))

Runner = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How one runner of a race ended: with an answer, or with an error."""

    answer: Any = None
    error: Exception | None = None


def race(*runners: Runner) -> list[Finish]:
    """Let all ``runners`` go at the same moment."""
    barrier = threading.Barrier(len(runners))

    def run(runner: Runner) -> Finish:
        connections["default"].ensure_connection()
        barrier.wait(timeout=60)
        try:
            return Finish(answer=runner())
        except Exception as error:
            return Finish(error=error)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(runners)) as pool:
        return list(pool.map(run, runners))


def answers(finishes: Iterable[Finish]) -> list[Any]:
    """Return what those answered who won."""
    return [finish.answer for finish in finishes if finish.error is None]


def errors(finishes: Iterable[Finish]) -> set[type[Exception]]:
    """Return the kinds of errors with which the others ended; what is not ours is raised."""
    raised = [finish.error for finish in finishes if finish.error is not None]
    for error in raised:
        if not isinstance(error, FlashCallError):
            raise error
    return {type(error) for error in raised}
