"""Cells of a price list: what each column may contain, and what is wrong with a cell.

Every function returns the value of a cell, or raises ``ValueError`` with a text for operators.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from ..choices import Channel
from ..clock import stored_time
from ..money import MAX_PRICE, MONEY
from ..text import word

#: As many as ``Price.prefix`` can hold besides its plus.
MAX_PREFIX_DIGITS = 14

AMOUNT = re.compile(r"[0-9]+([.,](?P<decimals>[0-9]+))?")

#: One or a thousand: a comma separates decimals in Russian, and thousands in English.
AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")

#: A separator of thousands may be any space.
WITH_THOUSANDS = re.compile(r"[0-9]{1,3}([\s.,_'\u2019][0-9]{3})+([.,][0-9]+)?")

#: A minus may be a hyphen, the mathematical sign, or a dash.
NEGATIVE = re.compile(r"[-\u2212\u2013]\s*[0-9.,].*")

#: Spreadsheets write long numbers in this way.
SCIENTIFIC = re.compile(r"\+?[0-9.,]+[eE][+-]?[0-9]+")

PREFIX = re.compile(r"\+?[0-9]+")

LINE_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

WORDS = {
    "": True,
    "yes": True,
    "true": True,
    "1": True,
    "no": False,
    "false": False,
    "0": False,
}


def read_cell(column: str, cell: str) -> Any:
    """Return the value of ``cell``, by the rules of its ``column``."""
    if LINE_BREAK.search(cell):
        # SECURITY: a line break must never be removed. 1 above 2 would become 12.
        raise ValueError(_("“%s” contains a line break") % _shown(cell))
    text = cell.strip()
    if any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in text):
        raise ValueError(_("“%s” contains an invisible character") % _shown(cell))
    return READERS[column](text)


def read_prefix(cell: str) -> str:
    """Return a prefix with its plus, empty for every number."""
    if not cell:
        return ""
    if SCIENTIFIC.fullmatch(cell):
        text = _("a spreadsheet has changed the prefix to “%s”: format the column as text")
        raise ValueError(text % _shown(cell))
    if not PREFIX.fullmatch(cell):
        raise ValueError(_("“%s” is not a prefix such as +7999") % _shown(cell))
    digits = cell.removeprefix("+")
    if len(digits) > MAX_PREFIX_DIGITS:
        text = _("the prefix “%(cell)s” has more than %(count)d digits")
        raise ValueError(text % {"cell": _shown(cell), "count": MAX_PREFIX_DIGITS})
    return f"+{digits}"


def read_channel(cell: str) -> str:
    """Return a channel, empty for every channel."""
    channel = cell.lower()
    if channel not in ["", *Channel.values]:
        text = _("“%(cell)s” is not a channel: write %(channels)s, or nothing for all")
        raise ValueError(text % {"cell": _shown(cell), "channels": ", ".join(Channel.values)})
    return channel


def read_amount(cell: str) -> Decimal | None:
    """Return an amount, ``None`` for that of a shorter prefix."""
    if not cell:
        return None
    match = AMOUNT.fullmatch(cell)
    if match is None:
        raise ValueError(_fault_of_amount(cell) % _shown(cell))
    if AMBIGUOUS.fullmatch(cell):
        text = _("“%s” is ambiguous: write a point before decimals, and nothing between thousands")
        raise ValueError(text % cell)
    if len(match["decimals"] or "") > MONEY["decimal_places"]:
        text = _("“%(cell)s” has more than %(count)d decimals")
        raise ValueError(text % {"cell": _shown(cell), "count": MONEY["decimal_places"]})
    amount = Decimal(cell.replace(",", "."))
    if amount > MAX_PRICE:
        raise ValueError(_("“%s” is too large") % _shown(cell))
    return amount


def read_allowed(cell: str) -> bool:
    """Return whether calls are allowed, as an empty cell says as well."""
    if cell.lower() not in WORDS:
        raise ValueError(_("“%s” is neither yes nor no") % _shown(cell))
    return WORDS[cell.lower()]


def read_time(cell: str) -> datetime | None:
    """Return a time as the site stores it, ``None`` for now; a date means its midnight."""
    if not cell:
        return None
    try:
        return stored_time(datetime.fromisoformat(cell))
    except OverflowError as error:
        raise ValueError(_("“%s” is too early or too late") % _shown(cell)) from error
    except ValueError as error:
        raise ValueError(_("“%s” is not a date such as 2026-12-31") % _shown(cell)) from error


READERS: dict[str, Callable[[str], Any]] = {
    "prefix": read_prefix,
    "channel": read_channel,
    "amount": read_amount,
    "allowed": read_allowed,
    "valid_from": read_time,
}


def _fault_of_amount(cell: str) -> str:
    """Return what is wrong with ``cell``, which is no amount, with a place for the cell."""
    if NEGATIVE.fullmatch(cell):
        return _("“%s” is negative: an amount is 0 or more")
    if SCIENTIFIC.fullmatch(cell):
        return _("“%s” is in scientific notation: write it as a plain number")
    if WITH_THOUSANDS.fullmatch(cell):
        return _("“%s” has separators of thousands: leave them out")
    if any(letter.isdecimal() and not letter.isascii() for letter in cell):
        return _("“%s” has other digits than 0 to 9")
    return _("“%s” is not an amount such as 0.35")


def _shown(cell: str) -> str:
    """Return ``cell`` on one line, truncated, and with visible signs only."""
    return word(" ".join(cell.split()))
