"""A number for the people who review apps, the recipe of docs/testing.rst."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils import timezone

from django_flashcall.providers.base import Answer, Secret
from django_flashcall.providers.mobilgroup import MobilgroupProvider

#: A number with a fixed code is a door with a key under the mat: it shuts by itself.
LONGEST = timedelta(days=30)


class ReviewProvider(MobilgroupProvider):
    """Calls as mobilgroup does, but for one number, which has a fixed code until a day."""

    def __init__(
        self, *, review_number: str, review_code: str, review_until: datetime, **options: Any
    ) -> None:
        super().__init__(**options)
        self.review_number = review_number
        self.review_code = Secret(review_code)
        self.review_until = review_until

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Call nobody for the review, and name the fixed code."""
        if number == self.review_number and self.is_open():
            return Answer(id="review", price=Decimal(0), code=self.review_code)
        return super().flash_call(number, length=length, code=code)

    def is_open(self) -> bool:
        """Tell whether the review goes on; an end that is too far away opens nothing."""
        return timedelta(0) < self.review_until - timezone.now() <= LONGEST

    def check(self) -> list[CheckMessage]:
        """Ask for the removal of what is not in use."""
        if self.is_open():
            return super().check()
        over = Error("No review goes on.", hint="Set PROVIDER back.", id="reviewer.E001")
        return [*super().check(), over]
