"""System checks of single values: the bounds of each kind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from django_flashcall.checks.deploy import check_deploy
from django_flashcall.checks.settings import check_settings
from django_flashcall.checks.values import MAX_COUNT, valid_settings
from tests.checks.messages import ids

DAY = timedelta(days=1)


class TestBounds:
    @pytest.mark.parametrize(
        ("key", "value", "is_right"),
        [
            ("DAILY_ATTEMPTS", MAX_COUNT, True),
            ("DAILY_ATTEMPTS", MAX_COUNT + 1, False),
            ("DAILY_SMS", 0, True),
            ("DAILY_SMS", False, False),
            ("DAILY_SMS", 0.0, False),
            ("DAILY_SMS", Decimal("sNaN"), False),
            ("DAILY_SPEND", Decimal("99999999.9999"), True),
            ("DAILY_SPEND", Decimal("100000000"), False),
            ("DAILY_SPEND", Decimal("1e25"), False),
            ("DAILY_SPEND", Decimal("0.0001"), True),
            ("DAILY_SPEND", Decimal("0.00009"), False),
            ("COOLDOWNS", [timedelta.resolution, DAY], True),
            ("COOLDOWNS", [DAY + timedelta.resolution], False),
            ("CODE_LIFETIME", timedelta(seconds=1), True),
            ("CODE_LIFETIME", timedelta(milliseconds=999), False),
            ("MAX_DORMANCY", DAY, True),
            ("MAX_DORMANCY", DAY - timedelta.resolution, False),
            ("MAX_DORMANCY", timedelta.max, False),
            ("KEEP", 36500 * DAY, True),
            ("KEEP", timedelta.max, False),
            ("RATES", {"start": ["1/366d"]}, True),
            ("RATES", {"start": ["1/367d"]}, False),
            ("RATES", {"start": [f"{10**9}/m"]}, False),
            ("DENIED_PREFIXES", ["+123456789012345"], True),
            ("DENIED_PREFIXES", ["+1234567890123456"], False),
            ("CURRENCY", "usd", True),
            ("CURRENCY", "1 €", False),
            ("DIALER", "", False),
            ("BEFORE_CALL", "", True),
            ("OPTIONS", {1: 2}, False),
        ],
    )
    def test_hold(self, flashcall: Any, key: str, value: Any, is_right: bool) -> None:
        flashcall(**{key: value})

        assert ("E002" not in ids(check_settings())) is is_right
        assert (valid_settings() is not None) is is_right

    @pytest.mark.parametrize("key", ["REGIONS", "DAILY_SPEND", "ALLOW_STAFF", "OPTIONS"])
    def test_deploy_leaves_a_wrong_value_to_the_plain_checks(
        self, flashcall: Any, key: str
    ) -> None:
        flashcall(**{key: object()})

        assert check_deploy() == []
        assert ids(check_settings()) == ["E002"]
