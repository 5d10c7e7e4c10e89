"""A number for the people who review apps, the recipe of docs/testing.rst."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils import timezone

from django_flashcall.codes import is_code, is_excluded
from django_flashcall.conf import get_settings
from django_flashcall.phone import parse_number
from django_flashcall.providers.base import Answer, Secret
from django_flashcall.providers.mobilgroup import MobilgroupProvider

#: Afterwards the fixed code is not accepted, and ``check()`` fails.
LASTS = timedelta(days=14)


class ReviewProvider(MobilgroupProvider):
    """Calls like mobilgroup, except for one number, which has a fixed code for some days."""

    def __init__(
        self, *, review_number: str, review_code: str, review_from: datetime, **options: Any
    ) -> None:
        super().__init__(**options)
        self.review_number = review_number
        self.review_code = Secret(review_code)
        self.review_from = review_from

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Place no call to the number of the review, and return the fixed code."""
        if number == self.review_number and self.is_open():
            return Answer(id="review", price=Decimal(0), code=self.review_code)
        return super().flash_call(number, length=length, code=code)

    def is_open(self) -> bool:
        """Return whether the review is still in progress."""
        return self.review_from <= timezone.now() < self.review_from + LASTS

    def check(self) -> list[CheckMessage]:
        """Require a review in progress, and a number and a code that can be used."""
        wrong = []
        if not self.is_open():
            wrong.append("No review is in progress: change PROVIDER back.")
        if parse_number(self.review_number) != self.review_number:
            wrong.append("Write review_number as +79990000000.")
        if not is_code(self.review_code, length=get_settings().CODE_LENGTH):
            wrong.append("review_code has as many digits as CODE_LENGTH says.")
        if is_excluded(self.review_code, number=self.review_number):
            wrong.append("Choose a review_code that is neither the end of review_number nor 7890.")
        return [*super().check(), *(Error(text, id="reviewer.E001") for text in wrong)]
