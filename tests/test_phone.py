"""Tests."""

from __future__ import annotations

import re
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_flashcall.exceptions import NumberRefused
from django_flashcall.limits.prices import prefixes
from django_flashcall.phone import (
    display,
    display_masked,
    example_number,
    example_numbers,
    mask,
    mask_numbers,
    parse_number,
    spellings,
)
from tests.browser import UNSEEN
from tests.constants import NUMBER


class TestParsing:
    @pytest.mark.parametrize(
        "text",
        [
            "+79991234567",
            "79991234567",
            "89991234567",
            "9991234567",
            "8 (999) 123-45-67",
            "8(999)1234567",
            "+7 999 123 45 67",
            "+7 (999) 123-45-67",
            "7 999 123-45-67",
            "8-999-123-45-67",
            "8.999.123.45.67",
            "8 999 123/45/67",
            "  +7 999 123-45-67\n",
            "+7\u00a0999\u00a0123\u201145\u201167",  # as a page sets it, nothing breaks
            "+7\u2009999\u2009123\u201045\u201067",  # thin spaces, hyphens
            "+7 999 123\u201245\u201267",  # figure dashes
            "+7 999 123\u201345\u201367",  # en dashes
            "+7 999 123\u201445\u201467",  # em dashes
            "+7 999 123\u201545\u201567",  # horizontal bars
            "+7 999 123\u221245\u221267",  # minus signs
            "+7 999 123\uff0d45\uff0d67",  # full-width hyphens
            "＋７９９９１２３４５６７",  # full-width
            "８（９９９）１２３４５６７",
            "+٧٩٩٩١٢٣٤٥٦٧",  # Arabic-Indic
            "٨٩٩٩١٢٣٤٥٦٧",
            "+۷۹۹۹۱۲۳۴۵۶۷",  # Persian
        ],
    )
    def test_every_spelling_is_one_number(self, text: str) -> None:
        assert parse_number(text) == NUMBER

    @pytest.mark.parametrize(
        ("text", "code", "message"),
        [
            ("", "number_malformed", "Enter a phone number."),
            (" \n ", "number_malformed", "Enter a phone number."),
            ("abc", "number_malformed", "without letters"),
            ("8-800-FLOWERS", "number_malformed", "without letters"),
            ("+7 999 123-45-67 ext. 89", "number_malformed", "without letters"),
            ("+79991234567;ext=89", "number_malformed", "without letters"),
            ("+79991234567,89", "number_malformed", "without letters"),
            ("+79991234567#89", "number_malformed", "without letters"),
            ("tel:+79991234567", "number_malformed", "without letters"),
            ("+7999123456O", "number_malformed", "without letters"),
            ("+7+9991234567", "number_malformed", "without letters"),
            ("<b>+79991234567</b>", "number_malformed", "without letters"),
            ("123", "number_malformed", "Check the digits"),
            ("+", "number_malformed", "without letters"),
            ("-", "number_malformed", "Check the digits"),
            ("+7999123456", "number_malformed", "Check the digits"),
            ("+799912345678", "number_malformed", "Check the digits"),
            ("9" * 300, "number_malformed", "Check the digits"),
            ("+9991234567890", "number_malformed", "Check the digits"),
            ("112", "number_malformed", "Check the digits"),
        ],
    )
    def test_what_is_no_number_is_refused(self, text: str, code: str, message: str) -> None:
        with pytest.raises(NumberRefused, match=message) as caught:
            parse_number(text)

        assert caught.value.code == code

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("+77012345678", "Kazakhstan shares the code +7"),
            ("87012345678", "Kazakhstan, as dialled from Russia"),
            ("+78402345678", "Abkhazia"),
            ("+79401234567", "Abkhazia, which is read as a Russian mobile"),
            ("8 940 123-45-67", "Abkhazia, as dialled from Russia"),
            ("+447400123456", "Britain"),
            ("+12015550123", "America"),
            ("+375291234567", "Belarus"),
            ("+881612345678", "satellite"),
            ("+870773111632", "satellite"),
            ("+882123456789", "international network"),
            ("+979123456789", "international premium rate"),
            ("+80012345678", "international freephone"),
        ],
    )
    def test_a_destination_that_is_not_called_is_refused(self, text: str, why: str) -> None:
        with pytest.raises(NumberRefused) as caught:
            parse_number(text)

        assert caught.value.code in {"number_region", "number_malformed"}, why

    @pytest.mark.parametrize("text", ["+77012345678", "+79401234567", "+447400123456"])
    def test_a_foreign_number_has_a_code_of_its_own(self, text: str) -> None:
        with pytest.raises(NumberRefused, match="this country") as caught:
            parse_number(text)

        assert caught.value.code == "number_region"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("+7 495 123-45-67", "landline"),
            ("8 (812) 123-45-67", "landline"),
            ("8 800 123-45-67", "toll-free"),
            ("+7 809 123-45-67", "premium rate"),
        ],
    )
    def test_a_kind_of_number_that_is_not_called_is_refused(self, text: str, why: str) -> None:
        with pytest.raises(NumberRefused, match="only call mobile numbers") as caught:
            parse_number(text)

        assert caught.value.code == "number_type", why

    def test_a_landline_is_called_if_the_site_says_so(self, flashcall: Any) -> None:
        flashcall(NUMBER_TYPES=["mobile", "fixed_line"])

        assert parse_number("8 (495) 123-45-67") == "+74951234567"

    def test_another_country_is_called_if_the_site_says_so(self, flashcall: Any) -> None:
        flashcall(REGIONS=["RU", "KZ"])

        assert parse_number("+7 701 234-56-78") == "+77012345678"
        assert parse_number("8 701 234-56-78") == "+77012345678"
        assert parse_number("8 999 123-45-67") == NUMBER

    def test_a_number_without_a_plus_is_read_as_each_region_dials_it(self, flashcall: Any) -> None:
        flashcall(REGIONS=["RU", "GB"])

        assert parse_number("07400 123456") == "+447400123456"

    def test_a_number_of_several_regions_needs_its_plus(self, flashcall: Any) -> None:
        flashcall(REGIONS=["RU", "US"], NUMBER_TYPES=["mobile", "fixed_line_or_mobile"])
        assert parse_number("8 999 123-45-67") == NUMBER

        with pytest.raises(NumberRefused, match="Start with \\+") as caught:
            parse_number("912 345-67-89")

        assert caught.value.code == "number_ambiguous"
        assert parse_number("+7 912 345-67-89") == "+79123456789"
        assert parse_number("+1 912 345-67-89") == "+19123456789"

    def test_a_refusal_of_a_kind_does_not_speak_of_mobiles_where_others_are_called(
        self, flashcall: Any
    ) -> None:
        flashcall(NUMBER_TYPES=["mobile", "fixed_line"])

        with pytest.raises(NumberRefused, match="numbers of this kind"):
            parse_number("8 800 123-45-67")

    def test_a_refusal_shows_an_example_of_each_region(self, flashcall: Any) -> None:
        flashcall(REGIONS=["RU", "KZ", "GB", "US"])

        with pytest.raises(NumberRefused) as caught:
            parse_number("12")

        assert (
            str(caught.value)
            .replace("\xa0", " ")
            .translate(UNSEEN)
            .endswith("Example: +7 912 345-67-89, +7 771 000 9998, +44 7400 123456.")
        )

    @pytest.mark.parametrize("prefixes", [["+7999"], ("+7900", "+79991234567")])
    def test_a_denied_prefix_is_refused(self, flashcall: Any, prefixes: Any) -> None:
        flashcall(DENIED_PREFIXES=prefixes)

        with pytest.raises(NumberRefused) as caught:
            parse_number(NUMBER)

        assert caught.value.code == "number_region"

    def test_nothing_is_denied_if_the_site_says_so(self, flashcall: Any) -> None:
        flashcall(DENIED_PREFIXES=[])

        assert parse_number("+79401234567") == "+79401234567"

    @pytest.mark.parametrize("text", ["+77012345678", "+7 495 123-45-67", "+7999123456"])
    def test_a_refusal_does_not_repeat_the_number(self, text: str) -> None:
        with pytest.raises(NumberRefused) as caught:
            parse_number(text)

        assert text not in str(caught.value)
        assert text not in repr(caught.value)

    @given(st.text())
    def test_raises_nothing_but_number_refused(self, text: str) -> None:
        try:
            number = parse_number(text)
        except NumberRefused as error:
            assert str(error)
        else:
            assert parse_number(number) == number

    @given(st.text(alphabet="+0123456789 ()-./٧８\u2013\u00a0", max_size=24))
    def test_raises_nothing_but_number_refused_for_what_looks_like_one(self, text: str) -> None:
        try:
            number = parse_number(text)
        except NumberRefused:
            pass
        else:
            assert number.startswith("+7")
            assert not number.startswith(("+7840", "+7940"))

    @given(st.integers(min_value=0, max_value=9_999_999))
    def test_reads_back_what_it_shows(self, subscriber: int) -> None:
        number = f"+7999{subscriber:07}"

        assert parse_number(display(number)) == parse_number(number) == number


