"""Check the databases and caches of the site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.core.checks import CheckMessage, Warning
from django.db import connections, router

#: The session engines that store sessions in a table.
TABLE_SESSIONS = {f"django.contrib.sessions.backends.{name}" for name in ("db", "cached_db")}


def check_isolation(**kwargs: Any) -> list[CheckMessage]:
    """Warn about an isolation level at which parallel starts fail to serialise."""
    levels = {
        alias: database["OPTIONS"]["isolation_level"]
        for alias, database in connections.settings.items()
        if "isolation_level" in database.get("OPTIONS", {})
    }
    return [
        Warning(
            f"The database {alias!r} does not use READ COMMITTED, the isolation level that "
            "django_flashcall supports.",
            hint="Remove isolation_level from its OPTIONS. READ COMMITTED is Django's default.",
            id="django_flashcall.W003",
        )
        for alias, level in levels.items()
        if _level_name(level) != "read committed"
    ]


def check_replicas(**kwargs: Any) -> list[CheckMessage]:
    """Warn about sessions and caches that the router reads from a replica."""
    return [
        Warning(
            f"The router writes {name} to {router.db_for_write(model)!r}, but reads from "
            f"{router.db_for_read(model)!r}, so a page may not find what an earlier one stored.",
            hint="Let db_for_read() of the router name the database that it writes to.",
            id="django_flashcall.W014",
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
        if database["ENGINE"].endswith(".sqlite3")
        and database.get("OPTIONS", {}).get("transaction_mode") != "IMMEDIATE"
    ]


def check_caches() -> list[CheckMessage]:
    """Warn about caches that processes do not share."""
    per_process = [alias for alias in _used_caches() if _is_per_process(alias)]
    return [
        Warning(
            f"The cache {alias!r} is not shared between processes, so each process counts rates, "
            "pauses and alarms separately.",
            hint="Use Redis or Memcached. The limits per number and on spending do not need it.",
            id="django_flashcall.W007",
        )
        for alias in per_process
    ]


def _shared_tables() -> Iterator[tuple[str, Any]]:
    """Yield the tables of Django in which one page finds what another one stored."""
    in_table = settings.SESSION_ENGINE in TABLE_SESSIONS
    if in_table and apps.is_installed("django.contrib.sessions"):
        yield "sessions", apps.get_model("sessions", "Session")
    for alias in _used_caches():
        if _kind_of_cache(alias) == "DatabaseCache":
            cache: Any = caches[alias]
            yield f"the cache {alias!r}", cache.cache_model_class


def _used_caches() -> list[str]:
    return sorted({"default", getattr(settings, "RATELIMIT_USE_CACHE", "default")})


def _is_per_process(alias: str) -> bool:
    return _kind_of_cache(alias) in ("LocMemCache", "DummyCache")


def _kind_of_cache(alias: str) -> str:
    backend: str = settings.CACHES.get(alias, {}).get("BACKEND", "")
    return backend.rsplit(".", 1)[-1]


def _level_name(level: Any) -> str:
    return str(getattr(level, "name", level)).replace("_", " ").lower()
