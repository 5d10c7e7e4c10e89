"""Estimates by the price list."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from django_flashcall.choices import Channel
from django_flashcall.exceptions import (
    ChannelUnavailable,
    NumberRefused,
)
from tests.constants import NOON, NUMBER
from tests.limits.pricing import estimate, price

pytestmark = pytest.mark.django_db


class TestEstimating:
    def test_an_empty_price_list_expects_nothing(self) -> None:
        price("+7888")
        price(channel=Channel.SMS)
        assert estimate() is None

    def test_the_longest_prefix_gives_the_amount(self) -> None:
        price("+7", amount=Decimal("0.10"))
        price("+7999", amount=Decimal("0.30"))
        price("+799", amount=Decimal("0.20"))
        assert estimate() == Decimal("0.30")

    def test_a_longer_prefix_without_an_amount_leaves_it_to_the_shorter(self) -> None:
        price("+7", amount=Decimal("0.10"))
        price("+7999", amount=None)
        assert estimate() == Decimal("0.10")

    @pytest.mark.parametrize("youngest", ["", Channel.FLASH_CALL])
    def test_a_row_of_the_channel_is_nearer_than_one_of_every_channel(self, youngest: str) -> None:
        amounts = {Channel.FLASH_CALL: Decimal("0.10"), "": Decimal("0.20")}
        for channel in sorted(amounts, key=lambda channel: channel == youngest):
            price("+7", channel=channel, amount=amounts[channel])
        assert estimate() == Decimal("0.10")
        assert estimate(Channel.VOICE) == Decimal("0.20")

    def test_a_row_counts_from_its_day_and_replaces_the_older_one(self) -> None:
        price("+7", amount=Decimal("0.10"), valid_from=NOON - timedelta(days=2))
        price("+7", amount=Decimal("0.20"), valid_from=NOON)
        assert estimate(now=NOON - timedelta(seconds=1)) == Decimal("0.10")
        assert estimate() == Decimal("0.20")

    def test_a_newer_row_lifts_a_ban(self) -> None:
        price("+7999", allowed=False, valid_from=NOON - timedelta(days=2))
        price("+7999", allowed=True, valid_from=NOON)
        with pytest.raises(NumberRefused):
            estimate(now=NOON - timedelta(seconds=1))
        assert estimate() == Decimal("0.35")

    @pytest.mark.parametrize("prefix", ["+7", "+7999", NUMBER])
    def test_any_matching_row_forbids(self, prefix: str) -> None:
        price(prefix, allowed=False)
        price("+7999123", allowed=True)
        with pytest.raises(NumberRefused) as caught:
            estimate()
        assert NUMBER not in str(caught.value)

    def test_a_ban_of_a_channel_leaves_the_others(self) -> None:
        price(channel=Channel.SMS, allowed=False)
        price(amount=Decimal("0.35"))
        with pytest.raises(ChannelUnavailable):
            estimate(Channel.SMS)
        assert estimate() == Decimal("0.35")

    def test_a_stop_outranks_a_forbidden_prefix(self) -> None:
        price("", allowed=False)
        price("+7999", allowed=False)
        with pytest.raises(ChannelUnavailable):
            estimate()
