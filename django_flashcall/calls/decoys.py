"""Decoys: with sign-up off, a number without a user is answered like any other, but not called.

The time that an answer takes, and whether the provider fails, must not distinguish the two. So a
decoy takes as long as a recent call and fails like the latest one. Recent calls are remembered in
this process, and in the cache for other processes.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from typing import Any

from django.contrib.auth import get_backends
from django.core.cache import cache

from ..accounts import users_with
from ..backends import PhoneBackend
from ..choices import NUMBER_ERRORS, ErrorCode
from ..clock import is_timestamp
from ..exceptions import LoginRefused, NotSent, OutcomeUnknown, ProviderError, ProviderRefused
from ..models import Phone

#: At most this many calls of a channel are remembered.
MAX_PAST_CALLS = 16

#: Decoys repeat a failure for this many seconds.
FAILED_FOR = 300

#: A call that took longer, in seconds, is not imitated.
MAX_SECONDS = 300

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class PastCall:
    """How long a call took, in seconds, and its error, which is empty if there was none."""

    seconds: float
    error: str = ""
    at: float = field(default_factory=time.time)

    def is_current(self) -> bool:
        """Return whether decoys may imitate this call: failures are imitated for a short time."""
        return not self.error or time.time() - self.at < FAILED_FOR


#: Imitated until a call has been made.
FIRST_CALL = PastCall(seconds=0.5)

past_calls: dict[str, deque[PastCall]] = defaultdict(lambda: deque(maxlen=MAX_PAST_CALLS))


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


@contextmanager
def remembering(channel: str) -> Iterator[None]:
    """Remember how long the block takes and which ``ProviderError`` it raises, for decoys."""
    began = time.monotonic()
    try:
        yield
    except ProviderError as error:
        remember(channel, seconds=time.monotonic() - began, error=error)
        raise
    except Exception as error:
        unknown = OutcomeUnknown(type(error).__name__)
        remember(channel, seconds=time.monotonic() - began, error=unknown)
        raise
    remember(channel, seconds=time.monotonic() - began)


def remember(channel: str, *, seconds: float, error: ProviderError | None = None) -> None:
    """Remember a call, unless its number was refused, which says nothing about other numbers."""
    if error is not None and error.error_code in NUMBER_ERRORS:
        return
    calls = past_calls[channel]
    calls.extend(call for call in _from_cache(channel) if call not in calls)
    calls.append(PastCall(seconds=seconds, error=_name_of(error)))
    try:
        cache.set(_key(channel), [astuple(call) for call in calls], timeout=None)
    except Exception:  # noqa: S110  # each cache has its own errors; this process remembers the call anyway
        pass


def imitate(channel: str) -> None:
    """Take as long as a recent call, and fail like the latest one."""
    remembered = _from_cache(channel) or past_calls[channel]
    calls = [call for call in remembered if call.is_current()] or [FIRST_CALL]
    error = calls[-1].error
    time.sleep(secrets.choice([call.seconds for call in calls if call.error == error]))
    if error == UNKNOWN:
        raise OutcomeUnknown("like the latest call")
    if error == ErrorCode.NOT_SENT:
        raise NotSent("like the latest call")
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
        PastCall(seconds=call[0], error=call[1], at=call[2]) for call in calls if _is_call(call)
    ]


def _is_call(call: Any) -> bool:
    """Return whether ``call`` from the cache is a ``PastCall`` that can be imitated."""
    if not isinstance(call, list | tuple) or len(call) != 3:
        return False
    seconds, error, at = call
    is_wait = isinstance(seconds, int | float) and 0 <= seconds <= MAX_SECONDS
    return is_wait and isinstance(error, str) and is_timestamp(at)


def _key(channel: str) -> str:
    return f"flashcall.past_calls.{channel}"


def _has_user(backend: PhoneBackend, number: str) -> bool:
    try:
        return backend.find_user(number) is not None
    except LoginRefused:
        return True
