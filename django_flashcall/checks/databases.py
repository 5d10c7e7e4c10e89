"""Check the databases and caches of the site."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.db import connections


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
    aliases = {"default", getattr(settings, "RATELIMIT_USE_CACHE", "default")}
    per_process = [alias for alias in sorted(aliases) if _is_per_process(alias)]
    return [
        Warning(
            f"The cache {alias!r} is not shared between processes, so each process counts rates, "
            "pauses and alarms separately.",
            hint="Use Redis or Memcached. The limits per number and on spending do not need it.",
            id="django_flashcall.W007",
        )
        for alias in per_process
    ]


def _is_per_process(alias: str) -> bool:
    backend = settings.CACHES.get(alias, {}).get("BACKEND", "")
    return backend.rsplit(".", 1)[-1] in ("LocMemCache", "DummyCache")


def _level_name(level: Any) -> str:
    return str(getattr(level, "name", level)).replace("_", " ").lower()
