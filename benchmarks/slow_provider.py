"""Measure how long other pages take while the provider is slow.

The site has eight threads, and the provider answers after ten seconds. Twelve visitors ask for a
call at the same time, and another visitor reads the front page::

    .venv/bin/python benchmarks/slow_provider.py

It needs the requirements of the tests, ``pip install -e '.[test]'``, and takes half a minute.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
DELAY = 10

sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.test.runner import DiscoverRunner

from tests.crowd import CROWD, THREADS, measure


def main() -> None:
    """Print one row for the default of ``CONCURRENT_CALLS``, and one for all threads."""
    logging.disable()
    runner = DiscoverRunner(verbosity=0)
    databases = runner.setup_databases()
    print(f"{THREADS} threads, {CROWD} visitors, the provider takes {DELAY} s")
    print("CONCURRENT_CALLS  slowest other page  called  refused")
    for calls in (4, THREADS):
        measured = measure(calls=calls, delay=DELAY)
        slowest = f"{measured.slowest_page:.2f} s"
        print(f"{calls:16}  {slowest:>18}  {measured.called:6}  {measured.refused:7}")
    runner.teardown_databases(databases)


if __name__ == "__main__":
    main()
