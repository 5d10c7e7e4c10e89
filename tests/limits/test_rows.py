"""Rows that claims count in."""

from __future__ import annotations

from typing import Any

import pytest

from django_flashcall.limits import rows
from django_flashcall.models import Usage
from tests.constants import NOON, NUMBER

pytestmark = pytest.mark.django_db


class TestEnsuringRows:
    def test_rows_that_are_there_are_looked_up_and_no_more(
        self, django_assert_num_queries: Any
    ) -> None:
        rows.ensure_windows(NUMBER, now=NOON)
        with django_assert_num_queries(1):
            rows.ensure_windows(NUMBER, now=NOON)

    def test_rows_are_inserted_in_the_order_in_which_claims_lock_them(self) -> None:
        rows.ensure_windows(NUMBER, now=NOON)
        inserted = Usage.objects.order_by("pk").values_list("scope", flat=True)
        assert list(inserted) == ["+7999123", ""]
