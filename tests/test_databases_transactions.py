"""Tests."""

from __future__ import annotations

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from django_flashcall.databases import (
    error_number,
    outlive_connection,
    own_transaction,
    refuse_open_transaction,
    repeat_on_deadlock,
)
from django_flashcall.exceptions import TransactionOpen
from django_flashcall.models import Phone
from tests.factories import PhoneFactory


class Unlucky:
    """Work that fails ``times`` times before it succeeds."""

    def __init__(self, error: Exception, *, times: int) -> None:
        self.error = error
        self.times = times
        self.runs = 0

    def __call__(self) -> str:
        self.runs += 1
        if self.runs <= self.times:
            raise self.error
        return "done"


class PostgresqlError(Exception):
    """What psycopg raises beneath Django's error."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def postgresql(sqlstate: str) -> OperationalError:
    error = OperationalError("the text is in the server's language")
    error.__cause__ = PostgresqlError(sqlstate)
    return error


def cut_off(work: Unlucky) -> str:
    """Do ``work`` on a connection that ends if it fails."""
    try:
        return work()
    except OperationalError:
        connection.close()
        raise


REPEATED = [
    pytest.param(OperationalError(1213, "Deadlock found"), 1213, id="MariaDB: deadlock"),
    pytest.param(OperationalError(1205, "Lock wait timeout"), 1205, id="MariaDB: lock time-out"),
    pytest.param(OperationalError(1020, "Record has changed"), 1020, id="MariaDB: row changed"),
    pytest.param(postgresql("40P01"), "40P01", id="PostgreSQL: deadlock"),
    pytest.param(postgresql("40001"), "40001", id="PostgreSQL: serialisation"),
]


class Deadlock:
    """A transaction that the database itself aborts ``times`` times before it commits."""

    def __init__(self, sql: str, *, times: int) -> None:
        self.sql = sql
        self.times = times
        self.runs = 0

    def __call__(self) -> None:
        self.runs += 1
        with own_transaction(Phone):
            PhoneFactory()
            if self.runs <= self.times:
                with connection.cursor() as cursor:
                    cursor.execute(self.sql)


def assert_repeated(sql: str) -> None:
    work = Deadlock(sql, times=2)

    repeat_on_deadlock(work)

    assert work.runs == 3
    assert Phone.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestOwnTransaction:
    def test_commits_by_itself(self) -> None:
        with own_transaction(Phone):
            PhoneFactory()

        assert not connection.in_atomic_block
        assert Phone.objects.count() == 1

    def test_is_rolled_back_by_an_error(self) -> None:
        with pytest.raises(ZeroDivisionError), own_transaction(Phone):
            PhoneFactory()
            raise ZeroDivisionError

        assert Phone.objects.count() == 0

    def test_refuses_to_begin_inside_another_and_says_what_to_do(self) -> None:
        with (
            transaction.atomic(),
            pytest.raises(TransactionOpen, match="non_atomic_requests"),
            own_transaction(Phone),
        ):
            pytest.fail("it began")

    def test_refuses_to_begin_inside_its_own_kind(self) -> None:
        with own_transaction(Phone), pytest.raises(TransactionOpen), own_transaction(Phone):
            pytest.fail("it began")

    def test_can_be_refused_before_it_is_needed(self) -> None:
        refuse_open_transaction(Phone)

        with transaction.atomic(), pytest.raises(TransactionOpen):
            refuse_open_transaction(Phone)

    def test_leaves_a_runtime_error_of_the_work_as_it_is(self) -> None:
        with pytest.raises(RuntimeError, match="of the work") as caught, own_transaction(Phone):
            raise RuntimeError("of the work")

        assert not isinstance(caught.value, TransactionOpen)


class TestCallers:
    @pytest.mark.django_db
    def test_a_transaction_of_a_test_case_is_no_callers_transaction(self) -> None:
        refuse_open_transaction(Phone)
        with own_transaction(Phone):
            PhoneFactory()

        assert Phone.objects.count() == 1

    @pytest.mark.django_db
    def test_a_callers_block_within_a_test_case_is_one(self) -> None:
        with transaction.atomic(), pytest.raises(TransactionOpen):
            refuse_open_transaction(Phone)


class TestRepeating:
    def test_returns_what_the_work_returns(self) -> None:
        assert repeat_on_deadlock(lambda: 7) == 7

    @pytest.mark.parametrize(("error", "number"), REPEATED)
    def test_runs_the_work_again_where_the_database_asks_for_it(
        self, error: OperationalError, number: int | str
    ) -> None:
        work = Unlucky(error, times=1)

        assert error_number(error) == number
        assert repeat_on_deadlock(work) == "done"
        assert work.runs == 2

    def test_runs_the_work_again_three_times_at_most(self) -> None:
        lucky = Unlucky(OperationalError(1213, "Deadlock found"), times=3)
        unlucky = Unlucky(OperationalError(1213, "Deadlock found"), times=4)

        assert repeat_on_deadlock(lucky) == "done"
        with pytest.raises(OperationalError, match="1213"):
            repeat_on_deadlock(unlucky)
        assert (lucky.runs, unlucky.runs) == (4, 4)

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(OperationalError(2006, "Server has gone away"), id="MariaDB: gone"),
            pytest.param(OperationalError("database is locked"), id="SQLite: locked"),
            pytest.param(OperationalError(), id="nothing said"),
            pytest.param(postgresql("57P01"), id="PostgreSQL: shut down"),
            pytest.param(ProgrammingError(1213, "not operational"), id="another kind"),
            pytest.param(ValueError(1213), id="no database error"),
        ],
    )
    def test_does_not_repeat_what_would_fail_again(self, error: Exception) -> None:
        work = Unlucky(error, times=1)

        with pytest.raises(type(error)) as caught:
            repeat_on_deadlock(work)

        assert caught.value is error
        assert work.runs == 1


@pytest.mark.django_db(transaction=True)
class TestOutliving:
    def test_runs_the_work_again_on_another_connection(self) -> None:
        work = Unlucky(OperationalError(2006, "Server has gone away"), times=1)

        assert outlive_connection(lambda: cut_off(work), model=Phone) == "done"
        assert work.runs == 2

    def test_without_a_pool_one_connection_is_dead_at_most(self) -> None:
        work = Unlucky(OperationalError(2006, "Server has gone away"), times=2)

        with pytest.raises(OperationalError, match="gone away"):
            outlive_connection(lambda: cut_off(work), model=Phone)
        assert work.runs == 2

    def test_raises_an_error_on_a_live_connection_at_once(self) -> None:
        work = Unlucky(OperationalError("disk full"), times=1)

        with pytest.raises(OperationalError, match="disk full"):
            outlive_connection(work, model=Phone)
        assert work.runs == 1


class TestAborts:
    @pytest.mark.skipif(
        connection.vendor != "postgresql",
        reason="PostgreSQL's own errors: set FLASHCALL_TEST_DATABASE=postgresql",
    )
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
    def test_an_abort_by_postgresql_is_repeated_and_leaves_one_row(self, sqlstate: str) -> None:
        assert_repeated(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")

    @pytest.mark.skipif(
        connection.vendor != "mysql",
        reason="MariaDB's own errors: set FLASHCALL_TEST_DATABASE=mariadb",
    )
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("number", [1213, 1205, 1020])
    def test_an_abort_by_mariadb_is_repeated_and_leaves_one_row(self, number: int) -> None:
        assert_repeated(f"SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = {number}")
