"""Draws: a decoy takes as long, and fails as often, as the next call probably would.

Both are drawn from past calls, which are in order of time. Nothing is read or written here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

#: As many answered calls of a channel are remembered, and as many failed ones.
MAX_PAST_CALLS = 100

#: Failures that are older than this, in seconds, are not drawn. The alarms of younger ones have
#: sounded within the hour, so decoys sound none.
FAILED_FOR = 3600

#: The kind of a failure is drawn from this many latest ones.
MAX_RECENT_FAILURES = 8

#: The share of calls that fails may be any of these. Most providers fail rarely or entirely.
FAILURE_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.99)
WEIGHTS = (100, 50, 20, 10, 5, 3, 2, 1.5, 1.25, 1, 8)

#: How likely the failure rate changes between two calls, and within how many seconds it does.
CHANGE_PER_CALL = 0.003
CHANGE_WITHIN = 1800

#: A larger number makes the latest times less likely to be drawn, compared with earlier ones.
EVENNESS = 16

#: A time is varied as far as the nearest seventh of the other times is. With less variation, the
#: times of decoys gather around those of past calls.
NEAR = 7

#: In seconds. Shorter times are not distinguished.
SHORTEST = 1e-6

#: The time of a single past call is varied by at most this share.
SINGLE_SPREAD = 0.1


@dataclass(frozen=True, kw_only=True)
class PastCall:
    """How long a call took, in seconds, and its error, which is empty if there was none.

    ``has_id`` says whether the answer had an id, without which no SMS can follow.
    """

    seconds: float
    error: str = ""
    has_id: bool = True
    at: float = field(default_factory=time.time)


#: Drawn from until a call has been made.
FIRST_CALLS = tuple(PastCall(seconds=seconds, at=0) for seconds in (0.3, 0.4, 0.5, 0.7, 1.0))


def draw(calls: Sequence[PastCall], *, now: float, random: Random) -> PastCall:
    """Return a call as the next one after ``calls`` may be."""
    error = _draw_error(calls, now=now, random=random)
    alike = [call for call in calls if call.error == error] or FIRST_CALLS
    weights = [1 / (EVENNESS + age) for age in reversed(range(len(alike)))]
    (like,) = random.choices(alike, weights=weights)
    seconds = _vary(like.seconds, times=[call.seconds for call in alike], random=random)
    return replace(like, seconds=seconds, at=now)


def failure_rate(calls: Sequence[PastCall], *, now: float) -> float:
    """Return how likely the next call fails.

    The provider has one of ``FAILURE_RATES``, which may change at any time. So one failure among
    many answers means little, and several in a row mean that the provider is down. With time, past
    calls mean less.
    """
    initial = dict(zip(FAILURE_RATES, (weight / sum(WEIGHTS) for weight in WEIGHTS), strict=True))
    chances = initial
    ends = [*(call.at for call in calls[1:]), now]
    for call, end in zip(calls, ends, strict=False):
        fits = {rate: chances[rate] * (rate if call.error else 1 - rate) for rate in initial}
        kept = (1 - CHANGE_PER_CALL) * math.exp(-max(end - call.at, 0) / CHANGE_WITHIN)
        whole = sum(fits.values())
        chances = {rate: kept * fits[rate] / whole + (1 - kept) * initial[rate] for rate in initial}
    return sum(rate * chance for rate, chance in chances.items())


def shorten(calls: Sequence[PastCall]) -> list[PastCall]:
    """Return the latest of ``calls``, in order of time, each once."""
    ordered = sorted(set(calls), key=lambda call: call.at)
    answered = [call for call in ordered if not call.error][-MAX_PAST_CALLS:]
    failed = [call for call in ordered if call.error][-MAX_PAST_CALLS:]
    return sorted(answered + failed, key=lambda call: call.at)


def _draw_error(calls: Sequence[PastCall], *, now: float, random: Random) -> str:
    failed = [call for call in calls if call.error and now - call.at < FAILED_FOR]
    if not failed or random.random() >= failure_rate(calls, now=now):
        return ""
    return random.choice(failed[-MAX_RECENT_FAILURES:]).error


def _vary(seconds: float, *, times: Sequence[float], random: Random) -> float:
    """Return a time near ``seconds``, as near as the nearest ``1 / NEAR`` of ``times`` is.

    SECURITY: an exact repetition would reveal a decoy, and so would a time that no call takes. So
    equal times stay equal, and the answer stays within the times of calls. Where ``times`` are rare
    or there are two groups of them, a spread that is the same everywhere would not do.
    """
    if len(times) == 1:
        return seconds * random.uniform(1 - SINGLE_SPREAD, 1 + SINGLE_SPREAD)
    centre, logs = _log(seconds), [_log(one) for one in times]
    distances = sorted(abs(one - centre) for one in logs)
    reach = distances[max(len(times) // NEAR, 1)]
    varied = _reflect(centre + random.uniform(-reach, reach), low=min(logs), high=max(logs))
    return math.exp(varied)


def _reflect(value: float, *, low: float, high: float) -> float:
    """Return ``value`` mirrored at the bound that it exceeds."""
    if value < low:
        return min(2 * low - value, high)
    return max(2 * high - value, low) if value > high else value


def _log(seconds: float) -> float:
    return math.log(max(seconds, SHORTEST))
