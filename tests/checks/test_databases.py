"""System checks of databases."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from django.db import connections

from django_flashcall.checks.databases import check_isolation
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
