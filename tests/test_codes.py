"""Tests."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_flashcall.codes import (
    EXAMPLE_CODE,
    draw_code,
    is_code,
    is_excluded,
    make_digest,
    matches,
    read_code,
    refuse_excluded,
)
from django_flashcall.exceptions import CodeMalformed, CodeMistaken
from tests.constants import NUMBER

KEY = UUID("12345678-1234-5678-1234-567812345678")


class TestDrawing:
    @pytest.mark.parametrize("length", range(4, 9))
    def test_gives_as_many_ascii_digits_as_asked(self, length: int) -> None:
        code = draw_code(length)

        assert code.isascii()
        assert code.isdigit()
        assert len(code) == length

    def test_gives_four_digits_for_a_voice(self) -> None:
        assert len(draw_code()) == 4

    def test_avoids_no_code_and_keeps_leading_zeros(self) -> None:
        drawn = {draw_code(1) for _ in range(1000)}

        assert drawn == set("0123456789")

    def test_leaves_the_end_of_the_number_and_the_example_out(self) -> None:
        drawn = {draw_code(number=NUMBER) for _ in range(100_000)}

        assert len(drawn) > 9_900
        assert not {"4567", EXAMPLE_CODE} & drawn

    def test_leaves_no_end_of_the_range_out(self) -> None:
        drawn = sorted(int(draw_code()) for _ in range(500))
        assert drawn[0] < 1000
        assert drawn[-1] >= 9000


class TestJudging:
    @pytest.mark.parametrize(
        ("value", "is_one"),
        [
            ("4217", True),
            ("0000", True),
            ("421", False),
            ("42170", False),
            ("", False),
            ("42I7", False),
            ("421²", False),
            ("٤٢١٧", False),
            (4217, False),
            (None, False),
            (["4", "2", "1", "7"], False),
        ],
    )
    def test_a_code_is_four_ascii_digits(self, value: object, is_one: bool) -> None:
        assert is_code(value, length=4) is is_one


class TestExcluding:
    @pytest.mark.parametrize(
        ("code", "excluded"),
        [("4567", True), (EXAMPLE_CODE, True), ("4568", False), ("234567", True), ("5670", False)],
    )
    def test_the_end_of_the_number_and_the_example_are_no_codes(
        self, code: str, excluded: bool
    ) -> None:
        assert is_excluded(code, number=NUMBER) is excluded

    @pytest.mark.parametrize(
        ("codes", "reason"),
        [
            (["4567"], "own_digits"),
            (["234567", "4567"], "own_digits"),
            ([EXAMPLE_CODE], "example_digits"),
        ],
    )
    def test_a_visitor_is_told_which_digits_they_entered(
        self, codes: list[str], reason: str
    ) -> None:
        with pytest.raises(CodeMistaken) as caught:
            refuse_excluded(codes, number=NUMBER)

        assert caught.value.code == reason
        assert not any(code in str(caught.value) for code in codes)

    def test_what_else_a_whole_number_may_mean_is_kept(self) -> None:
        assert refuse_excluded(["114567", "4567"], number=NUMBER) == ["114567"]


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "1234",
            " 1234\n",
            "1 2 3 4",
            "12-34",
            "12\u201334",  # an en dash
            "12\u00a034",  # a space that does not break
            "１２３４",  # full-width
            "\U0001d7cf\U0001d7d0\U0001d7d1\U0001d7d2",  # bold
            "(1234)",
            "١٢٣٤",  # Arabic-Indic
            "१२३४",  # Devanagari
            "12/34",
            "1234\ufe0f",  # a variation selector
            "12\t34\u3164",  # a tab, and a filler
            "12.34",
        ],
    )
    def test_takes_a_code_however_it_is_spelt(self, text: str) -> None:
        assert read_code(text, lengths={4}) == ["1234"]

    def test_keeps_leading_zeros(self) -> None:
        assert read_code("0042", lengths={4}) == ["0042"]

    @pytest.mark.parametrize(
        "text", ["+7 495 123-12-34", "8 (495) 123-12-34", "4951231234", "+7 495 1231234"]
    )
    def test_takes_a_whole_calling_number_for_its_last_digits(self, text: str) -> None:
        assert read_code(text, lengths={4}) == ["1234"]

    @pytest.mark.parametrize(
        ("digits", "is_whole"), [(9, False), (10, True), (15, True), (16, False)]
    )
    def test_a_whole_number_is_as_long_as_numbers_are(self, digits: int, is_whole: bool) -> None:
        try:
            assert read_code("7" * digits, lengths={4}) == ["7777"]
        except CodeMalformed:
            assert not is_whole
        else:
            assert is_whole

    def test_takes_a_whole_number_for_a_code_of_every_length(self) -> None:
        assert sorted(read_code("+74951231234", lengths={4, 6})) == ["1234", "231234"]

    @pytest.mark.parametrize(("text", "code"), [("1234", "1234"), ("123456", "123456")])
    def test_takes_a_code_of_each_length(self, text: str, code: str) -> None:
        assert read_code(text, lengths=[4, 6]) == [code]

    @pytest.mark.parametrize(
        "text",
        ["", " ", "-", "abcd", "12a4", "1234x", "1,234", "0x12", "1²34", "①234", "½234", "#1234"],
    )
    def test_refuses_what_is_not_digits(self, text: str) -> None:
        with pytest.raises(CodeMalformed, match="Enter digits only"):
            read_code(text, lengths={4})

    @pytest.mark.parametrize(
        ("text", "lengths", "message"),
        [
            ("123", {4}, "Too few digits: enter 4."),
            ("12345", {4}, "Too many digits: enter 4."),
            ("123", {4, 6}, "Too few digits: enter 4."),
            ("12345", {4, 6}, "Too few digits: enter 6."),
            ("1234567", {4, 6}, "Too many digits: enter 6."),
            ("123456789", {4}, "Too many digits: enter 4."),
            ("1" * 16, {4}, "Too many digits: enter 4."),
        ],
    )
    def test_refuses_another_length_and_says_which_is_due(
        self, text: str, lengths: set[int], message: str
    ) -> None:
        with pytest.raises(CodeMalformed) as caught:
            read_code(text, lengths=lengths)

        assert str(caught.value) == message

    def test_refuses_superscripts_which_are_no_decimal_digits(self) -> None:
        with pytest.raises(CodeMalformed):
            read_code("¹²³⁴", lengths={4})

    @given(st.text())
    def test_raises_nothing_but_code_malformed(self, text: str) -> None:
        try:
            codes = read_code(text, lengths={4, 6})
        except CodeMalformed as error:
            assert str(error)
        else:
            assert all(code.isascii() and code.isdigit() for code in codes)
            assert {len(code) for code in codes} <= {4, 6}

    @given(st.text(alphabet="0123456789 -+()١½", max_size=20))
    def test_raises_nothing_but_code_malformed_for_what_looks_like_one(self, text: str) -> None:
        try:
            assert read_code(text, lengths={4})
        except CodeMalformed:
            pass


class TestDigests:
    def test_are_64_hexadecimal_digits_that_do_not_hold_the_code(self) -> None:
        digest = make_digest("1234", number=NUMBER, key=KEY)

        assert len(digest) == 64
        assert int(digest, 16)

    def test_match_their_code_only(self) -> None:
        digest = make_digest("1234", number=NUMBER, key=KEY)

        assert matches(["1234"], [digest], number=NUMBER, key=KEY)
        assert not matches(["1235"], [digest], number=NUMBER, key=KEY)

    def test_match_if_one_of_many_does(self) -> None:
        digests = [make_digest(code, number=NUMBER, key=KEY) for code in ("1111", "1234")]

        assert matches(["9999", "1234"], digests, number=NUMBER, key=KEY)
        assert not matches(["9999", "8888"], digests, number=NUMBER, key=KEY)

    def test_of_another_number_or_verification_open_nothing(self) -> None:
        digest = make_digest("1234", number=NUMBER, key=KEY)

        assert not matches(["1234"], [digest], number="+79991234568", key=KEY)
        assert not matches(["1234"], [digest], number=NUMBER, key=uuid4())

    def test_match_nothing_where_there_are_none(self) -> None:
        assert not matches(["1234"], [], number=NUMBER, key=KEY)
        assert not matches(
            [], [make_digest("1234", number=NUMBER, key=KEY)], number=NUMBER, key=KEY
        )

    def test_an_empty_digest_matches_nothing(self) -> None:
        assert not matches(["", "1234"], [""], number=NUMBER, key=KEY)

    def test_are_worthless_without_the_secret_key(self, settings: Any) -> None:
        digest = make_digest("1234", number=NUMBER, key=KEY)
        settings.SECRET_KEY = "another one"

        assert not matches(["1234"], [digest], number=NUMBER, key=KEY)

    def test_survive_a_change_of_the_secret_key(self, settings: Any) -> None:
        digest = make_digest("1234", number=NUMBER, key=KEY)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "the new one"

        assert matches(["1234"], [digest], number=NUMBER, key=KEY)

    def test_are_made_under_the_current_key(self, settings: Any) -> None:
        settings.SECRET_KEY_FALLBACKS = ["the old one"]
        digest = make_digest("1234", number=NUMBER, key=KEY)
        settings.SECRET_KEY_FALLBACKS = []

        assert matches(["1234"], [digest], number=NUMBER, key=KEY)
