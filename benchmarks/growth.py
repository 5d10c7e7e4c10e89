"""Measure how much slower a visitor's requests get when the record grows, on PostgreSQL.

Run this in the root of the repository, with libpq's variables set, such as ``PGHOST``::

    python benchmarks/growth.py
    python benchmarks/growth.py --rows 1000 100000 10000000

It needs the requirements of the tests, ``pip install -e '.[test]'``, and ``psycopg``. Ten million
rows need about ten minutes and 10 GB. The sizes are measured one after the other in the same
database, and each time is a median.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.environ["FLASHCALL_TEST_DATABASE"] = "postgresql"
django.setup()

import time_machine
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.test.runner import DiscoverRunner
from django.test.utils import setup_test_environment
from django.utils import timezone

from django_flashcall import services
from django_flashcall.operations.purging import purge
from django_flashcall.providers import locmem
from django_flashcall.visitors.visitor import Visitor
from tests.bulk import analyze, multiply
from tests.factories import AttemptFactory, PhoneFactory, PriceFactory, VerificationFactory

VISITOR = Visitor(address="203.0.113.7")
REPEATS = 40
#: Until when the oldest rows are kept.
KEPT = timedelta(days=90)
NAMES = ("start", "check", "login", "resend", "purge")

Times = dict[str, list[float]]


def main() -> None:
    """Print a line for each operation, and a column for each size."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000])
    sizes = parser.parse_args().rows
    logging.disable()
    setup_test_environment(debug=False)
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        measured = [measure(rows) for rows in sizes]
    finally:
        runner.teardown_databases(databases)
    print("ms      " + "".join(f"{rows:>14,}" for rows in sizes) + f"{'ratio':>8}")
    for name in NAMES:
        times = [median(one[name]) for one in measured]
        columns = "".join(f"{1000 * seconds:14.1f}" for seconds in times)
        print(f"{name:<8}{columns}{times[-1] / times[0]:8.2f}")


def measure(rows: int) -> Times:
    """Fill the record with ``rows`` attempts, and return how long each operation takes."""
    print(f"{rows:,} rows", file=sys.stderr)
    times: Times = {name: [] for name in NAMES}
    call_command("flush", interactive=False, verbosity=0)
    with time_machine.travel(timezone.now(), tick=True) as clock:
        fill(rows, begin=timezone.now() - KEPT)
        for login in range(REPEATS):
            log_in(f"+7999{login:03}0000", times=times)
            call_twice(f"+7998{login:03}0000", times=times, clock=clock)
        for _ in range(5):
            clock.shift(timedelta(hours=1))
            with timed(times["purge"]):
                purge(now=timezone.now())
    return times


def log_in(number: str, *, times: Times) -> None:
    """Start a verification, check its code, and use it."""
    with timed(times["start"]):
        verification = services.start_verification(number, purpose="login", visitor=VISITOR)
    with timed(times["check"]):
        services.check_code(verification, locmem.outbox[-1].code, visitor=VISITOR)
    with timed(times["login"]):
        authenticate(None, verification=verification)


def call_twice(number: str, *, times: Times, clock: time_machine.Traveller) -> None:
    """Start a verification, and ask for its code once more."""
    verification = services.start_verification(number, purpose="login", visitor=VISITOR)
    clock.shift(timedelta(minutes=2))
    with timed(times["resend"]):
        services.resend(verification, visitor=VISITOR)


@contextmanager
def timed(times: list[float]) -> Iterator[None]:
    """Add how long the block takes, in seconds."""
    began = time.perf_counter()
    yield
    times.append(time.perf_counter() - began)


def fill(rows: int, *, begin: datetime) -> None:
    """Insert verifications of as many numbers, one attempt each, evenly over ``KEPT``."""
    PriceFactory.create(prefix="+7")
    step = f"n * interval '{KEPT.total_seconds() / rows} seconds'"
    times = {name: f"template.{name} + {step}" for name in ("created_at", "expires_at")}
    phone = PhoneFactory.create(number="+79010000000", created_at=begin)
    multiply(phone, times=rows, number="'+790' || lpad(n::text, 8, '0')")
    call = VerificationFactory.create(
        phone=phone, created_at=begin, expires_at=begin + timedelta(minutes=10), checks=1
    )
    attempt = AttemptFactory.create(verification=call, created_at=begin)
    multiply(call, times=rows, key="gen_random_uuid()", phone_id=f"{phone.pk} + n", **times)
    multiply(attempt, times=rows, verification_id=f"{call.pk} + n", **times)
    analyze()


if __name__ == "__main__":
    main()
