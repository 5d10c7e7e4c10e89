"""Transactions that belong to the services: they commit by themselves, or refuse to begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.db.models import Model
from django.views.decorators.debug import sensitive_variables

from .exceptions import TransactionOpen

P = ParamSpec("P")
T = TypeVar("T")

#: Deadlocks, lock time-outs and serialisation failures: the same transaction may work next time.
#: MariaDB and MySQL number them (1020: the row changed since it was read), PostgreSQL has SQLSTATE.
REPEATABLE = frozenset({1020, 1205, 1213, "40001", "40P01"})

REPEATS = 3

CURE = (
    "django_flashcall keeps its record in transactions of its own, so that a later error of the "
    "caller cannot undo a check that was counted or a call that was billed. Call it outside of "
    "transaction.atomic(); under ATOMIC_REQUESTS decorate the view with "
    "django.db.transaction.non_atomic_requests, or let it derive from "
    "django_flashcall.decorators.NonAtomicMixin first."
)


@contextmanager
def own_transaction(model: type[Model]) -> Iterator[None]:
    """Open a transaction on the database of ``model``; inside another raise ``TransactionOpen``."""
    refuse_open_transaction(model)
    with transaction.atomic(using=router.db_for_write(model), durable=True):
        yield


def in_own_transaction(model: type[Model]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function that is a whole transaction, to be repeated when the database asks.

    It must do nothing outside the database.
    """

    def decorate(work: Callable[P, T]) -> Callable[P, T]:
        @wraps(work)
        @sensitive_variables()
        def durable(*args: P.args, **kwargs: P.kwargs) -> T:
            return repeat_on_deadlock(partial(committed, *args, **kwargs))

        @sensitive_variables()
        def committed(*args: P.args, **kwargs: P.kwargs) -> T:
            with own_transaction(model):
                return work(*args, **kwargs)

        return durable

    return decorate


def refuse_open_transaction(model: type[Model]) -> None:
    """Raise ``TransactionOpen`` inside a transaction of the caller's, but not of a ``TestCase``.

    This is how ``atomic(durable=True)`` judges, asked without beginning a transaction; it does
    not see a connection without autocommit, where everything is one.
    """
    connection = connections[router.db_for_write(model)]
    blocks = connection.atomic_blocks
    is_own = getattr(blocks[-1], "_from_testcase", False) if blocks else connection.get_autocommit()
    if not is_own:
        raise TransactionOpen(CURE)


@sensitive_variables()
def repeat_on_deadlock(work: Callable[[], T]) -> T:
    """Run ``work``, a whole transaction, and run it again where the database asks for that.

    ``work`` must do nothing outside the database.
    """
    for _ in range(REPEATS):
        try:
            return work()
        except OperationalError as error:
            if not REPEATABLE & {error_number(error)}:
                raise
    return work()


@sensitive_variables()
def outlive_connection(work: Callable[[], T], *, model: type[Model]) -> T:
    """Run ``work``, and once more by a new connection if the old one has died meanwhile.

    It must be worth the same if it runs twice: a connection may die after the commit.
    """
    connection = connections[router.db_for_write(model)]
    old = connection.connection
    try:
        return work()
    except (InterfaceError, OperationalError):
        # Another connection by now: ``atomic()`` has thrown a dead one away already.
        if connection.connection is old and connection.is_usable():
            raise
        connection.close()
        return work()


def error_number(error: OperationalError) -> int | str | None:
    """Return the database's own number of ``error``: MariaDB's code or PostgreSQL's SQLSTATE."""
    cause = error.__cause__
    sqlstate = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return sqlstate or (error.args[0] if error.args else None)
