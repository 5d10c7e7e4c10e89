"""Decoys: with sign-up off, a number without a user is answered like any other, but not called.

The time that an answer takes, and whether the provider fails, must not distinguish the two. So
recent calls are remembered, and a decoy is like the next call after them (``draws``). Calls are
remembered in the cache, for all processes, and in this process, in case the cache fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from random import SystemRandom
from typing import Any

from django.contrib.auth import get_backends
from django.core.cache import cache

from ..accounts import users_with
from ..backends import PhoneBackend
from ..choices import NUMBER_ERRORS, ErrorCode
from ..clock import is_timestamp
from ..exceptions import LoginRefused, NotSent, OutcomeUnknown, ProviderError, ProviderRefused
from ..models import Phone
from ..money import NOTHING
from ..providers.base import Answer
from ..text import word
from .draws import PastCall, draw, shorten

#: A call that took longer, in seconds, is not imitated.
MAX_SECONDS = 300

UNKNOWN = "unknown"

#: The key under which decoys store what nobody reads.
UNREAD = "unread"

past_calls: dict[str, list[PastCall]] = {}

random = SystemRandom()


def is_known(number: str) -> bool:
    """Return whether ``number`` has a user, according to the site's own backend."""
    backends = [backend for backend in get_backends() if isinstance(backend, PhoneBackend)]
    return any(_has_user(backend, number) for backend in backends)


def repeat_lookup(phone: Phone) -> None:
    """Run the query on ``USER_PHONE_FIELD`` that ``is_known()`` did not need.

    SECURITY: otherwise the time of the answer would reveal which numbers have an account.
    """
    if phone.user_id is not None or phone.had_user:
        list(users_with(phone.number)[:2])


def observe(channel: str, ask: Callable[[], Answer]) -> Answer:
    """Return the answer of ``ask()``; remember its time and the error it raises, for decoys."""
    began = time.monotonic()
    try:
        answer = ask()
    except ProviderError as error:
        remember(channel, seconds=time.monotonic() - began, error=error)
        raise
    except Exception as error:
        unknown = OutcomeUnknown(type(error).__name__)
        remember(channel, seconds=time.monotonic() - began, error=unknown)
        raise
    remember(channel, seconds=time.monotonic() - began, has_id=bool(word(answer.id)))
    return answer


def remember(
    channel: str, *, seconds: float, error: ProviderError | None = None, has_id: bool = True
) -> None:
    """Remember a call, unless its number was refused, which says nothing about other numbers."""
    if error is not None and error.error_code in NUMBER_ERRORS:
        return
    call = PastCall(seconds=seconds, error=_name_of(error), has_id=has_id)
    calls = shorten([*_from_cache(channel), *past_calls.get(channel, ()), call])
    past_calls[channel] = calls
    _store(channel, calls)


def imitate(channel: str, *, code: str) -> Answer:
    """Return an answer with ``code``, or raise an error, as the next call might, and as late."""
    began = time.monotonic()
    calls = _from_cache(channel) or past_calls.get(channel, [])
    drawn = draw(calls, now=time.time(), random=random)
    time.sleep(max(drawn.seconds - (time.monotonic() - began), 0))
    # SECURITY: takes as long as remember(). A decoy itself is not remembered, or decoys would
    # imitate decoys.
    _store(UNREAD, shorten([*_from_cache(channel), *past_calls.get(channel, ())]))
    _raise(drawn.error)
    return Answer(id="decoy" if drawn.has_id else "", price=NOTHING, code=code)


def _raise(error: str) -> None:
    """Raise the error that ``_name_of()`` has named, if any."""
    if error == UNKNOWN:
        raise OutcomeUnknown("like a recent call")
    if error == ErrorCode.NOT_SENT:
        raise NotSent("like a recent call")
    if error:
        raise ProviderRefused(error)


def _name_of(error: ProviderError | None) -> str:
    return "" if error is None else error.error_code or UNKNOWN


def _from_cache(channel: str) -> list[PastCall]:
    try:
        stored = cache.get(_key(channel)) or []
    except Exception:
        return []  # each cache has its own errors
    calls = stored if isinstance(stored, list) else []
    return [
        PastCall(seconds=call[0], error=call[1], has_id=call[2], at=call[3])
        for call in calls
        if _is_call(call)
    ]


def _is_call(call: Any) -> bool:
    """Return whether ``call`` from the cache is a ``PastCall`` that can be imitated."""
    if not isinstance(call, list | tuple) or len(call) != 4:
        return False
    seconds, error, has_id, at = call
    is_wait = isinstance(seconds, int | float) and 0 <= seconds <= MAX_SECONDS
    is_known_outcome = isinstance(error, str) and isinstance(has_id, bool)
    return is_wait and is_known_outcome and is_timestamp(at)


def _store(channel: str, calls: Sequence[PastCall]) -> None:
    try:
        cache.set(_key(channel), [astuple(call) for call in calls], timeout=None)
    except Exception:  # noqa: S110  # each cache has its own errors; this process remembers the call anyway
        pass


def _key(channel: str) -> str:
    return f"flashcall.past_calls.{channel}"


def _has_user(backend: PhoneBackend, number: str) -> bool:
    try:
        return backend.find_user(number) is not None
    except LoginRefused:
        return True
