"""Concurrent calls of this process, and a circuit breaker for each channel.

A slow provider would otherwise occupy every thread of the site, and pages that have nothing to do
with phones would wait. Each process counts its concurrent calls exactly, in memory. The
breaker counts failures in the cache, so processes that share a cache pause and retry together. It
is only as exact as the cache. If the cache fails, calls are placed.

SECURITY: decoys are refused and counted like calls. Pauses that only calls begin or end would
reveal which numbers are called. But a decoy shows nothing about the provider, so failed calls have
a count of their own, which no decoy resets.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock, local
from typing import TypeGuard, TypeVar

from django.core.cache import cache

from ..choices import ACCOUNT_ERRORS, Channel
from ..conf import get_settings
from ..exceptions import NotSent, ProviderBusy, ProviderRefused

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: After this many failures in a row, calls are paused.
MAX_FAILURES = 5

#: After a pause, one call is allowed, to see whether the provider answers again. Visitors who
#: are refused because of too many concurrent calls are asked to wait equally long.
PAUSE = timedelta(seconds=30)

#: Failures further apart than this do not count as consecutive.
FAILURE_WINDOW = timedelta(minutes=10)

#: What the cache has of each channel: all failures in a row, those of calls and those of decoys,
#: and whether calls are paused. Those of decoys are not read: a decoy asks the cache like a call.
FAILURES, FAILED_CALLS, FAILED_DECOYS, PAUSED = KEYS = (
    "failures",
    "failed_calls",
    "failed_decoys",
    "pause",
)


class RunningCalls:
    """Counts the calls that this process is placing. A forked process begins with none."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all calls."""
        self._lock = Lock()
        self.count = 0

    def take(self, *, limit: int) -> bool:
        """Count one more call; return whether there were fewer than ``limit``."""
        with self._lock:
            if self.count >= limit:
                return False
            self.count += 1
            return True

    def give_back(self) -> None:
        """Count one call fewer."""
        with self._lock:
            self.count -= 1


running = RunningCalls()
reserved = local()
if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=running.clear)


def refuse_if_paused(channel: str, *, now: datetime) -> None:
    """Raise ``ProviderBusy`` during a pause, before anything is claimed."""
    if _is_paused(channel):
        raise ProviderBusy(retry_at=now + PAUSE)


def forget() -> None:
    """Forget all failures and pauses, for the tests of a site."""
    keys = [_key(what, channel) for what in KEYS for channel in Channel]
    _ask_cache(lambda: cache.delete_many(keys))


@contextmanager
def reserve_slot(*, now: datetime) -> Iterator[None]:
    """Reserve a slot for one of the ``CONCURRENT_CALLS``; raise ``ProviderBusy`` if none is free.

    A call that would find no slot is refused before anything is claimed or written for it.
    """
    if not running.take(limit=get_settings().CONCURRENT_CALLS):
        raise ProviderBusy(retry_at=now + PAUSE)
    reserved.is_set = True
    try:
        yield
    finally:
        reserved.is_set = False
        running.give_back()


@contextmanager
def slot(channel: str, *, patience: timedelta = PAUSE) -> Iterator[None]:
    """Hold a slot while the provider is asked; raise ``NotSent`` if there is none.

    Errors that the block raises are counted as failures of the provider. The one call that ends a
    pause has ``patience`` to succeed, and no other call is allowed in the meantime.
    """
    counting = _counting(channel, note_failure=_note_failure, note_answer=_note_answer)
    with _admitted(channel, patience=patience), counting:
        yield


@contextmanager
def decoy_slot(channel: str, *, patience: timedelta = PAUSE) -> Iterator[None]:
    """Hold a slot for a decoy, which is refused and counted like a call.

    A decoy may end a pause as well. If the provider still fails, the next failure begins another.
    """
    counting = _counting(channel, note_failure=_note_decoy_failure, note_answer=_note_decoy_answer)
    with _admitted(channel, patience=patience), counting:
        yield


