"""Several databases: decisions are read where they are written, and views have no transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import connections, router, transaction
from django.db.models import Manager, Model, QuerySet

M = TypeVar("M", bound=Model)


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
