"""Export the price list as a CSV file for spreadsheets, and import it, all rows or none."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..models import Price
from ..text import word
from .cells import read_cell

COLUMNS = ["prefix", "channel", "amount", "allowed", "valid_from"]
REQUIRED_COLUMNS = ["prefix", "amount"]

#: A row replaces another with the same values in these columns.
KEY = ("prefix", "channel", "valid_from")

#: What the columns mean that a file does not have. Without a time, a row is valid from now.
DEFAULTS: dict[str, Any] = {"channel": "", "allowed": True, "valid_from": None}

#: At most this many characters are read, and this many problems listed.
MAX_LENGTH = 1_000_000
MAX_PROBLEMS = 100

TOO_LONG = gettext_lazy("The file is longer than 1 MB. Divide it into smaller files.")


class PriceListError(ValueError):
    """The file is not a valid price list. Each of ``problems`` names a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of the file. ``line`` is the line on which it begins, ``fault`` why it has no cells.

    A cell in quotation marks may contain line breaks, so a record may have several lines.
    """

    line: int
    cells: list[str] = field(default_factory=list)
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The values of a record, without those of faulty cells, and all its faults."""

    line: int
    values: dict[str, Any]
    faults: list[str]


def write_prices(file: TextIO, *, show: Callable[[str], str] = str) -> int:
    """Write the whole list to ``file``, and return the number of rows.

    ``show`` returns a prefix as the reader may see it.
    """
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    prices = list(Price.objects.all())
    for price in prices:
        allowed = "yes" if price.allowed else "no"
        amount = "" if price.amount is None else f"{price.amount.normalize():f}"
        # SECURITY: without the plus sign, which would begin a formula in a spreadsheet.
        prefix = show(price.prefix).removeprefix("+")
        rows.writerow([prefix, price.channel, amount, allowed, price.valid_from.isoformat()])
    return len(prices)


def read_prices(file: TextIO) -> list[Price]:
    """Read rows as ``write_prices()`` writes them; raise ``PriceListError`` with every fault.

    Columns may be separated by ``;``, decimals by ``,``, and a prefix may begin with a plus. A date
    without a time means midnight. A row without a date is valid from now.
    """
    text = file.read(MAX_LENGTH + 1)
    if len(text) > MAX_LENGTH:
        raise PriceListError([str(TOO_LONG)])
    head, *records = list(_records(text.removeprefix("\ufeff"))) or [Record(line=1)]
    names = [name.strip().lower() for name in head.cells]
    _refuse(_at_line(head.line, [head.fault] if head.fault else _faults_of_head(names)))
    if not records:
        _refuse(_at_line(head.line, [_("there are no prices below it")]))
    rows = [_read_row(record, names=names) for record in records]
    _mark_repeated(rows)
    _refuse([text for row in rows for text in _at_line(row.line, row.faults)])
    now = timezone.now()
    return [Price(**row.values | {"valid_from": row.values["valid_from"] or now}) for row in rows]


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


def _records(text: str) -> Iterator[Record]:
    """Yield the records of a file, except empty ones."""
    lines = io.StringIO(text, newline="").readlines()  # a cell keeps its line breaks
    first = next((line for line in lines if line.strip()), "")
    records = csv.reader(lines, delimiter=";" if ";" in first else ",", strict=True)
    while True:
        line = records.line_num + 1
        try:
            cells = next(records, None)
        except csv.Error as error:
            yield Record(line=line, fault=_fault_of_quotes(error))
            continue
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield Record(line=line, cells=cells)


def _fault_of_quotes(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return _("a quotation mark is not closed, so the rest of the file was not read")
    if "field limit" in str(error):
        return _("a cell is too long, or a quotation mark is not closed")
    return _("a quotation mark is inside a cell: write it twice, or leave it out")


def _faults_of_head(names: list[str]) -> list[str]:
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    unknown = [word(name) for name in names if name and name not in COLUMNS]
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    columns = ", ".join(COLUMNS)
    return [
        *[_("the column “%s” is missing") % name for name in missing],
        *[
            _("“%(name)s” is not a column: use %(columns)s") % {"name": name, "columns": columns}
            for name in unknown
        ],
        *[_("the column “%s” is repeated") % name for name in repeated],
        *[_("a column has no name") for name in names if not name],
    ]


def _read_row(record: Record, *, names: list[str]) -> Row:
    if record.fault:
        return Row(line=record.line, values={}, faults=[record.fault])
    if len(record.cells) != len(names):
        sizes = {"found": len(record.cells), "expected": len(names)}
        fault = (
            _("it has a different number of cells (%(found)d) than the first line (%(expected)d)")
            % sizes
        )
        return Row(line=record.line, values={}, faults=[fault])
    return _read_cells(dict(zip(names, record.cells, strict=True)), line=record.line)


def _read_cells(cells: dict[str, str], *, line: int) -> Row:
    values, faults = dict(DEFAULTS), []
    for column, cell in cells.items():
        try:
            values[column] = read_cell(column, cell)
        except ValueError as error:
            values.pop(column, None)
            faults.append(str(error))
    if not (cells["amount"].strip() or cells.get("allowed", "").strip()):
        faults.append(_("it has neither an amount nor a value for “allowed”"))
    return Row(line=line, values=values, faults=faults)


def _mark_repeated(rows: Iterable[Row]) -> None:
    """Add a fault to each row that would replace an earlier one of the same file."""
    lines: dict[tuple[Any, ...], int] = {}
    for row in rows:
        if not row.values.keys() >= set(KEY):
            continue  # one of these cells is faulty
        first = lines.setdefault(tuple(row.values[name] for name in KEY), row.line)
        if first != row.line:
            row.faults.append(_("line %d has the same prefix, channel and date") % first)


def _refuse(problems: list[str]) -> None:
    """Raise ``PriceListError`` if there are ``problems``."""
    if not problems:
        return
    more = len(problems) - MAX_PROBLEMS
    if more > 0:
        text = ngettext("There is %d more problem.", "There are %d more problems.", more)
        problems = [*problems[:MAX_PROBLEMS], text % more]
    raise PriceListError(problems)


def _at_line(line: int, problems: Iterable[str]) -> list[str]:
    return [
        _("Line %(line)d: %(problem)s.") % {"line": line, "problem": problem}
        for problem in problems
    ]
