"""Echoes: how the provider answered lately, for decoys to answer the same.

With sign-up off a number without a user is called by nobody. How long the answer takes, and whether
the provider is down, must not tell that. So a decoy waits as long as one of the latest calls took,
and fails as the latest one did. What is heard is kept in this process, and in the cache for others.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict, deque
from dataclasses import astuple, dataclass, field

from django.core.cache import cache

from .exceptions import NotSent, OutcomeUnknown, ProviderError, ProviderRefused
from .words import ERRORS_OF_THE_NUMBER

#: So many calls are remembered.
MEMORY = 16

#: A failure is repeated for so many seconds.
FAILED_FOR = 300


@dataclass(frozen=True, kw_only=True)
class Echo:
    """How long a call took, in seconds, and how it failed, empty if it did not."""

    seconds: float
    error: str = ""
    at: float = field(default_factory=time.time)

    def is_fresh(self) -> bool:
        """Tell whether a call would still go like this: a failure may be over soon."""
        return not self.error or time.time() - self.at < FAILED_FOR


#: Before anything was heard, a call takes as long as they mostly do.
UNHEARD = Echo(seconds=0.5)

heard: dict[str, deque[Echo]] = defaultdict(lambda: deque(maxlen=MEMORY))


def note(channel: str, *, seconds: float, error: ProviderError | None = None) -> None:
    """Remember a call; a refusal of its number says nothing about others."""
    if isinstance(error, ProviderRefused) and error.error_code in ERRORS_OF_THE_NUMBER:
        return
    echoes = heard[channel]
    echoes.extend(echo for echo in _from_all(channel) if echo not in echoes)
    echoes.append(Echo(seconds=seconds, error=_name(error)))
    try:
        cache.set(_key(channel), [astuple(echo) for echo in echoes], timeout=None)
    except Exception:  # noqa: S110  # each cache has errors of its own; this process knows anyway
        pass


def repeat(channel: str) -> None:
    """Wait as a call does, and fail as the latest one did."""
    echoes = [one for one in _from_all(channel) or heard[channel] if one.is_fresh()] or [UNHEARD]
    error = echoes[-1].error
    time.sleep(secrets.choice([one.seconds for one in echoes if one.error == error]))
    if error == "unknown":
        raise OutcomeUnknown("as the latest call")
    if error == "not_sent":
        raise NotSent("as the latest call")
    if error:
        raise ProviderRefused(error)


def _name(error: ProviderError | None) -> str:
    if isinstance(error, ProviderRefused):
        return error.error_code
    if isinstance(error, NotSent):
        return "not_sent"
    return "unknown" if error else ""


def _from_all(channel: str) -> list[Echo]:
    try:
        kept = cache.get(_key(channel)) or []
    except Exception:
        return []  # each cache has errors of its own
    return [Echo(seconds=seconds, error=error, at=at) for seconds, error, at in kept]


def _key(channel: str) -> str:
    return f"flashcall.echoes.{channel}"