class TestShowing:
    def test_writes_a_number_as_people_do(self) -> None:
        assert display(NUMBER) == "+7 999 123-45-67"

    @pytest.mark.parametrize(
        ("number", "masked"),
        [("+79991234567", "+7••••••••67"), ("+447400123456", "+4•••••••••56")],
    )
    def test_hides_all_but_the_beginning_and_two_digits(self, number: str, masked: str) -> None:
        assert mask(number) == masked
        assert len(masked) == len(number)

    @pytest.mark.parametrize("number", ["", "+", "+7", "+79", "+123"])
    def test_does_not_show_twice_what_is_too_short_to_hide(self, number: str) -> None:
        assert len(mask(number)) <= max(len(number), 4)


class TestMaskingTexts:
    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            (NUMBER, "+7••••••••67"),
            ("79991234567", "7••••••••67"),
            ("8 (999) 123-45-67", "8 (•••) •••-••-67"),
            ("+7_999_123_45_67", "+7_•••_•••_••_67"),
            ("79991234567@example.org", "7••••••••67@example.org"),
            ("user79991234567x", "user7••••••••67x"),
            ("Anna, +7 999 123-45-67.", "Anna, +7 ••• •••-••-67."),
            (
                "\uff0b\uff17\uff19\uff19\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
                "+7••••••••67",
            ),
            ("٧٩٩٩١٢٣٤٥٦٧", "7••••••••67"),
            ("+7\u200b9991\u3164234567", "+7••••••••67"),
            ("+447400123456 or +1 201 555 0123", "+4•••••••••56 or +1 ••• ••• ••23"),
            ("447400123456", "4•••••••••56"),  # of a country that is not called
            ("+375291234567", "+3•••••••••67"),
            ("+4532123456", "+4•••••••56"),
        ],
    )
    def test_hides_a_number_in_any_format_wherever_it_stands(self, text: str, masked: str) -> None:
        assert mask_numbers(text) == masked
        assert mask_numbers(masked) == masked

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "anna",
            "user-12",
            "anna1987",
            "anna19870512",
            "+7999123",
            "Anna\u00a0B. \u200bC",
            "•" * 12,
        ],
    )
    def test_changes_nothing_else(self, text: str) -> None:
        assert mask_numbers(text) == text

    def test_hides_a_short_number_where_it_is_one(self, flashcall: Any) -> None:
        assert mask_numbers("32123456") == "32123456"
        flashcall(REGIONS=["DK"])
        assert mask_numbers("32123456") == "3•••••56"

    @given(st.integers(0, 9_999_999))
    def test_hides_every_usual_spelling(self, subscriber: int) -> None:
        number = f"+7999{subscriber:07}"
        for text in spellings(number):
            digits = re.sub(r"\D", "", mask_numbers(text))
            assert len(digits) == 3


