"""Simulate attacks against the default settings, and print what they cost and whom they harm.

Run this in the root of the repository::

    python benchmarks/attacks.py

It uses the pages of the test site. Calls go to an outbox, and time is simulated. The attackers try
once a minute for a day, and owners of numbers try to log in once an hour from their own addresses.
An attacker who guesses codes tries once an hour for a month, and the owner logs in once a day.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

import time_machine
from django.core.cache import cache
from django.test import Client
from django.test.runner import DiscoverRunner
from django.test.utils import setup_test_environment
from django.utils import timezone

from django_flashcall.models import Phone, Price, Usage, Verification
from django_flashcall.providers import locmem

BEGIN = datetime(2026, 3, 4, 0, 0, tzinfo=UTC)
MINUTES = 24 * 60
LOGIN = "/phone/login/"
NUMBER = "+79991234567"


@dataclass
class Day:
    """The results of one simulated attack."""

    tried: int = 0
    placed: int = 0
    owners: int = 0
    turned_away: int = 0
    placed_for_owners: int = 0
    known: Client = field(default_factory=Client)

    def attack(self, number: str, *, address: str) -> None:
        """Ask for a call in a fresh browser, as attackers do."""
        before = len(locmem.outbox)
        Client(REMOTE_ADDR=address).post(LOGIN, {"number": number})
        self.tried += 1
        self.placed += len(locmem.outbox) - before

    def guess(self, number: str, *, address: str) -> None:
        """Ask for a call in a fresh browser, and enter wrong codes while tries are left."""
        before, browser = len(locmem.outbox), Client(REMOTE_ADDR=address)
        page = browser.post(LOGIN, {"number": number})
        self.tried += 1
        self.placed += len(locmem.outbox) - before
        for _ in range(3 if page.status_code == 302 else 0):
            wrong = f"{(int(locmem.outbox[-1].code) + 1) % 10_000:04}"
            browser.post(page["Location"], {"code": wrong})

    def log_in(self, number: str, *, address: str, client: Client | None = None) -> None:
        """Try to log in as an owner does, in a known browser or in a new one."""
        client = client or Client()
        client.cookies.pop("sessionid", None)
        before = len(locmem.outbox)
        page = client.post(LOGIN, {"number": number}, REMOTE_ADDR=address)
        self.owners += 1
        if page.status_code != 302 or len(locmem.outbox) == before:
            self.turned_away += 1
            return
        self.placed_for_owners += 1
        code = locmem.outbox[-1].code
        self.turned_away += client.post(page["Location"], {"code": code}).status_code != 302


def one_address(day: Day, minute: int) -> None:
    """Each minute, one address asks for a call to another number."""
    day.attack(f"+79{minute // 100 + 10:02}{minute:07}"[:12], address="203.0.113.7")
    if minute % 60 == 30:
        day.log_in(f"+7999555{minute:04}", address=f"198.51.100.{minute // 60}")


def one_block(day: Day, minute: int) -> None:
    """Each minute, another address asks for a call to another number of one block."""
    day.attack(f"+7999123{minute:04}", address=f"203.0.{minute // 200}.{minute % 200}")
    if minute % 60 == 30:
        day.log_in(f"+7999123{9000 + minute:04}"[:12], address=f"198.51.100.{minute // 60}")


def one_number(day: Day, minute: int) -> None:
    """Each minute, another address asks for a call to one number; the owner has a new browser."""
    day.attack(NUMBER, address=f"203.0.{minute // 200}.{minute % 200}")
    if minute % 360 == 30:
        day.log_in(NUMBER, address="198.51.100.1")


def one_number_known(day: Day, minute: int) -> None:
    """The same, but the owner has logged in with this browser before."""
    day.attack(NUMBER, address=f"203.0.{minute // 200}.{minute % 200}")
    if minute % 360 == 30:
        day.log_in(NUMBER, address="198.51.100.1", client=day.known)


def guesses(day: Day, minute: int) -> None:
    """Each hour, another address calls one number and guesses; its owner logs in once a day."""
    if minute % 60 == 0:
        day.guess(NUMBER, address=f"203.0.{minute // 60 // 200}.{minute // 60 % 200}")
    if minute % MINUTES == 30:
        day.log_in(NUMBER, address="198.51.100.1")


def guesses_known(day: Day, minute: int) -> None:
    """The same, but the owner has logged in with this browser before."""
    if minute % 60 == 0:
        day.guess(NUMBER, address=f"203.0.{minute // 60 // 200}.{minute // 60 % 200}")
    if minute % MINUTES == 30:
        day.log_in(NUMBER, address="198.51.100.1", client=day.known)


#: The name, what happens in a minute, the days, and whether the owner's browser is known.
ATTACKS: list[tuple[str, Callable[[Day, int], None], int, bool]] = [
    ("one address, a number a minute", one_address, 1, False),
    ("an address a minute, one block", one_block, 1, False),
    ("one number, owner in a new browser", one_number, 1, False),
    ("one number, owner in a known browser", one_number_known, 1, True),
    ("guesses, owner in new browsers", guesses, 30, False),
    ("guesses, owner in a known browser", guesses_known, 30, True),
]


def replay(attack: Callable[[Day, int], None], *, days: int, is_known: bool) -> Day:
    """Simulate an attack, starting with an empty record."""
    for model in (Verification, Phone, Usage):
        model.objects.all().delete()
    cache.clear()
    day = Day()
    with time_machine.travel(BEGIN - timedelta(days=2), tick=False) as clock:
        if is_known:
            day.log_in(NUMBER, address="198.51.100.1", client=day.known)
            day.owners = day.turned_away = day.placed_for_owners = 0
        for minute in range(0, days * MINUTES, 1 if days == 1 else 30):
            clock.move_to(BEGIN + timedelta(minutes=minute))
            attack(day, minute)
    return day


def main() -> None:
    """Print the results of each attack."""
    print(f"{'attack':<38}{'tried':>7}{'placed':>8}{'RUB':>9}{'owners':>8}{'turned away':>13}")
    for name, attack, days, is_known in ATTACKS:
        day = replay(attack, days=days, is_known=is_known)
        spent = sum((row.spent for row in Usage.objects.filter(scope="")), Decimal(0))
        money = f"{spent:.2f}"
        print(
            f"{name:<38}{day.tried:>7}{day.placed:>8}{money:>9}{day.owners:>8}{day.turned_away:>13}"
        )


if __name__ == "__main__":
    logging.disable()
    setup_test_environment()
    runner = DiscoverRunner(verbosity=0)
    databases = runner.setup_databases()
    try:
        Price.objects.create(
            amount=Decimal("0.35"), valid_from=timezone.now() - timedelta(days=999)
        )
        main()
    finally:
        runner.teardown_databases(databases)
