"""Cells of a price list: what is read from them, and what is said about the others."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from django_flashcall.models import Price
from django_flashcall.operations.cells import MAX_PREFIX_DIGITS, READERS, read_cell
from django_flashcall.operations.pricelist import COLUMNS

NBSP, NARROW = "\u00a0", "\u202f"

LINE_BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]

INVISIBLE = ["\0", "\t", "\ufeff", "\u200b", "\u200e", "\u00ad", "\x1b"]


def fault_of(column: str, cell: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        read_cell(column, cell)
    return str(caught.value)


class TestEveryCell:
    def test_has_a_column_that_is_read(self) -> None:
        assert list(READERS) == COLUMNS

    @pytest.mark.parametrize("column", COLUMNS)
    @pytest.mark.parametrize("line_break", LINE_BREAKS, ids=ascii)
    @pytest.mark.parametrize("cell", ["1{}2", "{}1", "1{}", "+7{}9", "{}"])
    def test_with_a_line_break_is_refused(self, cell: str, line_break: str, column: str) -> None:
        assert fault_of(column, cell.format(line_break)).endswith("contains a line break")

    @pytest.mark.parametrize("column", COLUMNS)
    @pytest.mark.parametrize("letter", INVISIBLE, ids=ascii)
    def test_with_an_invisible_character_is_refused(self, letter: str, column: str) -> None:
        fault = fault_of(column, f"1{letter}2")
        assert fault.endswith("contains an invisible character")
        assert fault.isprintable()

    @pytest.mark.parametrize("column", COLUMNS)
    @pytest.mark.parametrize("space", [" ", "\t", NBSP, NARROW, "\u3000"], ids=ascii)
    def test_may_have_spaces_around_it(self, space: str, column: str) -> None:
        assert read_cell(column, space) == read_cell(column, "")

    def test_is_named_in_a_few_words(self) -> None:
        assert len(fault_of("amount", "x" * 100_000)) < 120


class TestAmount:
    @pytest.mark.parametrize(
        ("cell", "amount"),
        [
            ("0", "0"),
            ("0.35", "0.35"),
            ("0,35", "0.35"),
            ("0.350", "0.35"),
            ("0,350", "0.35"),
            ("1.125", "1.125"),
            ("1,1250", "1.125"),
            ("1,5", "1.5"),
            ("1000,5", "1000.5"),
            ("007", "7"),
            ("99999999.9999", "99999999.9999"),
        ],
    )
    def test_is_read(self, cell: str, amount: str) -> None:
        assert read_cell("amount", cell) == Decimal(amount)

    def test_may_be_empty(self) -> None:
        assert read_cell("amount", " ") is None

    @pytest.mark.parametrize(
        ("cell", "fault"),
        [
            ("-3", "is negative: an amount is 0 or more"),
            ("-0.35", "is negative: an amount is 0 or more"),
            ("\u22123", "is negative: an amount is 0 or more"),
            ("- 1 000", "is negative: an amount is 0 or more"),
            ("1e3", "is in scientific notation: write it as a plain number"),
            ("3.5E-1", "is in scientific notation: write it as a plain number"),
            ("1 000", "has separators of thousands: leave them out"),
            (f"1{NBSP}000", "has separators of thousands: leave them out"),
            (f"1{NARROW}000,50", "has separators of thousands: leave them out"),
            ("1,000.50", "has separators of thousands: leave them out"),
            ("1.000,50", "has separators of thousands: leave them out"),
            ("1,000,000", "has separators of thousands: leave them out"),
            ("1'000", "has separators of thousands: leave them out"),
            ("1_000", "has separators of thousands: leave them out"),
            ("0.35001", "has more than 4 decimals"),
            ("100000000", "is too large"),
            ("9" * 50, "is too large"),
            ("１２", "has other digits than 0 to 9"),
            ("٠.٣٥", "has other digits than 0 to 9"),
            ("much", "is not an amount such as 0.35"),
            ("NaN", "is not an amount such as 0.35"),
            ("Infinity", "is not an amount such as 0.35"),
            ("0.35 RUB", "is not an amount such as 0.35"),
            ("1 2", "is not an amount such as 0.35"),
            ("+1", "is not an amount such as 0.35"),
            (".5", "is not an amount such as 0.35"),
            ("1.", "is not an amount such as 0.35"),
            ("1.2.3", "is not an amount such as 0.35"),
        ],
    )
    def test_that_is_none_is_refused_with_a_fitting_text(self, cell: str, fault: str) -> None:
        assert fault_of("amount", cell) == f"“{' '.join(cell.split())}” {fault}"

    @pytest.mark.parametrize("cell", ["1,000", "12,345", "999,999"])
    def test_that_could_be_thousands_is_refused(self, cell: str) -> None:
        assert fault_of("amount", cell).startswith(f"“{cell}” is ambiguous: ")

    @given(st.text(alphabet="0123 .,-+eE_'\n\t\r\u00a0\u2028\u0661\0", max_size=8))
    def test_is_never_another_one_than_was_written(self, cell: str) -> None:
        try:
            amount = read_cell("amount", cell)
        except ValueError:
            return
        written = cell.strip().replace(",", ".")
        assert written.isascii()
        assert amount == (Decimal(written) if written else None)


class TestPrefix:
    @pytest.mark.parametrize(
        ("cell", "prefix"), [("", ""), ("7", "+7"), ("+7999", "+7999"), (" 7999 ", "+7999")]
    )
    def test_is_read(self, cell: str, prefix: str) -> None:
        assert read_cell("prefix", cell) == prefix

    @pytest.mark.parametrize(
        ("cell", "fault"),
        [
            ("+", "“+” is not a prefix such as +7999"),
            ("++7", "“++7” is not a prefix such as +7999"),
            ("-7", "“-7” is not a prefix such as +7999"),
            ("7 999", "“7 999” is not a prefix such as +7999"),
            (f"7{NBSP}999", "“7 999” is not a prefix such as +7999"),
            ("７９", "“７９” is not a prefix such as +7999"),
            ("7999.0", "“7999.0” is not a prefix such as +7999"),
            (
                "7.99912E+10",
                "a spreadsheet has changed the prefix to “7.99912E+10”: format the column as text",
            ),
            ("7" * 15, f"the prefix “{'7' * 15}” has more than 14 digits"),
        ],
    )
    def test_that_is_none_is_refused(self, cell: str, fault: str) -> None:
        assert fault_of("prefix", cell) == fault

    def test_is_as_long_as_its_column(self) -> None:
        longest = read_cell("prefix", "7" * MAX_PREFIX_DIGITS)
        Price(prefix=longest).clean_fields()
        with pytest.raises(ValidationError):
            Price(prefix=f"{longest}7").clean_fields()


class TestOthers:
    @pytest.mark.parametrize(
        ("column", "cell", "value"),
        [
            ("channel", "", ""),
            ("channel", "SMS", "sms"),
            ("allowed", "", True),
            ("allowed", "TRUE", True),
            ("allowed", "No", False),
            ("valid_from", "", None),
            ("valid_from", "2026-03-01", datetime(2026, 2, 28, 21, tzinfo=UTC)),
            ("valid_from", "2026-03-01T00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ],
    )
    def test_are_read(self, column: str, cell: str, value: Any) -> None:
        assert read_cell(column, cell) == value

    @pytest.mark.parametrize(
        ("column", "cell", "fault"),
        [
            (
                "channel",
                "fax",
                "“fax” is not a channel: write flash_call, voice, sms, or nothing for all",
            ),
            ("allowed", "2", "“2” is neither yes nor no"),
            ("valid_from", "01.03.2026", "“01.03.2026” is not a date such as 2026-12-31"),
            ("valid_from", "2026-02-30", "“2026-02-30” is not a date such as 2026-12-31"),
            ("valid_from", "２０２６-03-01", "“２０２６-03-01” is not a date such as 2026-12-31"),
            ("valid_from", "0001-01-01", "“0001-01-01” is too early or too late"),
            (
                "valid_from",
                "9999-12-31T23:59-23:00",
                "“9999-12-31T23:59-23:00” is too early or too late",
            ),
        ],
    )
    def test_that_are_wrong_are_refused(self, column: str, cell: str, fault: str) -> None:
        assert fault_of(column, cell) == fault
