"""Lines: how many calls this process may have in flight, and whether the provider answers at all.

A provider that crawls would else hold every thread of the site, with the pages that have nothing
to do with phones. Calls in flight are counted here, exactly, for each process by itself. Failures
in a row are counted in the cache, so that processes which share it pause and try again together: as
well as it can be done there, and no guarantee. If the cache is dead, calls are placed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock, local
from typing import TypeVar

from django.core.cache import cache

from .conf import get_settings
from .exceptions import LinesBusy, NotSent, ProviderRefused
from .words import ERRORS_OF_THE_ACCOUNT, Channel

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: After so many failures in a row calls are paused.
FAILURES = 5
#: A pause lasts so long; then one call is let through, to see whether the provider answers again.
#: Whoever finds all lines busy is asked to wait as long.
PAUSE = timedelta(seconds=30)
#: Failures further apart are no row.
MEMORY = timedelta(minutes=10)


class Switchboard:
    """Counts the lines that are taken; a fork begins with none, whatever its parent was doing."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Free all lines."""
        self._turn = Lock()
        self.taken = 0

    def take(self, *, limit: int) -> bool:
        """Take a line, if fewer than ``limit`` are taken."""
        with self._turn:
            is_free = self.taken < limit
            self.taken += is_free
        return is_free

    def give_back(self) -> None:
        """Free a line that was taken."""
        with self._turn:
            self.taken -= 1


switchboard = Switchboard()
mine = local()
if hasattr(os, "register_at_fork"):  # not on Windows, which knows no fork
    os.register_at_fork(after_in_child=switchboard.clear)


def refuse_if_paused(channel: str, *, now: datetime) -> None:
    """Raise ``LinesBusy`` while the provider is not asked, before anything is claimed."""
    if _ask_cache(lambda: cache.get(_key("pause", channel))):
        raise LinesBusy(retry_at=now + PAUSE)


def forget() -> None:
    """Forget all failures and pauses, as the tests of a site do."""
    marks = [_key(what, channel) for what in ("failures", "pause") for channel in Channel]
    _ask_cache(lambda: cache.delete_many(marks))


@contextmanager
def reserved(*, now: datetime) -> Iterator[None]:
    """Keep a line for a call that this thread is going to place; raise ``LinesBusy`` without one.

    So nothing is claimed or written for a call that would find no line.
    """
    if not switchboard.take(limit=get_settings().LINES):
        raise LinesBusy(retry_at=now + PAUSE)
    mine.is_reserved = True
    try:
        yield
    finally:
        mine.is_reserved = False
        switchboard.give_back()


@contextmanager
def line(channel: str, *, patience: timedelta = PAUSE) -> Iterator[None]:
    """Hold a line while the provider is asked; raise ``NotSent`` if none is to be had.

    What the block raises tells how the provider does. While the one call that ends a pause waits
    for its answer, for ``patience`` at most, no other is let through.
    """
    with _held():
        may_ask = _ask_cache(lambda: _may_ask(channel, patience=patience))
        if may_ask is False:  # None: the cache is dead
            raise NotSent("the provider fails, calls are paused")
        with _observed(channel):
            yield


@contextmanager
def idle_line(channel: str) -> Iterator[None]:
    """Hold a line for a decoy, which is refused when a call would be, and tells nothing."""
    with _held():
        if _ask_cache(lambda: cache.get(_key("pause", channel))):
            raise NotSent("the provider fails, calls are paused")
        yield


@contextmanager
def _held() -> Iterator[None]:
    is_reserved = getattr(mine, "is_reserved", False)
    if not (is_reserved or switchboard.take(limit=get_settings().LINES)):
        raise NotSent("all lines are busy")
    try:
        yield
    finally:
        if not is_reserved:
            switchboard.give_back()


@contextmanager
def _observed(channel: str) -> Iterator[None]:
    try:
        yield
    except ProviderRefused as error:
        # A refusal of a number says nothing: bad numbers come from strangers.
        if error.error_code in ERRORS_OF_THE_ACCOUNT:
            _ask_cache(lambda: _note_failure(channel))
        raise
    except Exception:
        _ask_cache(lambda: _note_failure(channel))
        raise
    else:
        _ask_cache(lambda: _note_answer(channel))


def _may_ask(channel: str, *, patience: timedelta) -> bool:
    if cache.get(_key("failures", channel), 0) < FAILURES:
        return True
    # While this key lives nobody calls. After that the first to add it again is the one that
    # tries, and the others find it there.
    return cache.add(_key("pause", channel), True, timeout=max(PAUSE, patience).total_seconds())


def _note_failure(channel: str) -> None:
    failures = _count_failure(channel)
    if failures < FAILURES:
        return
    key, seconds = _key("pause", channel), PAUSE.total_seconds()
    if cache.add(key, True, timeout=seconds):
        logger.error("channel=%s paused: the provider failed %d times in a row", channel, failures)
    else:
        cache.touch(key, timeout=seconds)


def _count_failure(channel: str) -> int:
    key = _key("failures", channel)
    cache.add(key, 0, timeout=MEMORY.total_seconds())
    try:
        failures = cache.incr(key)
    except ValueError:
        return 0  # it has just expired, or this is a cache that keeps nothing
    cache.touch(key, timeout=MEMORY.total_seconds())
    return failures


def _note_answer(channel: str) -> None:
    cache.delete(_key("failures", channel))
    if cache.delete(_key("pause", channel)):
        logger.warning("channel=%s no longer paused: the provider answers", channel)


def _key(what: str, channel: str) -> str:
    return f"flashcall.{what}.{channel}"


def _ask_cache(work: Callable[[], T]) -> T | None:
    try:
        return work()
    except Exception as error:
        # A dead cache must not turn visitors away, and each cache has errors of its own.
        logger.warning("lines unobserved: %s", type(error).__name__)
        return None
