"""Tests."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_flashcall.codes import draw_code, is_code, make_digest, matches, read_code
from django_flashcall.exceptions import CodeMalformed
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
        ["", " ", "-", "abcd", "12a4", "1234x", "1,234", "0x12", "١٢٣٤", "१२३४", "½234", "#1234"],
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

    def test_understands_superscripts_as_the_digits_they_are(self) -> None:
        """NFKC makes them digits; what is left of ``isdigit()`` is ASCII."""
        assert read_code("¹²³⁴", lengths={4}) == ["1234"]

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
