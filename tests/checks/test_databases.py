"""System checks of databases."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from django.db import connections

from django_flashcall.checks.databases import check_isolation, check_replicas
from tests.checks.messages import ids


class IsolationLevel(IntEnum):
    """The levels as psycopg names them, which need not be installed."""

    READ_COMMITTED = 2
    REPEATABLE_READ = 3
    SERIALIZABLE = 4


def add_replica(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    database = {"ENGINE": "django.db.backends.mysql", "OPTIONS": options}
    monkeypatch.setitem(connections.settings, "replica", database)


class TestIsolation:
    @pytest.mark.parametrize(
        "level",
        ["read committed", "READ COMMITTED", "read_committed", IsolationLevel.READ_COMMITTED],
    )
    def test_may_be_read_committed(self, monkeypatch: pytest.MonkeyPatch, level: Any) -> None:
        add_replica(monkeypatch, isolation_level=level)

        assert check_isolation() == []

    def test_may_be_left_to_django(self, monkeypatch: pytest.MonkeyPatch) -> None:
        add_replica(monkeypatch)

        assert check_isolation() == []

    @pytest.mark.parametrize(
        "level",
        [
            "repeatable read",
            "REPEATABLE READ",
            "serializable",
            IsolationLevel.REPEATABLE_READ,
            IsolationLevel.SERIALIZABLE,
            None,  # MariaDB: "whatever the server has", which is REPEATABLE READ
        ],
    )
    def test_w003_warns_of_another_level(self, monkeypatch: pytest.MonkeyPatch, level: Any) -> None:
        add_replica(monkeypatch, isolation_level=level)

        [message] = check_isolation()

        assert ids([message]) == ["W003"]
        assert "'replica'" in message.msg


class EverythingFromReplica:
    """A router that reads all tables from a replica."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the replica."""
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return another database."""
        return "default"


class TestReplicas:
    @pytest.fixture(autouse=True)
    def router(self, settings: Any) -> None:
        settings.DATABASE_ROUTERS = [EverythingFromReplica()]
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    def test_may_be_read_for_everything_else(self) -> None:
        assert check_replicas() == []

    @pytest.mark.parametrize("name", ["db", "cached_db"])
    def test_w013_warns_if_they_are_read_for_sessions(self, name: str, settings: Any) -> None:
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"

        [message] = check_replicas()

        assert ids([message]) == ["W013"]
        assert "writes sessions to 'default', but reads from 'replica'" in message.msg

    def test_w013_warns_if_they_are_read_for_a_cache(self, settings: Any) -> None:
        table = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cached"}
        settings.CACHES = {**settings.CACHES, "rates": table}
        settings.RATELIMIT_USE_CACHE = "rates"

        [message] = check_replicas()

        assert "writes the cache 'rates' to 'default'" in message.msg

    def test_are_not_blamed_where_the_router_reads_what_it_writes(self, settings: Any) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
        settings.DATABASE_ROUTERS = ["tests.routers.ReplicaRouter"]

        assert check_replicas() == []
