"""Tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_flashcall.providers.base import Answer, BaseProvider, load_provider
from django_flashcall.providers.locmem import LocMemProvider
from django_flashcall.providers.mobilgroup import MobilgroupProvider
from tests.constants import MOBILGROUP


class TestAnswer:
    def test_does_not_show_its_code(self) -> None:
        answer = Answer(id="7", price=Decimal("0.35"), code="1234")

        assert repr(answer) == "Answer(id='7', price=Decimal('0.35'))"

    def test_may_say_nothing(self) -> None:
        assert Answer() == Answer(id="", price=None, code="")


class TestContract:
    @pytest.mark.parametrize(
        ("verb", "options"), [("flash_call", {"length": 4}), ("voice", {}), ("sms", {})]
    )
    def test_names_a_verb_for_each_channel(self, verb: str, options: dict[str, Any]) -> None:
        with pytest.raises(NotImplementedError):
            getattr(BaseProvider(), verb)("+79991234567", **options)

    def test_complains_of_nothing_by_default(self) -> None:
        assert BaseProvider().check() == []
        assert BaseProvider().check_deploy() == []

    def test_promises_every_channel_and_no_code_of_ours_by_default(self) -> None:
        assert BaseProvider.channels == {"flash_call", "voice", "sms"}
        assert BaseProvider.own_code_channels == frozenset()
        assert BaseProvider.sms_needs_call


class TestLoading:
    def test_makes_the_provider_that_the_settings_name(self, flashcall: Any) -> None:
        assert isinstance(load_provider(), LocMemProvider)

        flashcall(PROVIDER=MOBILGROUP, OPTIONS={"api_key": "key"})

        assert isinstance(load_provider(), MobilgroupProvider)

    def test_hands_over_the_options(self, flashcall: Any) -> None:
        flashcall(OPTIONS={"price": Decimal(7)})

        provider = load_provider()

        assert isinstance(provider, LocMemProvider)
        assert provider.price == Decimal(7)

    @pytest.mark.parametrize(
        ("provider", "options", "reason"),
        [
            ("mobilgroup", {}, "doesn't look like a module path"),
            ("django_flashcall.providers.nowhere.Provider", {}, "No module named"),
            ("django_flashcall.providers.mobilgroup.Nobody", {}, "does not define"),
            ("django_flashcall.providers.mobilgroup.URL", {}, "not callable"),
            (MOBILGROUP, {}, "api_key"),
            (MOBILGROUP, {"api_key": "key-of-the-site", "speed": 1}, "speed"),
        ],
    )
    def test_says_why_it_cannot(
        self, flashcall: Any, provider: str, options: dict[str, Any], reason: str
    ) -> None:
        flashcall(PROVIDER=provider, OPTIONS=options)

        with pytest.raises(ImproperlyConfigured, match="See PROVIDER and OPTIONS") as caught:
            load_provider()

        assert reason in str(caught.value)
        assert "key-of-the-site" not in str(caught.value)
