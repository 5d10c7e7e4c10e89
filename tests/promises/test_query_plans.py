"""A visitor's requests take no longer when the record grows: no scan of a large table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from django_flashcall import services
from django_flashcall.choices import VerificationStatus
from django_flashcall.exceptions import WrongCode
from django_flashcall.models import Verification
from django_flashcall.operations.purging import purge
from tests.bulk import analyze, multiply, plan_of
from tests.constants import NOON, NUMBER, VISITOR, Clock, Outbox
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    PriceFactory,
    UsageFactory,
    UserFactory,
    VerificationFactory,
)
from tests.logins import log_in, start, wrong

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("grown", "clock"),
    pytest.mark.skipif(
        connection.vendor != "postgresql",
        reason="PostgreSQL's plans: set FLASHCALL_TEST_DATABASE=postgresql",
    ),
]

ROWS = 100_000
#: The tables that grow with the calls. Prices are few, and are read with a scan.
GROWING = re.compile(r"Seq Scan on (django_flashcall_(?:phone|usage|verification\w*))")


@contextmanager
def scans() -> Iterator[set[str]]:
    """Collect the tables that the statements of the block would scan, with the statement."""
    found: set[str] = set()
    asked: list[tuple[str, Any]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found
    for sql, params in asked:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            found.update(f"{table}: {sql}" for table in GROWING.findall(plan_of(sql, params)))


@pytest.fixture(scope="module")
def grown(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Fill the tables with the calls of a month, for all tests of this module."""
    with django_db_blocker.unblock():
        fill()
        yield
        call_command("flush", interactive=False)


def fill() -> None:
    """Insert old calls, to many numbers and to ours."""
    begin = NOON - timedelta(days=40)
    first = PhoneFactory(number="+79010000000")
    multiply(first, times=ROWS, number="'+7901' || lpad(n::text, 7, '0')")
    done = VerificationFactory(
        phone=PhoneFactory(number=NUMBER, user=UserFactory()),
        created_at=begin,
        expires_at=begin + timedelta(minutes=10),
        status=VerificationStatus.APPROVED,
        approved_at=begin,
        consumed_at=begin,
        checks=1,
    )
    attempt = AttemptFactory(verification=done, created_at=begin)
    times = {
        "created_at": "template.created_at + n * interval '30 seconds'",
        "expires_at": "template.expires_at + n * interval '30 seconds'",
    }
    phone_id = f"{first.pk + 1} + mod(n, {ROWS - 1})"
    multiply(done, times=ROWS, key="gen_random_uuid()", phone_id=phone_id, **times)
    multiply(attempt, times=ROWS, verification_id=f"{done.pk} + n", **times)
    hour = UsageFactory(scope="+7900000", since=begin)
    multiply(hour, times=ROWS, scope="'+7' || (900000 + n)::text")
    PriceFactory(prefix="+7")
    analyze()


class TestQueryPlans:
    def test_a_start_scans_no_growing_table(self) -> None:
        with scans() as found:
            start()
        assert found == set()

    def test_a_resend_scans_no_growing_table(self, clock: Clock) -> None:
        verification = start()
        clock.shift(timedelta(minutes=2))
        with scans() as found:
            services.resend(verification, visitor=VISITOR)
        assert found == set()

    def test_a_check_and_a_login_scan_no_growing_table(self, outbox: Outbox) -> None:
        verification = start()
        with scans() as found:
            with pytest.raises(WrongCode):
                services.check_code(verification, wrong(outbox[-1].code), visitor=VISITOR)
            services.check_code(verification, outbox[-1].code, visitor=VISITOR)
            log_in(verification)
        assert found == set()

    def test_a_sweep_scans_no_growing_table(self) -> None:
        with scans() as found:
            services.sweep_attempts()
        assert found == set()

    def test_a_purge_deletes_by_an_index(self) -> None:
        oldest = Verification.objects.earliest("created_at").created_at
        with scans() as found:
            purge(now=oldest + timedelta(days=90, hours=1))
        assert not any(scan.startswith("django_flashcall_verification") for scan in found)

    def test_a_scan_is_noticed(self) -> None:
        with scans() as found:
            list(Verification.objects.filter(purpose="none"))
        assert found
