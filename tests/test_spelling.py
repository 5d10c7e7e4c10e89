"""Text as people paste it."""

from __future__ import annotations

import pytest

from django_flashcall.codes import read_code
from django_flashcall.phone import parse_number


@pytest.mark.parametrize(
    "text",
    [
        "\u202a+7 999 123-45-67\u202c",
        "\u200e8\u200b999\u200b1234567",
        "\u2066+7\u2069 (999) 123-45-67",
        "(+7) 999 123-45-67",
    ],
)
def test_a_number_pasted_from_a_contact_list_is_the_number(text: str) -> None:
    assert parse_number(text) == "+79991234567"


def test_a_code_pasted_with_marks_of_direction_is_the_code() -> None:
    assert read_code("\u202a4217\u202c", lengths={4}) == ["4217"]
