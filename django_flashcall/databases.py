"""Databases: which one is read, and transactions of our own.

Decisions are read where they are written. Our transactions commit by themselves, and cannot begin
inside another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Manager, Model, QuerySet

from .exceptions import TransactionOpen

M = TypeVar("M", bound=Model)
P = ParamSpec("P")
T = TypeVar("T")

#: Deadlocks, lock timeouts and serialisation failures, after which the transaction can be repeated.
#: MariaDB and MySQL have error numbers (1020: the row changed since it was read), PostgreSQL has
#: SQLSTATE codes.
REPEATABLE = frozenset({1020, 1205, 1213, "40001", "40P01"})

MAX_REPEATS = 3

OPEN_TRANSACTION = (
    "django_flashcall writes its record in its own transactions, so that a later error in the "
    "calling code cannot undo a counted check or a billed call. A transaction is open on the "
    "database {alias!r}. Call it outside of transaction.atomic(). With ATOMIC_REQUESTS, decorate "
    "the view with django.db.transaction.non_atomic_requests(using={alias!r}), or make "
    "django_flashcall.decorators.NonAtomicMixin its first base class."
)


class WrittenQuerySet(QuerySet[M]):
    """Reads from the database that the router writes to, unless ``using()`` names another one."""

    _db: str | None
    _hints: dict[str, Any]

    @property
    def db(self) -> str:
        """The database of the next query."""
        # SECURITY: a read replica may be behind. A limit that is counted there allows too many
        # calls, and a code that was used there can be used again.
        return self._db or router.db_for_write(self.model, **self._hints)


def written_users() -> Manager[Any]:
    """Return the site's manager of users, for the database that the router writes to."""
    user_model = get_user_model()
    return user_model._default_manager.db_manager(router.db_for_write(user_model))


def written_user(user: Any) -> Any:
    """Return ``user`` as they are in the database that the router writes to; ``None`` if deleted.

    Nothing is read if ``user`` comes from there.
    """
    is_behind = user._state.db != router.db_for_write(get_user_model())
    return written_users().filter(pk=user.pk).first() if is_behind else user


def non_atomic(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a view so that ``ATOMIC_REQUESTS`` of no database applies to it.

    ``django.db.transaction.non_atomic_requests`` is for one database.
    """
    # SECURITY: a later error must not undo a counted check or a billed call.
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@contextmanager
def own_transaction(model: type[Model]) -> Iterator[None]:
    """Open a transaction on the database of ``model``; raise ``TransactionOpen`` inside another."""
    refuse_open_transaction(model)
    with transaction.atomic(using=router.db_for_write(model), durable=True):
        yield


def in_own_transaction(model: type[Model]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function to run in one transaction, and to be repeated after a deadlock.

    It must have no effect outside the database.
    """

    def decorate(work: Callable[P, T]) -> Callable[P, T]:
        @wraps(work)
        def durable(*args: P.args, **kwargs: P.kwargs) -> T:
            return repeat_on_deadlock(partial(committed, *args, **kwargs))

        def committed(*args: P.args, **kwargs: P.kwargs) -> T:
            with own_transaction(model):
                return work(*args, **kwargs)

        return durable

    return decorate


def refuse_open_transaction(model: type[Model]) -> None:
    """Raise ``TransactionOpen`` inside the caller's transaction, except that of a ``TestCase``.

    This is the rule of ``atomic(durable=True)``, applied without beginning a transaction. It also
    refuses a connection without autocommit.
    """
    alias = router.db_for_write(model)
    connection = connections[alias]
    blocks = connection.atomic_blocks
    is_own = getattr(blocks[-1], "_from_testcase", False) if blocks else connection.get_autocommit()
    if not is_own:
        raise TransactionOpen(OPEN_TRANSACTION.format(alias=alias))


def repeat_on_deadlock(work: Callable[[], T]) -> T:
    """Run ``work``, which is one transaction, and repeat it after a deadlock.

    ``work`` must have no effect outside the database.
    """
    for _ in range(MAX_REPEATS):
        try:
            return work()
        except OperationalError as error:
            if error_number(error) not in REPEATABLE:
                raise
    return work()


def outlive_connection(work: Callable[[], T], *, model: type[Model]) -> T:
    """Run ``work``, and run it again on another connection if the first one is dead.

    After a restart of the server, all connections of a pool are dead, so ``work`` runs again once
    for each of them. Running it again must have the same effect, since a connection may die after
    the commit.
    """
    connection = connections[router.db_for_write(model)]
    for _ in range(_max_dead(connection)):
        connection.ensure_connection()
        current = connection.connection
        try:
            return work()
        except (InterfaceError, OperationalError):
            # ``atomic()`` may have closed a dead connection already.
            if connection.connection is current and connection.is_usable():
                raise
            connection.close()
    return work()


def _max_dead(connection: BaseDatabaseWrapper) -> int:
    """Return how many connections in a row may be dead: all of the pool, or one without a pool."""
    pool = getattr(connection, "pool", None)  # only on PostgreSQL
    return pool.max_size if pool else 1


def error_number(error: OperationalError) -> int | str | None:
    """Return the error number of MariaDB, or the SQLSTATE of PostgreSQL."""
    cause = error.__cause__
    sqlstate = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return sqlstate or (error.args[0] if error.args else None)
