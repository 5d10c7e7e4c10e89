"""Check the databases and caches of the site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.core.checks import CheckMessage, Warning
from django.db import connections, router

from ..conf import read_setting, satisfies
from .others import is_cache

#: The session engines that store sessions in a table.
TABLE_SESSIONS = {f"django.contrib.sessions.backends.{name}" for name in ("db", "cached_db")}

#: No value, not even ``None``.
UNSET = object()


def check_isolation(**kwargs: Any) -> list[CheckMessage]:
    """Warn about an isolation level at which parallel starts fail to serialise."""
    return [
        Warning(
            f"The database {alias!r} does not use READ COMMITTED, the isolation level that "
            "django_flashcall supports.",
            hint="Remove isolation_level from its OPTIONS. READ COMMITTED is Django's default.",
            id="django_flashcall.W003",
        )
        for alias, database in connections.settings.items()
        if not satisfies(_is_read_committed, _read(_read(database, "OPTIONS"), "isolation_level"))
    ]


def check_replicas(**kwargs: Any) -> list[CheckMessage]:
    """Warn about sessions and caches that the router reads from a replica."""
    return [
        Warning(
            f"The router writes {name} to {router.db_for_write(model)!r}, but reads from "
            f"{router.db_for_read(model)!r}, so a page may not find what an earlier one stored.",
            hint="Let db_for_read() of the router name the database that it writes to.",
            id="django_flashcall.W013",
        )
        for name, model in _shared_tables()
        if router.db_for_read(model) != router.db_for_write(model)
    ]


def check_sqlite() -> list[CheckMessage]:
    """Warn about SQLite databases on which parallel visitors get "database is locked"."""
    return [
        Warning(
            f"The database {alias!r} is SQLite and does not begin transactions as IMMEDIATE, so "
            "parallel visitors get “database is locked”.",
            hint='Set "transaction_mode": "IMMEDIATE" and "timeout": 20 in its OPTIONS.',
            id="django_flashcall.W009",
        )
        for alias, database in connections.settings.items()
        if satisfies(_is_sqlite, _read(database, "ENGINE"))
        and not satisfies(_is_immediate, _read(_read(database, "OPTIONS"), "transaction_mode"))
    ]


def check_caches() -> list[CheckMessage]:
    """Warn about caches that processes do not share."""
    return [
        Warning(
            f"The cache {alias!r} is not shared between processes, so each process counts rates, "
            "pauses and alarms separately.",
            hint="Use Redis or Memcached. The limits per number and on spending do not need it.",
            id="django_flashcall.W007",
        )
        for alias in _used_caches()
        if satisfies(_is_per_process, _cache_class(alias))
    ]


def _shared_tables() -> Iterator[tuple[str, Any]]:
    """Yield the tables of Django in which one page finds what another one stored."""
    in_table = satisfies(TABLE_SESSIONS.__contains__, read_setting("SESSION_ENGINE", default=""))
    if in_table and apps.is_installed("django.contrib.sessions"):
        yield "sessions", apps.get_model("sessions", "Session")
    for alias in _used_caches():
        if satisfies(_is_in_table, _cache_class(alias)):
            cache: Any = caches[alias]
            yield f"the cache {alias!r}", cache.cache_model_class


def _used_caches() -> list[str]:
    rates = read_setting("RATELIMIT_USE_CACHE", default="default")
    return sorted({"default", rates} if satisfies(is_cache, rates) else {"default"})


def _cache_class(alias: str) -> Any:
    return _read(_read(settings.CACHES, alias), "BACKEND")


def _is_read_committed(level: Any) -> bool:
    name = str(getattr(level, "name", level))
    return level is UNSET or name.replace("_", " ").lower() == "read committed"


def _is_sqlite(engine: str) -> bool:
    return engine.endswith(".sqlite3")


def _is_immediate(mode: Any) -> bool:
    return isinstance(mode, str) and mode == "IMMEDIATE"


def _is_per_process(backend: str) -> bool:
    return backend.rsplit(".", 1)[-1] in ("LocMemCache", "DummyCache")


def _is_in_table(backend: str) -> bool:
    return backend.rsplit(".", 1)[-1] == "DatabaseCache"


def _read(values: Any, key: str) -> Any:
    """Return a value of a dict, ``UNSET`` if there is none, or if it is no dict."""
    # By the type, and by the method of ``dict``: a broken setting may do and raise anything.
    return dict.get(values, key, UNSET) if issubclass(type(values), dict) else UNSET
