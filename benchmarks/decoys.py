"""Ask for calls to known and unknown numbers with ``SIGN_UP`` off, and try to distinguish them.

Run this in the root of the repository::

    python benchmarks/decoys.py

A stranger asks for calls to 1,000 numbers in random order. Half of the numbers have a user. From
half of the answers the stranger learns, and guesses which of the other numbers have a user. The
table shows the area under the ROC curve of these guesses: 0.5 is chance, 1 is certainty. A guess is
based on the time of the answer, on its outcome, on both, on the outcome together with that of the
request before it, or on whether an earlier request took exactly as long.

In all rows but the last, the provider and the clock are simulated, so times are known exactly. In
the last row the provider takes 5 ms, and the real time of the login page is measured. This row
shows whether the site does the same for all numbers.

It needs the requirements of the tests, ``pip install -e '.[test]'``, and takes some minutes. With
1,000 numbers, the areas differ from 0.5 by about 0.02 through chance alone.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from unittest.mock import patch

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

import time_machine
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client, override_settings
from django.test.runner import DiscoverRunner
from django.test.utils import setup_test_environment
from django.utils import timezone

from django_flashcall.calls import decoys
from django_flashcall.choices import Purpose
from django_flashcall.exceptions import StartRefused
from django_flashcall.models import Phone, Usage, Verification
from django_flashcall.services import start_verification
from django_flashcall.visitors.visitor import Visitor
from tests.probing import DELAYS, VIEWS, Delay, Probe, SlowProvider, guess, seeded, with_history

BEGIN = datetime(2026, 3, 4, 0, 0, tzinfo=UTC)
RATES = (0.0, 0.05, 0.5)
LOGIN = "/phone/login/"
PROVIDER = f"{SlowProvider.__module__}.{SlowProvider.__name__}"


@contextmanager
def simulated_time() -> Iterator[Callable[[float], None]]:
    """Let ``time.sleep()`` move the clock instead of waiting, and yield what moves it."""
    with (
        time_machine.travel(BEGIN, tick=False) as clock,
        patch("time.sleep", clock.shift),
        patch("time.monotonic", lambda: time.time()),
        patch("time.perf_counter", lambda: time.time()),
    ):
        yield clock.shift


def start(number: str) -> str:
    """Ask for a call to ``number``, and return what decides what the page says."""
    try:
        started = start_verification(number, purpose=Purpose.LOGIN, visitor=Visitor())
    except StartRefused as error:
        return type(error).__name__
    attempt = started.attempts.get()
    return f"{attempt.status} {attempt.error_code}"


def post(number: str) -> str:
    """Ask for a call to ``number`` on the login page, in a fresh browser."""
    return str(Client().post(LOGIN, {"number": number}).status_code)


def ask(
    count: int, *, random: Random, request: Callable[[str], str], rest: Callable[[float], None]
) -> list[Probe]:
    """Ask for calls to ``count`` numbers, a few seconds after each other."""
    probes: list[Probe] = []
    numbers = [f"+791{digits:08}" for digits in random.sample(range(10**8), count)]
    answers = random.sample([True, False] * (count // 2), count)
    for number, is_known in zip(numbers, answers, strict=True):
        if is_known:
            user = get_user_model().objects.create(username=number)
            Phone.objects.create(number=number, user=user, verified_at=timezone.now())
        began = time.perf_counter()
        outcome = request(number)
        seconds = time.perf_counter() - began
        probes.append(Probe(is_known=is_known, seconds=seconds, outcome=outcome))
        rest(random.uniform(1, 10))
    return with_history(probes)


@contextmanager
def site(delay: Delay, *, rate: float, random: Random) -> Iterator[None]:
    """Begin with an empty record, and a provider with these delays and failures."""
    for model in (Verification, Phone, Usage, get_user_model()):
        model.objects.all().delete()
    cache.clear()
    decoys.past_calls.clear()
    options = {"delay": delay, "rate": rate, "random": random}
    flashcall = {"PROVIDER": PROVIDER, "OPTIONS": options, "SIGN_UP": False, "RATES": {}}
    with override_settings(FLASHCALL=flashcall):
        yield


def report(name: str, probes: list[Probe]) -> None:
    """Print one row of the table."""
    areas = "".join(f"{guess(probes, view=view):>10.3f}" for view in VIEWS)
    print(f"{name:<24}{areas}", flush=True)


def main(count: int, seed: int) -> None:
    """Print one row for each kind of delay and each rate, and one for the real time."""
    print(f"{'provider':<24}" + "".join(f"{view:>10}" for view in VIEWS))
    for row, (name, rate) in enumerate(itertools.product(DELAYS, RATES)):
        random = seeded(seed + row)
        with site(DELAYS[name], rate=rate, random=random), simulated_time() as rest:
            probes = ask(count, random=random, request=start, rest=rest)
        report(f"{name}, {rate:.0%} fail", probes)
    random = seeded(seed)
    with site(lambda random: 0.005, rate=0, random=random):
        probes = ask(count, random=random, request=post, rest=lambda seconds: None)
    report("5 ms, real time", probes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Try to distinguish decoys from calls.")
    parser.add_argument("--probes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable()
    setup_test_environment()
    runner = DiscoverRunner(verbosity=0)
    databases = runner.setup_databases()
    try:
        main(arguments.probes, arguments.seed)
    finally:
        runner.teardown_databases(databases)
