"""Rows of the price list, and what it expects."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django_flashcall.choices import Channel
from django_flashcall.limits import prices
from tests.constants import NOON, NUMBER
from tests.factories import PriceFactory


def estimate(channel: str = Channel.FLASH_CALL, *, now: datetime = NOON) -> Decimal | None:
    """Return the estimate of a call to the number."""
    return prices.estimate_price(NUMBER, channel=channel, now=now)


def price(prefix: str = "", **kwargs: Any) -> None:
    """Write a row that has been in force for a day, unless ``kwargs`` say otherwise."""
    PriceFactory(prefix=prefix, **{"valid_from": NOON - timedelta(days=1)} | kwargs)
