"""Tests."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from django_flashcall.choices import Channel
from django_flashcall.models import Price
from django_flashcall.operations import pricelist
from django_flashcall.operations.pricelist import (
    PriceListError,
    read_prices,
    save_prices,
    write_prices,
)
from tests.constants import NOON
from tests.factories import PriceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


PRICES = "/admin/django_flashcall/price"


def read(text: str) -> list[dict[str, Any]]:
    fields = ("prefix", "channel", "amount", "allowed", "valid_from")
    return [
        {name: getattr(price, name) for name in fields} for price in read_prices(io.StringIO(text))
    ]


def problems_of(text: str) -> list[str]:
    with pytest.raises(PriceListError) as caught:
        read_prices(io.StringIO(text))
    return caught.value.problems


def run(*arguments: str) -> str:
    told = io.StringIO()
    call_command("flashcall_prices", *arguments, stdout=told)
    return told.getvalue()


def upload(client: Client, content: bytes) -> Any:
    file = SimpleUploadedFile("prices.csv", content)
    return client.post(f"{PRICES}/import/", {"file": file}, follow=True)


NAIVE = datetime(2026, 3, 1, 12, tzinfo=UTC).replace(tzinfo=None)


class TestReading:
    def test_what_is_written_is_read_back(self) -> None:
        PriceFactory(prefix="+7999", channel=Channel.SMS, amount=Decimal("1.60"), valid_from=NOON)
        PriceFactory(prefix="", amount=None, allowed=False, valid_from=NOON)
        text = io.StringIO()
        assert write_prices(text) == 2
        before = read(text.getvalue())
        assert {row["prefix"] for row in before} == {"", "+7999"}
        Price.objects.all().delete()
        save_prices(read_prices(io.StringIO(text.getvalue())))
        after = io.StringIO()
        write_prices(after)
        assert after.getvalue() == text.getvalue()

    def test_no_cell_is_a_formula_to_a_spreadsheet(self) -> None:
        PriceFactory(prefix="+7999", amount=Decimal("0.35"), valid_from=NOON)
        text = io.StringIO()
        write_prices(text)
        cells = [cell for line in text.getvalue().splitlines() for cell in line.split(",")]
        assert not [cell for cell in cells if cell.startswith(("+", "-", "=", "@"))]

    @pytest.mark.parametrize(
        "text",
        [
            "prefix,channel,amount,allowed,valid_from\n+7999,sms,1.60,no,2026-03-01\n",
            "prefix,channel,amount,allowed,valid_from\r\n7999,sms,1.6,False,2026-03-01T00:00:00+03:00\r\n",
            "\ufeffprefix; channel; amount; allowed; valid_from\n"
            "7999; sms; 1,60; no; 2026-03-01 00:00\n",
        ],
    )
    def test_files_of_all_spreadsheets_are_read(self, text: str) -> None:
        assert read(text) == [
            {
                "prefix": "+7999",
                "channel": "sms",
                "amount": Decimal("1.6"),
                "allowed": False,
                "valid_from": datetime(2026, 2, 28, 21, 0, tzinfo=UTC),
            }
        ]

    def test_two_columns_are_enough(self) -> None:
        [row] = read("prefix,amount\n,0.35\n")
        assert (row["prefix"], row["channel"], row["allowed"], row["valid_from"]) == (
            "",
            "",
            True,
            NOON,
        )

    @pytest.mark.parametrize("head", ["Prefix,AMOUNT", '"prefix","amount"', " prefix , amount "])
    def test_the_names_of_the_columns_may_be_written_in_another_way(self, head: str) -> None:
        [row] = read(f"{head}\n7999,0.35\n")
        assert (row["prefix"], row["amount"]) == ("+7999", Decimal("0.35"))

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_lines_may_end_as_on_any_system(self, end: str) -> None:
        lines = ["", "prefix;amount", "", "7999;0,35", ";;", "7998;1", ""]
        rows = read(end.join(lines))
        assert [row["amount"] for row in rows] == [Decimal("0.35"), Decimal(1)]
        assert problems_of(end.join([*lines, "7997;-1"]))[0].startswith("Line 8: ")

    def test_a_row_takes_the_place_of_the_same_one(self) -> None:
        PriceFactory(prefix="+7999", amount=Decimal("0.35"), valid_from=NOON)
        save_prices(read_prices(io.StringIO("prefix,amount\n7999,0.50\n7998,0.60\n")))
        amounts = dict(Price.objects.values_list("prefix", "amount"))
        assert amounts == {"+7999": Decimal("0.50"), "+7998": Decimal("0.60")}

    @pytest.mark.parametrize("line", [",,,,", ";;;;"])
    def test_an_empty_line_of_a_spreadsheet_is_no_row(self, line: str) -> None:
        head = line[0].join(["prefix", "channel", "amount", "allowed", "valid_from"])
        row = line[0].join(["7999", "sms", "1", "no", ""])
        [read_back] = read(f"{head}\n{row}\n{line}\n")
        assert read_back["prefix"] == "+7999"

    def test_an_empty_row_lifts_no_ban(self) -> None:
        PriceFactory(prefix="", allowed=False, valid_from=NOON - timedelta(days=1))
        save_prices(read_prices(io.StringIO("prefix,amount,allowed\n7999,1,\n,,\n")))
        assert not Price.objects.filter(prefix="", allowed=True).exists()

    def test_without_time_zones_a_list_is_read_back(self, settings: Any) -> None:
        settings.USE_TZ = False
        PriceFactory(prefix="+7999", amount=Decimal("0.35"), valid_from=NAIVE)
        text = io.StringIO()
        write_prices(text)
        save_prices(read_prices(io.StringIO(text.getvalue())))
        assert Price.objects.get().valid_from == NAIVE


class TestFaults:
    """Each fault of each line is named with the line on which the row begins."""

    @pytest.mark.parametrize(
        ("head", "problems"),
        [
            ("", ["the column “prefix” is missing", "the column “amount” is missing"]),
            ("prefix", ["the column “amount” is missing"]),
            (
                "prefix,price",
                [
                    "the column “amount” is missing",
                    "“price” is not a column: use prefix, channel, amount, allowed, valid_from",
                ],
            ),
            ("prefix,amount,amount", ["the column “amount” is repeated"]),
            ("prefix,amount,", ["a column has no name"]),
            ("prefix,amount", ["there are no prices below it"]),
            (
                'prefix,"amount',
                ["a quotation mark is not closed, so the rest of the file was not read"],
            ),
            (
                "prefix,amount," + "x" * 200_000,
                ["a cell is too long, or a quotation mark is not closed"],
            ),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_of_the_first_line_are_named(self, head: str, problems: list[str]) -> None:
        assert problems_of(f"{head}\n") == [f"Line 1: {problem}." for problem in problems]

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            ("7999,-3,sms,,", "“-3” is negative: an amount is 0 or more"),
            ("+,1,sms,,", "“+” is not a prefix such as +7999"),
            (
                "7999,1,pigeon,,",
                "“pigeon” is not a channel: write flash_call, voice, sms, or nothing for all",
            ),
            ("7999,1,,perhaps,", "“perhaps” is neither yes nor no"),
            ("7999,1,,,soon", "“soon” is not a date such as 2026-12-31"),
            ("7999,,sms,,", "it has neither an amount nor a value for “allowed”"),
            ("7999", "it has a different number of cells (1) than the first line (5)"),
            ("7999,0,35,sms,,", "it has a different number of cells (6) than the first line (5)"),
            (
                '7999,"1"2,sms,,',
                "a quotation mark is inside a cell: write it twice, or leave it out",
            ),
            ("7999," + "1" * 200_000, "a cell is too long, or a quotation mark is not closed"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_of_a_row_are_named(self, row: str, problem: str) -> None:
        text = f"prefix,amount,channel,allowed,valid_from\n{row}\n"
        assert problems_of(text) == [f"Line 2: {problem}."]

    def test_of_one_row_are_all_named(self) -> None:
        text = "prefix,amount,channel,allowed,valid_from\n79x9,-3,pigeon,perhaps,soon\n7998,x,,,"
        assert problems_of(text) == [
            "Line 2: “79x9” is not a prefix such as +7999.",
            "Line 2: “-3” is negative: an amount is 0 or more.",
            "Line 2: “pigeon” is not a channel: write flash_call, voice, sms, or nothing for all.",
            "Line 2: “perhaps” is neither yes nor no.",
            "Line 2: “soon” is not a date such as 2026-12-31.",
            "Line 3: “x” is not an amount such as 0.35.",
        ]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_of_cells_with_line_breaks_are_named_where_their_rows_begin(self, end: str) -> None:
        rows = ["prefix,amount", '7999,"1', '2"', "", '"7', '9",1', "7998,x", "7997,1"]
        assert problems_of(end.join(rows)) == [
            "Line 2: “1 2” contains a line break.",
            "Line 5: “7 9” contains a line break.",
            "Line 7: “x” is not an amount such as 0.35.",
        ]

    def test_of_rows_above_a_quotation_mark_that_is_not_closed_are_named(self) -> None:
        assert problems_of('prefix,amount\n7999,x\n7998,"1\n7997,y\n') == [
            "Line 2: “x” is not an amount such as 0.35.",
            "Line 3: a quotation mark is not closed, so the rest of the file was not read.",
        ]

    def test_of_rows_below_a_misplaced_quotation_mark_are_named(self) -> None:
        assert problems_of('prefix,amount\n7999,"1"2\n7997,y\n') == [
            "Line 2: a quotation mark is inside a cell: write it twice, or leave it out.",
            "Line 3: “y” is not an amount such as 0.35.",
        ]

    def test_a_row_that_comes_again_is_named_though_its_amount_is_faulty(self) -> None:
        text = "prefix,amount,channel\n7999,1,\n7999,1,sms\n+7999,x,\nx,1,\nx,2,\n7999,1,\n"
        assert problems_of(text) == [
            "Line 4: “x” is not an amount such as 0.35.",
            "Line 4: line 2 has the same prefix, channel and date.",
            "Line 5: “x” is not a prefix such as +7999.",
            "Line 6: “x” is not a prefix such as +7999.",
            "Line 7: line 2 has the same prefix, channel and date.",
        ]

    def test_dates_of_different_text_may_be_the_same(self) -> None:
        text = "prefix,amount,valid_from\n7999,1,2026-03-01\n7999,2,2026-03-01T00:00+03:00\n"
        assert problems_of(text) == ["Line 3: line 2 has the same prefix, channel and date."]

    def test_are_not_listed_without_end(self) -> None:
        told = problems_of("prefix,amount\n" + "7999,x\n" * 201)
        assert len(told) == 101
        assert told[-1] == "There are 301 more problems."

    def test_a_file_that_is_too_long_is_not_read(self) -> None:
        text = "prefix,amount\n" + "\n" * pricelist.MAX_LENGTH
        assert problems_of(text) == ["The file is longer than 1 MB. Divide it into smaller files."]


class TestCommand:
    def test_the_command_writes_and_reads(self, tmp_path: Path) -> None:
        PriceFactory(prefix="+7999", valid_from=NOON)
        path = tmp_path / "prices.csv"
        assert "1 prices written." in run("--export", str(path))
        Price.objects.all().delete()
        assert "1 prices read." in run("--import", str(path))
        assert Price.objects.get().prefix == "+7999"

    def test_the_command_reads_all_or_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.csv"
        path.write_text("prefix,amount\n7999,0.35\n7998,x\n")
        with pytest.raises(CommandError, match=r"Nothing was imported\.\nLine 3"):
            run("--import", str(path))
        assert not Price.objects.exists()

    def test_the_command_says_that_there_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=r"The file cannot be used: .*No such file"):
            run("--import", str(tmp_path / "prices.csv"))

    @pytest.mark.parametrize("encoding", ["cp1251", "utf-16", "utf-32"])
    def test_the_command_names_the_encoding_that_it_reads(
        self, encoding: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "prices.csv"
        path.write_bytes("prefix,amount,allowed\n7999,1,да\n".encode(encoding))
        with pytest.raises(CommandError, match=r"The file cannot be used: save it as UTF-8\."):
            run("--import", str(path))

    def test_the_command_reads_no_line_break_away(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.csv"
        path.write_bytes(b'prefix,amount\r\n7999,"1\r\n2"\r\n7998,-3\r\n')
        with pytest.raises(CommandError, match=r"Line 2: .* line break") as caught:
            run("--import", str(path))
        assert "Line 4: “-3” is negative" in str(caught.value)
        assert not Price.objects.exists()


class TestAdmin:
    def test_the_admin_exports_and_imports(self, admin_client: Client) -> None:
        PriceFactory(prefix="+7999", valid_from=NOON)
        page = admin_client.get(f"{PRICES}/").text
        assert f'href="{PRICES}/import/"' in page
        exported = admin_client.get(f"{PRICES}/export/")
        assert exported["Content-Disposition"] == 'attachment; filename="prices.csv"'
        Price.objects.all().delete()
        assert "1 price was imported." in upload(admin_client, exported.content).text
        assert Price.objects.get().prefix == "+7999"

    def test_the_admin_imports_all_or_nothing(self, admin_client: Client) -> None:
        page = upload(admin_client, b"prefix,amount\n7999,1\n7998,x\n7997,y\n").text
        assert "Line 3: " in page
        assert "Line 4: " in page
        assert not Price.objects.exists()
        assert "Save the file as UTF-8." in upload(admin_client, b"prefix,amount\n\xff,1\n").text

    def test_the_admin_reads_no_line_break_away(self, admin_client: Client) -> None:
        page = upload(admin_client, b'prefix,amount\r\n7999,"1\r\n2"\r\n7998,-3\r\n').text
        assert "Line 2: “1 2” contains a line break." in page
        assert "Line 4: “-3” is negative" in page
        assert not Price.objects.exists()

    def test_the_admin_reads_no_file_that_is_too_long(self, admin_client: Client) -> None:
        page = upload(admin_client, b"prefix,amount\n" + b"\n" * pricelist.MAX_LENGTH).text
        assert "The file is longer than 1 MB." in page

    def test_who_may_not_write_prices_imports_none(
        self, client: Client, django_user_model: Any
    ) -> None:
        looker = django_user_model.objects.create_user("looker", is_staff=True)
        client.force_login(looker, backend="django.contrib.auth.backends.ModelBackend")
        assert upload(client, b"prefix,amount\n7999,1\n").status_code == 403
        assert client.get(f"{PRICES}/export/").status_code == 403
        assert not Price.objects.exists()