class TestSpellings:
    def test_are_the_usual_ones(self) -> None:
        written = spellings("+79991234567")

        assert written[:3] == ["+79991234567", "+7 999 123-45-67", "8 (999) 123-45-67"]
        assert len(written) == len(set(written)) < 150
        assert {
            "79991234567",
            "89991234567",
            "9991234567",
            "+7 (999) 123-45-67",
            "+7(999)123-45-67",
            "+7 (999) 1234567",
            "+7-999-123-45-67",
            "8-999-123-45-67",
            "8 999 123 45 67",
            "8(999)123-45-67",
            "8 (999) 123 45 67",
            "8(999)1234567",
            "999 123-45-67",
            "(999) 123-45-67",
        } <= set(written)

    @given(subscriber=st.integers(0, 9_999_999))
    def test_are_all_read_as_the_number(self, subscriber: int) -> None:
        number = f"+7999{subscriber:07}"

        assert {parse_number(text) for text in spellings(number)} == {number}

    def test_leave_out_what_is_read_as_a_number_of_the_first_region(self, flashcall: Any) -> None:
        flashcall(REGIONS=["RU", "KG"])

        for number in ("+996700123456", "+79991234567"):
            assert {parse_number(text) for text in spellings(number)} == {number}
            assert number in spellings(number)


class TestDisplay:
    @pytest.mark.parametrize(
        ("number", "shown", "masked"),
        [
            (NUMBER, "+7 999 123-45-67", "+7 ••• •••-••-67"),
            ("+447400123456", "+44 7400 123456", "+44 •••• ••••56"),
            ("+12015550123", "+1 201-555-0123", "+1 •••-•••-••23"),
        ],
    )
    def test_is_as_people_write_numbers(self, number: str, shown: str, masked: str) -> None:
        assert display(number) == shown
        assert display_masked(number) == masked


class TestPrefixes:
    def test_are_all_beginnings_the_empty_one_first(self) -> None:
        assert prefixes("+799") == ["", "+", "+7", "+79", "+799"]


class TestExample:
    def test_is_a_number_of_the_first_region_that_would_be_called(self) -> None:
        parsed = phonenumbers.parse(parse_number(example_number()))

        assert phonenumbers.region_code_for_number(parsed) == "RU"
        assert example_number().startswith("+7 ")

    def test_is_of_a_kind_that_would_be_called(self, flashcall: Any) -> None:
        flashcall(NUMBER_TYPES=["fixed_line"])

        assert parse_number(example_number())

    def test_reads_from_left_to_right_on_one_line(self) -> None:
        [example] = re.findall("\u2066([^\u2069]+)\u2069", example_numbers())

        assert example.translate(UNSEEN) == "+7\xa0912\xa0345-67-89"
        assert not {" ", "-"} & set(example)

    def test_follows_the_settings(self, flashcall: Any) -> None:
        flashcall(REGIONS=["GB", "RU"])

        assert example_number().startswith("+44 ")
