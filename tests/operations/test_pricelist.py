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

    @pytest.mark.parametrize(
        ("prefix", "amount"),
        [("7 (999)", "0,35"), ("+٧٩٩٩", "٠.٣٥"), ("7\u2011999\u200b", "0.35\ufe0f")],
    )
    def test_prefixes_and_amounts_are_read_as_people_paste_them(
        self, prefix: str, amount: str
    ) -> None:
        [price] = read_prices(io.StringIO(f"prefix;amount\n{prefix};{amount}\n"))
        assert (price.prefix, price.amount) == ("+7999", Decimal("0.35"))

    def test_two_columns_are_enough(self) -> None:
        [row] = read("prefix,amount\n,0.35\n")
        assert (row["prefix"], row["channel"], row["allowed"], row["valid_from"]) == (
            "",
            "",
            True,
            NOON,
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "Line 1: name the columns"),
            ("number,price\n1,2\n", "Line 1: name the columns"),
            ("prefix,amount\n", "Line 1: there are no prices."),
            ("prefix,amount\n7999,much\n", "Line 2: “much” is not an amount"),
            ("prefix,amount\n7999,-1\n", "Line 2: “-1” is not an amount"),
            ("prefix,amount\n7999,NaN\n", "Line 2: “NaN” is not an amount"),
            ("prefix,amount\n7999,1_000\n", "Line 2: “1_000” is not an amount"),
            ("prefix,amount\n+,1\n", "Line 2: prefix: A prefix is a + and digits"),
            ("prefix,amount,amount\n7999,1,2\n", "Line 1: name the columns"),
            ("prefix,amount,valid_from\n7999,1,0001-01-01\n", "Line 2: "),
            ("prefix,amount\n7999," + "1" * 200_000, "Line 2: "),
            ("prefix,amount\n79x9,1\n", "Line 2: prefix: A prefix is a + and digits"),
            ("prefix,amount,channel\n7999,1,pigeon\n", "Line 2: channel:"),
            ("prefix,amount,allowed\n7999,1,perhaps\n", "Line 2: “perhaps” is neither"),
            ("prefix,amount,channel\n7999,,sms\n", "Line 2: it has neither an amount"),
            ("prefix,amount," + "x" * 200_000, "Line 1: "),
            ("prefix,amount,valid_from\n7999,1,soon\n", "Line 2: “soon” is not a date"),
            ("prefix,amount,valid_from\n7999,1,2026-02-30\n", "Line 2: “2026-02-30” is not a date"),
            ("prefix,amount\n7999\n", "Line 2: it does not have as many columns"),
            ("prefix,amount\n7999,1,2\n", "Line 2: it does not have as many columns"),
            ("prefix,amount\n7999,1\n+7999,2\n", "Line 3: an earlier line has the same prefix"),
        ],
    )
    def test_a_wrong_line_is_named(self, text: str, problem: str) -> None:
        [told] = problems_of(text)
        assert told.startswith(problem)

    def test_all_wrong_lines_are_named_at_once(self) -> None:
        told = problems_of("prefix,amount\n7999,x\n7998,1\n7997,y\n")
        assert [problem[:7] for problem in told] == ["Line 2:", "Line 4:"]

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

    @pytest.mark.parametrize("content", [None, b"prefix,amount\n\xff,1\n"])
    def test_the_command_says_what_is_wrong_with_the_file(
        self, content: bytes | None, tmp_path: Path
    ) -> None:
        path = tmp_path / "prices.csv"
        if content:
            path.write_bytes(content)
        with pytest.raises(CommandError, match="The file cannot be used"):
            run("--import", str(path))


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

    def test_who_may_not_write_prices_imports_none(
        self, client: Client, django_user_model: Any
    ) -> None:
        looker = django_user_model.objects.create_user("looker", is_staff=True)
        client.force_login(looker, backend="django.contrib.auth.backends.ModelBackend")
        assert upload(client, b"prefix,amount\n7999,1\n").status_code == 403
        assert client.get(f"{PRICES}/export/").status_code == 403
        assert not Price.objects.exists()
