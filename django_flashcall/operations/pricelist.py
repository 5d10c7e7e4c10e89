"""Export the price list as a CSV file for spreadsheets, and import it, all rows or none."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ..clock import stored_time
from ..models import Price

COLUMNS = ["prefix", "channel", "amount", "allowed", "valid_from"]

AMOUNT = re.compile(r"[0-9]{1,9}([.,][0-9]{1,4})?")

WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class PriceListError(ValueError):
    """The file is not a valid price list. Each of ``problems`` names a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def write_prices(file: TextIO) -> int:
    """Write the whole list to ``file``, and return the number of rows."""
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    prices = list(Price.objects.all())
    for price in prices:
        allowed = "yes" if price.allowed else "no"
        amount = "" if price.amount is None else f"{price.amount.normalize():f}"
        # SECURITY: without the plus sign, which would begin a formula in a spreadsheet.
        prefix = price.prefix.removeprefix("+")
        rows.writerow([prefix, price.channel, amount, allowed, price.valid_from.isoformat()])
    return len(prices)


def read_prices(file: TextIO) -> list[Price]:
    """Read rows as ``write_prices()`` writes them; raise ``PriceListError`` with every wrong line.

    Columns may be separated by ``;``, decimals by ``,``, and a prefix may begin with a plus. A date
    without a time means midnight. A row without a date is valid from now.
    """
    text = file.read().removeprefix("\ufeff")
    head = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head else ",")
    names = _names(rows)
    is_known = {"prefix", "amount"} <= set(names) <= set(COLUMNS)
    if not is_known or len(names) > len(set(names)):
        raise PriceListError([_at_line(1, _("name the columns: %s") % ", ".join(COLUMNS))])
    rows.fieldnames = names
    prices, problems = [], []
    seen: set[tuple[Any, ...]] = set()
    now = timezone.now()
    for row in _whole(rows):
        if not any(row.values()):
            continue  # an empty line of a spreadsheet
        try:
            price = _read_row(row, now=now)
            _refuse_again(price, seen=seen)
        except (ValidationError, ValueError, OverflowError) as error:
            problems.append(_at_line(rows.line_num, _in_one_line(error)))
        else:
            prices.append(price)
    if not (prices or problems):
        problems = [_at_line(rows.line_num, _("there are no prices"))]
    if problems:
        raise PriceListError(problems)
    return prices


def save_prices(prices: Iterable[Price]) -> list[Price]:
    """Save all ``prices``, replacing rows of the same prefix, channel and time."""
    with transaction.atomic(using=router.db_for_write(Price)):
        return [_save(price) for price in prices]


def _save(price: Price) -> Price:
    row, _made = Price.objects.update_or_create(
        prefix=price.prefix,
        channel=price.channel,
        valid_from=price.valid_from,
        defaults={"amount": price.amount, "allowed": price.allowed},
    )
    return row


def _names(rows: csv.DictReader[str]) -> list[str]:
    try:
        return [name.strip() for name in rows.fieldnames or []]
    except csv.Error as error:
        raise PriceListError([_at_line(1, str(error))]) from error


def _whole(rows: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise PriceListError([_at_line(rows.line_num + 1, str(error))]) from error


def _read_row(row: dict[str, str], *, now: datetime) -> Price:
    if None in row or None in row.values():
        raise ValueError(_("it does not have as many columns as the first line"))
    cells = {name: (cell or "").strip() for name, cell in row.items()}
    if not (cells["amount"] or cells.get("allowed")):
        raise ValueError(_("it has neither an amount nor a value for “allowed”"))
    digits = cells["prefix"].removeprefix("+")
    price = Price(
        prefix=f"+{digits}" if cells["prefix"] else "",
        channel=cells.get("channel", ""),
        amount=_read_amount(cells["amount"]),
        allowed=_read_word(cells.get("allowed", "")),
        valid_from=_read_day(cells.get("valid_from", "")) or now,
    )
    price.clean_fields()
    return price


def _read_amount(cell: str) -> Decimal | None:
    if not cell:
        return None
    if not AMOUNT.fullmatch(cell):
        raise ValueError(_("“%s” is not an amount such as 0.35") % cell)
    return Decimal(cell.replace(",", "."))


def _read_word(cell: str) -> bool:
    if cell.lower() not in {"", *WORDS}:
        raise ValueError(_("“%s” is neither yes nor no") % cell)
    return WORDS.get(cell.lower(), True)


def _read_day(cell: str) -> datetime | None:
    if not cell:
        return None
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError as error:
        raise ValueError(_("“%s” is not a date such as 2026-12-31") % cell) from error
    return stored_time(moment)


def _refuse_again(price: Price, *, seen: set[tuple[Any, ...]]) -> None:
    key = (price.prefix, price.channel, price.valid_from)
    if key in seen:
        raise ValueError(_("an earlier line has the same prefix, channel and date"))
    seen.add(key)


def _in_one_line(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    texts = error.message_dict.items()
    return " ".join(f"{name}: {text}" for name, messages in texts for text in messages)


def _at_line(line: int, problem: str) -> str:
    return _("Line %(line)d: %(problem)s.") % {"line": line, "problem": problem.rstrip(".")}
