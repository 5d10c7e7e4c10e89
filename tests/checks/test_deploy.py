"""System checks of what matters in production."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from django_flashcall.checks.deploy import check_deploy
from django_flashcall.checks.settings import check_settings
from django_flashcall.phone import SUPPORTED_REGIONS
from tests.checks.messages import ids
from tests.constants import MOBILGROUP


@pytest.fixture
def guarded(flashcall: Any, settings: Any) -> None:
    """Set a cap on money and calls, and a cache that processes share."""
    flashcall(DAILY_SPEND=Decimal("500"), SITE_DAILY_ATTEMPTS=1000)
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}
    settings.CACHES = {"default": redis}


class TestProduction:
    @pytest.fixture(autouse=True)
    def real(self, flashcall: Any, guarded: None) -> None:
        flashcall(PROVIDER=MOBILGROUP, OPTIONS={"api_key": "key"})

    @pytest.mark.parametrize("key", ["DAILY_SPEND", "SITE_DAILY_ATTEMPTS"])
    def test_w006_asks_for_a_cap(self, flashcall: Any, key: str) -> None:
        assert ids(check_deploy()) == []
        flashcall(**{key: None})

        assert ids(check_deploy()) == ["W006"]

    def test_w008_asks_for_countries(self, flashcall: Any) -> None:
        flashcall(REGIONS=sorted(SUPPORTED_REGIONS))

        assert ids(check_deploy()) == ["W008"]

    @pytest.mark.parametrize(
        ("options", "expected"), [({}, ["W009"]), ({"transaction_mode": "IMMEDIATE"}, [])]
    )
    def test_w009_asks_sqlite_to_lock_at_once(
        self, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], expected: list[str]
    ) -> None:
        database = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": options}
        monkeypatch.setitem(connections.settings, "replica", database)
        assert ids(check_deploy()) == expected

    @pytest.mark.parametrize("alias", ["default", "rates"])
    @pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
    def test_w007_asks_for_a_cache_that_is_shared(
        self, settings: Any, alias: str, backend: str
    ) -> None:
        lonely = {"BACKEND": f"django.core.cache.backends.{backend}"}
        settings.CACHES = {**settings.CACHES, alias: lonely}
        settings.RATELIMIT_USE_CACHE = alias

        [message] = check_deploy()

        assert ids([message]) == ["W007"]
        assert repr(alias) in message.msg


@pytest.mark.usefixtures("guarded")
class TestDeploy:
    @pytest.mark.parametrize(
        ("provider", "options", "expected"),
        [
            ("django_flashcall.providers.console.ConsoleProvider", {}, ["E010"]),
            ("django_flashcall.providers.locmem.LocMemProvider", {}, ["E010"]),
            (MOBILGROUP, {"api_key": "key"}, []),
            (MOBILGROUP, {"api_key": "key", "url": "http://127.0.0.1/"}, ["E012"]),
            ("tests.doubles.ComplainingProvider", {}, []),
        ],
    )
    def test_asks_the_provider(
        self, flashcall: Any, provider: str, options: dict[str, Any], expected: list[str]
    ) -> None:
        flashcall(PROVIDER=provider, OPTIONS=options)

        assert ids(check_deploy()) == expected

    @pytest.mark.parametrize(("allow_staff", "expected"), [(True, ["W002"]), (False, [])])
    def test_w002_warns_of_staff_that_log_in_by_phone(
        self, flashcall: Any, allow_staff: bool, expected: list[str]
    ) -> None:
        flashcall(PROVIDER=MOBILGROUP, OPTIONS={"api_key": "key"}, ALLOW_STAFF=allow_staff)

        assert ids(check_deploy()) == expected

    @pytest.mark.parametrize(
        "keys",
        [{"TYPO": 1}, {"PROVIDER": "nowhere.Provider"}, {"PROVIDER": "builtins.dict"}],
        ids=str,
    )
    def test_leaves_to_the_plain_checks_what_they_say_already(
        self, flashcall: Any, keys: dict[str, Any]
    ) -> None:
        flashcall(**keys)

        assert check_deploy() == []
        assert len(check_settings()) == 1
