"""System checks of what others provide."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks.registry import registry
from django.http import HttpRequest

from django_flashcall.checks.others import check_others
from tests.checks.messages import ids


def address(request: HttpRequest) -> str:
    """Return an address, as a function of the site does."""
    return "203.0.113.7"


def no_address() -> str:
    """Take no request."""
    return ""


class TestOthers:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("RATELIMIT_USE_CACHE", "default"),
            ("RATELIMIT_IP_META_KEY", None),
            ("RATELIMIT_IP_META_KEY", "HTTP_X_REAL_IP"),
            ("RATELIMIT_IP_META_KEY", "tests.checks.test_others.address"),
            ("RATELIMIT_IP_META_KEY", address),
            ("SECRET_KEY_FALLBACKS", []),
            ("SECRET_KEY_FALLBACKS", ("old", b"older")),
        ],
    )
    def test_right_values_pass(self, settings: Any, name: str, value: Any) -> None:
        setattr(settings, name, value)

        assert check_others() == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("RATELIMIT_USE_CACHE", "redis"),
            ("RATELIMIT_USE_CACHE", None),
            ("RATELIMIT_IP_META_KEY", ["HTTP_X_REAL_IP"]),
            ("RATELIMIT_IP_META_KEY", "nowhere.address"),
            ("RATELIMIT_IP_META_KEY", "tests.checks.test_others.no_address"),
            ("SECRET_KEY_FALLBACKS", "old"),
            ("SECRET_KEY_FALLBACKS", ["old", ""]),
            ("SECRET_KEY_FALLBACKS", [None]),
            ("SECRET_KEY_FALLBACKS", None),
        ],
    )
    def test_e009_names_a_wrong_one(self, settings: Any, name: str, value: Any) -> None:
        setattr(settings, name, value)

        [message] = check_others()

        assert ids([message]) == ["E009"]
        assert message.msg.startswith(f"{name} must be ")

    def test_are_registered(self) -> None:
        assert check_others in registry.get_checks()