@contextmanager
def _admitted(channel: str, *, patience: timedelta) -> Iterator[None]:
    with _held():
        may_ask = _ask_cache(lambda: _may_ask(channel, patience=patience))
        if may_ask is False:  # None: the cache failed
            raise NotSent("the provider is failing, calls are paused")
        yield


@contextmanager
def _held() -> Iterator[None]:
    if getattr(reserved, "is_set", False):
        yield
        return
    if not running.take(limit=get_settings().CONCURRENT_CALLS):
        raise NotSent("too many concurrent calls")
    try:
        yield
    finally:
        running.give_back()


@contextmanager
def _counting(
    channel: str, *, note_failure: Callable[[str], None], note_answer: Callable[[str], None]
) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if _is_failure(error):
            _ask_cache(lambda: note_failure(channel))
        raise
    _ask_cache(lambda: note_answer(channel))


def _is_failure(error: Exception) -> bool:
    """Return whether ``error`` shows that the provider is failing, for any number.

    A refused number does not show this, since strangers can enter bad numbers.
    """
    return not isinstance(error, ProviderRefused) or error.error_code in ACCOUNT_ERRORS


def _is_paused(channel: str) -> bool:
    return bool(_ask_cache(lambda: cache.get(_key(PAUSED, channel))))


def _may_ask(channel: str, *, patience: timedelta) -> bool:
    if _read_count(FAILURES, channel) < MAX_FAILURES:
        return True
    # While this key exists, no call is placed. When it has expired, the first call to add it again
    # is allowed, and all others are refused.
    return cache.add(_key(PAUSED, channel), True, timeout=max(PAUSE, patience).total_seconds())


def _note_failure(channel: str) -> None:
    _count(FAILED_CALLS, channel)
    _pause_if_failing(channel)


def _note_decoy_failure(channel: str) -> None:
    _count(FAILED_DECOYS, channel)
    _pause_if_failing(channel)


def _pause_if_failing(channel: str) -> None:
    failures = max(_count(FAILURES, channel), _read_count(FAILED_CALLS, channel))
    if failures < MAX_FAILURES:
        return
    # Only one call is allowed after the pause, whichever count has begun it.
    cache.set(_key(FAILURES, channel), failures, timeout=FAILURE_WINDOW.total_seconds())
    key, seconds = _key(PAUSED, channel), PAUSE.total_seconds()
    if cache.add(key, True, timeout=seconds):
        logger.error("channel=%s paused: the provider failed %d times in a row", channel, failures)
    else:
        cache.touch(key, timeout=seconds)


def _count(what: str, channel: str) -> int:
    key = _key(what, channel)
    if not _is_count(cache.get(key, 0)):
        cache.delete(key)  # otherwise nothing is counted until it expires
    cache.add(key, 0, timeout=FAILURE_WINDOW.total_seconds())
    try:
        count = cache.incr(key)
    except ValueError:
        return 0  # the key has just expired, or the cache stores nothing
    cache.touch(key, timeout=FAILURE_WINDOW.total_seconds())
    return count


def _read_count(what: str, channel: str) -> int:
    """Return a count, 0 if there is none or the cache has something else under its key."""
    stored = cache.get(_key(what, channel))
    return stored if _is_count(stored) else 0


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _note_answer(channel: str) -> None:
    cache.delete(_key(FAILED_CALLS, channel))
    if _end_pause(channel):
        logger.warning("channel=%s no longer paused: the provider answers", channel)


def _note_decoy_answer(channel: str) -> None:
    cache.delete(_key(FAILED_DECOYS, channel))
    if _end_pause(channel):
        logger.warning("channel=%s no longer paused: the next call shows if it is over", channel)


def _end_pause(channel: str) -> bool:
    cache.delete(_key(FAILURES, channel))
    return bool(cache.delete(_key(PAUSED, channel)))


def _key(what: str, channel: str) -> str:
    return f"flashcall.{what}.{channel}"


def _ask_cache(work: Callable[[], T]) -> T | None:
    try:
        return work()
    except Exception as error:
        # Each cache has its own errors, and a broken cache must not keep visitors out.
        logger.warning("circuit breaker without cache: %s", type(error).__name__)
        return None
