"""Text as people paste it."""

from __future__ import annotations

import pytest

from django_flashcall.codes import read_code
from django_flashcall.phone import parse_number
from django_flashcall.text import word


class TestText:
    @pytest.mark.parametrize(
        "text",
        [
            "\u202a+7 999 123-45-67\u202c",
            "\u200e8\u200b999\u200b1234567",
            "\u2066+7\u2069 (999) 123-45-67",
            "(+7) 999 123-45-67",
        ],
    )
    def test_a_number_pasted_from_a_contact_list_is_the_number(self, text: str) -> None:
        assert parse_number(text) == "+79991234567"

    def test_a_code_pasted_with_marks_of_direction_is_the_code(self) -> None:
        assert read_code("\u202a4217\u202c", lengths={4}) == ["4217"]

    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            ("unknown_request", "unknown_request"),
            (1234, "1234"),
            ("x" * 100, "x" * 64),
            ("one\r\ntwo\x00\x1b[31m", "one\ufffd\ufffdtwo\ufffd\ufffd[31m"),
            (None, ""),
            (True, ""),
            ([], ""),
            (1.5, ""),
        ],
    )
    def test_a_word_of_a_provider_is_short_and_on_one_line(self, said: object, kept: str) -> None:
        assert word(said) == kept
