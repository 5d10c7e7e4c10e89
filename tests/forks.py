"""Work done in a fork, as servers that fork their workers do."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

#: The marks of a test that forks, threads of other tests' servers or not.
FORKING = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


def forking(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that forks."""
    is_possible, calmly = FORKING
    return is_possible(calmly(test))


def in_a_fork(work: Callable[[], bool]) -> bool:
    """Return what ``work`` returns in a child of this process, ``False`` if it fails there."""
    return exit_code(work) == 0


def exit_code(work: Callable[[], bool]) -> int:
    """Return how a child of this process ends that does ``work``; -9 if it is killed over it."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    succeeded = False
    try:
        succeeded = work()
    finally:
        # Not by an exception or sys.exit(): the child would go on with the tests.
        os._exit(0 if succeeded else 1)
