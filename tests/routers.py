"""Routers of sites with several databases, and the backend that a site with a replica needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend

WRITTEN, REPLICA, BROKEN = "default", "replica", "broken"

reads_written = ContextVar("reads_written", default=False)


class ReplicaRouter:
    """Reads our rows and the users from a replica, except the user of a row, for the tests."""

    def db_for_read(self, model: Any, instance: Any = None, **hints: Any) -> str:
        """Return the replica."""
        is_users = model is get_user_model()
        if reads_written.get() or (is_users and instance is not None):
            return WRITTEN
        return REPLICA if is_users or model._meta.app_label == "django_flashcall" else WRITTEN

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return the database that the replica copies."""
        return WRITTEN

    def allow_relation(self, *rows: Any, **hints: Any) -> bool:
        """Allow relations, since both have the same rows."""
        return True


class StrictRouter(ReplicaRouter):
    """Reads the users of rows from a replica, too, and that replica is broken."""

    def db_for_read(self, model: Any, instance: Any = None, **hints: Any) -> str:
        """Return the broken replica."""
        return BROKEN if super().db_for_read(model) == REPLICA else WRITTEN


class MainRouter:
    """Reads and writes everything in the database ``main``."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return it."""
        return "main"

    db_for_write = db_for_read


@contextmanager
def reading_written() -> Iterator[None]:
    """Read everything where it is written."""
    token = reads_written.set(True)
    yield
    reads_written.reset(token)


class WrittenModelBackend(ModelBackend):
    """Reads users where they are written."""

    def authenticate(self, *args: Any, **credentials: Any) -> Any:
        """Return the user with this name and password."""
        with reading_written():
            return super().authenticate(*args, **credentials)

    def get_user(self, user_id: Any) -> Any:
        """Return the user of a session."""
        with reading_written():
            return super().get_user(user_id)
