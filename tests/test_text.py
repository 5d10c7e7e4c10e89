"""Text as people paste it."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator

import pytest

from django_flashcall.codes import read_code
from django_flashcall.exceptions import CodeMalformed, NumberRefused
from django_flashcall.phone import parse_number
from django_flashcall.text import INVISIBLE, PUNCTUATION, plain, word

NUMBER = "+79995554434"

#: The format characters that are visible, so they may not be dropped: signs before Arabic, Syriac
#: and Kaithi numbers, and the joiners of hieroglyphs.
VISIBLE_FORMATS = {
    *range(0x0600, 0x0606),
    *(0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD),
    *range(0x13430, 0x13440),
}


def everything() -> Iterator[str]:
    """Return every code point of Unicode, assigned or not."""
    return map(chr, range(sys.maxunicode + 1))


def assigned() -> Iterator[str]:
    """Return every code point that has a meaning, and a few of those that have none."""
    for letter in everything():
        has_meaning = unicodedata.category(letter) not in ("Cn", "Co", "Cs")
        if has_meaning or ord(letter) % 100 == 0:
            yield letter


def digits() -> list[str]:
    """Return every decimal digit."""
    return [letter for letter in everything() if unicodedata.category(letter) == "Nd"]


def spaces() -> list[str]:
    """Return every white space and dash, by category, and what Unicode calls a dash beside that."""
    wanted = {"Zs", "Zl", "Zp", "Pd"}
    found = [letter for letter in everything() if unicodedata.category(letter) in wanted]
    return [*found, *"\t\n\v\f\r\x85", *"\u2053\u207b\u208b\u2212"]


def invisible() -> list[str]:
    """Return every invisible character."""
    return [chr(point) for points in INVISIBLE for point in points]


def is_read(text: str) -> bool:
    """Return whether ``text`` is read as a code."""
    try:
        return bool(read_code(text, lengths={4}))
    except CodeMalformed:
        return False


class TestEveryCharacter:
    def test_every_decimal_digit_is_read_as_its_value(self) -> None:
        assert len(digits()) > 600
        for letter in digits():
            value = unicodedata.decimal(letter)
            assert read_code(f"123{letter}", lengths={4}) == [f"123{value}"]
            assert parse_number(f"8999555443{letter}") == f"+7999555443{value}"

    def test_every_space_and_dash_between_digits_is_dropped(self) -> None:
        for letter in spaces():
            assert read_code(f"12{letter}34", lengths={4}) == ["1234"], f"U+{ord(letter):04X}"
            assert parse_number(f"+7 999 555{letter}44-34") == NUMBER, f"U+{ord(letter):04X}"

    def test_every_invisible_character_is_dropped_wherever_it_is(self) -> None:
        assert len(invisible()) == 4174 + 4  # Unicode 16, and U+FFF9 to U+FFFC
        for letter in invisible():
            assert read_code(f"{letter}12{letter}34{letter}", lengths={4}) == ["1234"]
            assert plain(f"{letter}+7 99{letter}9{letter}") == "+7 999"

    def test_every_other_character_is_refused(self) -> None:
        known = {*digits(), *spaces(), *invisible(), *"\x1c\x1d\x1e\x1f\u2800"}
        marks = {
            mark for mark in everything() if unicodedata.normalize("NFKC", mark) in PUNCTUATION
        }
        assert len(marks) < 30
        read = {letter for letter in everything() if plain(letter) != letter}
        assert read <= known | marks
        accepted = {letter for letter in assigned() if is_read(f"12{letter}34")}
        assert accepted - {*digits()} <= known | marks

    def test_a_character_of_every_other_category_is_refused_in_a_number(self) -> None:
        known = {*digits(), *spaces(), *invisible(), *"\x1c\x1d\x1e\x1f\u2800"}
        others = {
            unicodedata.category(letter): letter
            for letter in everything()
            if letter not in known and unicodedata.normalize("NFKC", letter) not in PUNCTUATION
        }
        assert len(others) > 20
        for letter in others.values():
            with pytest.raises(NumberRefused, match="without letters"):
                parse_number(f"+7 999 555{letter}44-34")

    def test_the_invisible_characters_are_those_that_their_names_and_categories_tell(self) -> None:
        for letter in everything():
            name = unicodedata.name(letter, "")
            is_format = unicodedata.category(letter) == "Cf" and ord(letter) not in VISIBLE_FORMATS
            named = name.startswith(("VARIATION SELECTOR", "MONGOLIAN FREE VARIATION", "TAG "))
            is_filler = name.endswith(" FILLER") and "HANGUL" in name
            if is_format or named or is_filler:
                assert plain(letter) == "", f"U+{ord(letter):04X} {name}"


class TestText:
    @pytest.mark.parametrize(
        "text",
        [
            "+7 999 555-44-34\ufe0f",  # a variation selector, as after an emoji
            "+7 999 555-44-34\u3164",  # a filler, as in names of messengers
            "+7\t999\t555-44-34",  # cells of a spreadsheet
            "\ufffc+7 999 555-44-34",  # the picture of a contact
            "+7\u2800999\u2800555-44-34",
            "+7 999 555\u205344\u207b34",
            "\u202a+7 999 555-44-34\u202c",
            "\u200e8\u200b999\u200b5554434",
            "\u2066+7\u2069 (999) 555-44-34",
            "(+7) 999 555-44-34",
            "\uff0b7\uff08999\uff09555\uff0f44\uff0e34",
            "+७ ९९९ ५५५-४४-३४",
        ],
    )
    def test_a_number_as_people_paste_it_is_the_number(self, text: str) -> None:
        assert parse_number(text) == NUMBER

    @pytest.mark.parametrize(
        "text", ["\u202a4217\u202c", "٤٢١٧", "4217\ufe0f", "42\t17", "\u31644217"]
    )
    def test_a_code_as_people_paste_it_is_the_code(self, text: str) -> None:
        assert read_code(text, lengths={4}) == ["4217"]

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
