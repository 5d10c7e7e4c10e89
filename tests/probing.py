"""Probes: a stranger asks for calls to numbers, and guesses which of them have a user."""

from __future__ import annotations

import heapq
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from django_flashcall.exceptions import NotSent, OutcomeUnknown, ProviderError
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import LocMemProvider

#: How many similar probes a guess is based on.
NEIGHBOURS = 25

Delay = Callable[[Random], float]

#: How long the provider takes, in seconds.
DELAYS: dict[str, Delay] = {
    "fixed": lambda random: 0.5,
    "uniform": lambda random: random.uniform(0.2, 1.0),
    "heavy-tailed": lambda random: min(0.2 * random.paretovariate(1.5), 20),
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a stranger sees of one number.

    ``before`` is the outcome of the probe before it. ``is_repeated`` says that an earlier probe
    took exactly as long.
    """

    is_known: bool
    seconds: float
    outcome: str
    before: str = ""
    is_repeated: bool = False


#: What a guess is based on: probes with the same text are compared by their number.
VIEWS: dict[str, Callable[[Probe], tuple[str, float]]] = {
    "time": lambda probe: ("", probe.seconds),
    "outcome": lambda probe: (probe.outcome, 0),
    "both": lambda probe: (probe.outcome, probe.seconds),
    "sequence": lambda probe: (f"{probe.before}, {probe.outcome}", 0),
    "repeats": lambda probe: (f"{probe.is_repeated}", 0),
}


class SlowProvider(LocMemProvider):
    """Takes its time, and fails at a rate, in one of two ways."""

    def __init__(self, *, delay: Delay, rate: float, random: Random) -> None:
        super().__init__()
        self.delay, self.rate, self.random = delay, rate, random

    def _deliver(self, *args: Any, **kwargs: Any) -> Answer:
        time.sleep(self.delay(self.random))
        error = draw_error(self.random, rate=self.rate)
        if error:
            raise error
        return super()._deliver(*args, **kwargs)


def seeded(seed: int) -> Random:
    """Return a source of the same numbers in each run."""
    return Random(seed)  # noqa: S311  # not for secrets


def with_history(probes: Iterable[Probe]) -> list[Probe]:
    """Add to each of ``probes`` what it has to do with earlier ones."""
    seen: list[Probe] = []
    for probe in probes:
        before = seen[-1].outcome if seen else ""
        is_repeated = any(probe.seconds == earlier.seconds for earlier in seen)
        seen.append(replace(probe, before=before, is_repeated=is_repeated))
    return seen


def draw_error(random: Random, *, rate: float) -> ProviderError | None:
    """Return an error at this rate: three of four are lost answers."""
    if random.random() >= rate:
        return None
    return NotSent("no connection") if random.random() < 0.25 else OutcomeUnknown("no answer")


def area_under_curve(known: Sequence[float], unknown: Sequence[float]) -> float:
    """Return how likely a known number has a higher score than an unknown one; 0.5 is chance."""
    ordered = sorted(unknown)
    below = sum(bisect_left(ordered, score) + bisect_right(ordered, score) for score in known)
    return below / (2 * len(known) * len(unknown))


def guess(probes: Sequence[Probe], *, view: str) -> float:
    """Return the area under the curve of a stranger who learns from half of ``probes``."""
    halves = probes[::2], probes[1::2]
    return sum(_guess(half, known=other, view=view) for half, other in (halves, halves[::-1])) / 2


def _guess(probes: Sequence[Probe], *, known: Sequence[Probe], view: str) -> float:
    seen: dict[str, list[tuple[float, bool]]] = {}
    for probe in known:
        text, number = VIEWS[view](probe)
        seen.setdefault(text, []).append((_log(number), probe.is_known))
    scores: dict[bool, list[float]] = {True: [], False: []}
    for probe in probes:
        text, number = VIEWS[view](probe)
        scores[probe.is_known].append(_score(_log(number), among=seen.get(text, [])))
    return area_under_curve(scores[True], scores[False])


def _score(number: float, *, among: Sequence[tuple[float, bool]]) -> float:
    """Return the share of known numbers in the nearest probes, and in all that are as near."""
    distances = [abs(other - number) for other, _ in among]
    limit = max(heapq.nsmallest(NEIGHBOURS, distances), default=0)
    near = [is_known for other, is_known in among if abs(other - number) <= limit]
    return (sum(near) + 1) / (len(near) + 2)


def _log(number: float) -> float:
    return math.log(number + 1e-9)
