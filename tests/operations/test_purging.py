"""Tests."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall import services
from django_flashcall.calls.orders import PlannedCall
from django_flashcall.exceptions import VerificationEnded
from django_flashcall.models import Phone, Usage, Verification, VerificationAttempt
from django_flashcall.operations import purging
from django_flashcall.operations.purging import Purged, purge
from django_flashcall.visitors.visitor import Visitor
from tests.constants import Outbox
from tests.diary.models import Entry, Receipt
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    UsageFactory,
    UserFactory,
    VerificationFactory,
)

pytestmark = pytest.mark.django_db


KEEP = timedelta(days=90)


MOMENT = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def now() -> datetime:
    return timezone.now()


def old_phone(now: datetime, **fields: Any) -> Phone:
    """Return a number that was called once, long ago."""
    long_ago = now - KEEP - MOMENT
    phone: Phone = PhoneFactory(**{"created_at": long_ago, "last_attempt_at": long_ago, **fields})
    return phone


def purge_first(call: PlannedCall) -> str:
    """Stand in for a purge between the look at a number and the claim on it."""
    assert purge(now=timezone.now()).phones == 1
    return "allow"


class TestVerifications:
    def test_what_is_older_than_keep_goes_with_its_attempts(self, now: datetime) -> None:
        old = AttemptFactory(verification__created_at=now - KEEP - MOMENT).verification
        young = AttemptFactory(verification__created_at=now - KEEP).verification
        AttemptFactory(verification=old)

        assert purge(now=now).verifications == 1
        assert Verification.objects.get() == young
        assert VerificationAttempt.objects.get().verification == young

    def test_keep_is_a_setting(self, now: datetime, flashcall: Any) -> None:
        flashcall(KEEP=timedelta(days=31))
        VerificationFactory(created_at=now - timedelta(days=32))

        assert purge(now=now).verifications == 1

    def test_the_sums_of_the_days_stay_and_the_hours_of_blocks_go(self, now: datetime) -> None:
        day = UsageFactory(scope="", since=now - 2 * KEEP, units=3500)
        UsageFactory(scope="+7999123", since=now - 2 * KEEP)
        hour = UsageFactory(scope="+7999123", since=now - KEEP)

        assert purge(now=now).hours == 1
        assert set(Usage.objects.all()) == {day, hour}
        day.refresh_from_db()
        assert day.spent == Decimal("0.35")

    def test_what_limits_count_stays_whatever_the_settings_say(
        self, now: datetime, flashcall: Any
    ) -> None:
        flashcall(KEEP=timedelta(days=1))
        VerificationFactory(created_at=now - timedelta(days=31))

        assert purge(now=now).verifications == 0


class TestNumbers:
    def test_a_number_goes_with_the_last_that_was_asked_of_it(self, now: datetime) -> None:
        phone = old_phone(now)
        VerificationFactory(phone=phone, created_at=phone.last_attempt_at)

        assert purge(now=now) == Purged(verifications=1, phones=1, hours=0)
        assert not Phone.objects.exists()

    @pytest.mark.parametrize(
        "why", ["blocked_at", "created_at", "last_attempt_at", "verified_at", "released_at"]
    )
    def test_a_number_stays_that_something_happened_to_lately(
        self, now: datetime, why: str
    ) -> None:
        old_phone(now, **{why: now - KEEP})

        assert purge(now=now).phones == 0

    def test_a_number_stays_while_it_has_a_user(self, now: datetime) -> None:
        old_phone(now, user=UserFactory(), verified_at=now - 2 * KEEP)

        assert purge(now=now).phones == 0

    def test_a_blocked_number_stays_blocked_for_ever(self, now: datetime) -> None:
        old_phone(now, blocked_at=now - 10 * KEEP)

        assert purge(now=now).phones == 0

    def test_a_number_stays_while_a_verification_does(self, now: datetime) -> None:
        VerificationFactory(phone=old_phone(now), created_at=now - KEEP)

        assert purge(now=now) == Purged(verifications=0, phones=0, hours=0)

    @pytest.mark.parametrize(("field", "gone"), [("", 2), ("username", 0)])
    def test_a_number_that_lost_user_stays_where_users_type_numbers(
        self, now: datetime, flashcall: Any, field: str, gone: int
    ) -> None:
        flashcall(USER_PHONE_FIELD=field)
        old_phone(now, verified_at=now - 2 * KEEP)
        old_phone(now, released_at=now - 2 * KEEP)

        assert purge(now=now).phones == gone


class TestBatches:
    def test_all_batches_are_purged(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(purging, "BATCH", 2)
        for n in range(5):
            VerificationFactory(phone=old_phone(now), created_at=now - KEEP - MOMENT)
            UsageFactory(scope=f"+7999{n}", since=now - KEEP - MOMENT)

        assert purge(now=now) == Purged(verifications=5, phones=5, hours=5)

    def test_as_many_statements_serve_many_rows(self, now: datetime) -> None:
        counts = []
        for many in (1, 50):
            for _ in range(many):
                VerificationFactory(phone=old_phone(now), created_at=now - KEEP - MOMENT)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                purge(now=now)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_nothing_is_left_to_purge_twice(self, now: datetime) -> None:
        VerificationFactory(phone=old_phone(now), created_at=now - KEEP - MOMENT)
        purge(now=now)

        assert purge(now=now) == Purged(verifications=0, phones=0, hours=0)


class TestRowsOfTheSite:
    def test_a_number_that_a_row_of_the_site_names_stays(self, now: datetime) -> None:
        named = old_phone(now)
        old_phone(now)
        Entry.objects.create(phone=named)

        assert purge(now=now).phones == 1
        assert Phone.objects.get() == named

    def test_what_a_row_of_the_site_protects_stays_and_keeps_nothing_else(
        self, now: datetime
    ) -> None:
        old = {
            "verification__created_at": now - KEEP - MOMENT,
            "verification__address": "203.0.113.7",
        }
        attempts = [AttemptFactory(**old) for _ in range(5)]
        Receipt.objects.create(attempt=attempts[2])
        old_phone(now)

        assert purge(now=now).verifications == 4
        assert VerificationAttempt.objects.get() == attempts[2]
        assert Verification.objects.get().address == "203.0.113.7"
        assert purge(now=now).verifications == 0


class TestMeanwhile:
    def test_numbers_are_forgotten_by_one_statement(
        self, now: datetime, django_assert_num_queries: Any
    ) -> None:
        old_phone(now)
        with django_assert_num_queries(1):
            Phone.objects.forgettable(before=now - KEEP).forget()

    def test_a_page_whose_call_is_purged_meanwhile_begins_anew(
        self, now: datetime, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = services.start_verification("+79991234567", purpose="login", visitor=visitor)
        Verification.objects.all().delete()

        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=visitor)

    def test_a_number_that_is_called_meanwhile_is_not_forgotten(self, now: datetime) -> None:
        phone = old_phone(now)
        doomed = Phone.objects.forgettable(before=now - KEEP).filter(pk=phone.pk)
        Phone.objects.filter(pk=phone.pk).claim_call(now=now, cooldown=timedelta(0))

        assert doomed.forget() == 0

    def test_a_number_that_is_purged_meanwhile_is_called_as_a_new_one(
        self, now: datetime, outbox: Outbox, flashcall: Any, visitor: Visitor
    ) -> None:
        old = old_phone(now, number="+79991234567")
        flashcall(BEFORE_CALL=f"{__name__}.purge_first")

        verification = services.start_verification("+79991234567", purpose="login", visitor=visitor)

        assert not Phone.objects.filter(pk=old.pk).exists()
        assert len(outbox) == verification.attempts.count() == 1
        assert services.check_code(verification, outbox[0].code, visitor=visitor)

    def test_what_is_deleted_is_locked_first(self, now: datetime) -> None:
        VerificationFactory(phone=old_phone(now), created_at=now - KEEP - MOMENT)

        with CaptureQueriesContext(connection) as captured:
            purge(now=now)

        statements = [query["sql"].split(" ")[0] for query in captured.captured_queries]
        begun = [after for before, after in itertools.pairwise(statements) if before == "BEGIN"]
        assert "SELECT" not in begun

    def test_what_another_purge_took_meanwhile_counts_nothing(self, now: datetime) -> None:
        assert purging._delete_verifications([10**9]) == 0

    def test_no_row_is_looked_at_twice(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(purging, "BATCH", 2)
        for number in range(4):
            old_phone(now, number=f"+7999123456{number}")

        keys = Phone.objects.order_by("pk").values_list("pk", flat=True)
        assert list(purging._batches(Phone.objects.all())) == [list(keys[:2]), list(keys[2:])]


class TestCommand:
    def test_the_command_says_what_is_gone(self, now: datetime) -> None:
        VerificationFactory(phone=old_phone(now), created_at=now - KEEP - MOMENT)
        output = StringIO()

        call_command("flashcall_purge", stdout=output)

        assert output.getvalue() == "Deleted: 1 verifications, 1 numbers, 0 hours of blocks.\n"

    def test_who_asks_again_after_the_purge_is_called(
        self, outbox: Outbox, visitor: Visitor
    ) -> None:
        with time_machine.travel(timezone.now(), tick=False) as clock:
            services.start_verification("+79991234567", purpose="login", visitor=visitor)
            clock.shift(KEEP + MOMENT)
            assert purge(now=timezone.now()) == Purged(verifications=1, phones=1, hours=1)
            services.start_verification("+79991234567", purpose="login", visitor=visitor)
        assert len(outbox) == 2
