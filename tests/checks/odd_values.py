"""Values that a setting may have by mistake: every wrong kind, and both extremes of each kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn
from uuid import UUID

from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy


def refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Fail, whatever is asked."""
    raise ZeroDivisionError


class Hostile:
    """Fails whatever it is asked, even for its class and its name."""

    __eq__ = __bool__ = __len__ = __iter__ = __contains__ = __str__ = __repr__ = refuse
    __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = __int__ = __float__ = __index__ = refuse
    __hash__ = object.__hash__

    def __getattribute__(self, name: str) -> Any:
        """Fail."""
        raise ZeroDivisionError


class HostileText(str):
    """A text that fails when it is compared or split."""

    __slots__ = ()
    __eq__ = __contains__ = split = refuse
    __hash__ = str.__hash__


class HostileNumber(int):
    """A number that fails when it is compared."""

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = refuse
    __hash__ = int.__hash__


class HostileDict(dict[Any, Any]):
    """A dict that fails when it is read."""

    __iter__ = __contains__ = keys = items = get = refuse


class HostileList(list[Any]):
    """A list that fails when it is read."""

    __iter__ = __len__ = __getitem__ = refuse


def endless() -> Iterator[int]:
    """Yield nothing useful."""
    yield from range(3)


SCALARS: list[Any] = [
    None, True, False, ..., NotImplemented,
    0, 1, -1, 7, 2**31, 2**63, 10**25, -(10**25), 10**400, -(10**400),
    0.0, -0.0, 1.0, 0.5, -1.5, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
    Decimal(0), Decimal("-0"), Decimal(1), Decimal("0.5"), Decimal(-1), Decimal("1e25"),
    Decimal("-1e25"), Decimal("1e-25"), Decimal("1e999999"), Decimal("1e-999999"),
    Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity"),
    Fraction(1, 3), 1j, complex("nan"),
]  # fmt: skip

TEXTS: list[Any] = [
    "", " ", "\n", "0", "1", "none", "True", ".", "..", ".a", "a.", "a..b", "a.b.c", "os.sep",
    "os.getpid", "builtins.object", "django_flashcall", "x" * 10000, "x." * 1000, "\0", "a\0b.c",
    "\ud800", "ключ", "₽₽₽", "+7\n", "%s", "{}", "a/b", "10/10m", "+7", "sms", "RU",
    b"", b"RU", b"\xff", bytearray(b"sms"), memoryview(b"x"),
    gettext_lazy("login"), SimpleLazyObject(lambda: "sms"), SimpleLazyObject(refuse),
    HostileText("sms"), UUID(int=0),
]  # fmt: skip

TIMES: list[Any] = [
    timedelta(0), timedelta(1), timedelta(-1), timedelta.min, timedelta.max, timedelta.resolution,
    -timedelta.resolution, timedelta(seconds=1), timedelta(minutes=10), timedelta(days=31),
    timedelta(days=36500), timedelta(days=36501), date.min,
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC),
]  # fmt: skip

COLLECTIONS: list[Any] = [
    [], (), {}, set(), frozenset(), deque(), range(0), range(3), endless(), iter([]),
    [None], [True], [0], [1], [0.5], [float("nan")], [""], ["x"], ["\0"], [b"sms"], [[]], [{}],
    ["sms", None], ["RU", 1], ["mobile", object()], ["+7", ""], [timedelta(0)], [timedelta.min],
    [timedelta.max], [timedelta(1), timedelta.max], [timedelta(1), None], [Decimal("sNaN")],
    [Hostile()], [HostileText("sms")], {"sms"}, {"RU"}, {"mobile"}, {1: 2}, {None: None},
    {"start": None}, {"start": []}, {"start": "10/m"}, {"start": ["x"]}, {"start": [None]},
    {"start": [f"{'9' * 5000}/m"]}, {"start": ["1/999999999d"]}, {"start": ["0/m"]},
    {"start": ["10/10m", Hostile()]}, {"check": {"60/h"}}, {"other": ["10/m"]}, {b"start": []},
    {Hostile(): 1}, {"start": Hostile()}, {"no_such_option": 1}, {"price": 1, 2: 3},
    HostileDict(start=["1/m"]), HostileList(["sms"]), ["sms"] * 3, [["sms"]], ["RU"] * 1000,
]  # fmt: skip

OBJECTS: list[Any] = [
    object(), object, type, int, dict, print, lambda: None, refuse, Hostile(), Hostile,
    HostileNumber(3), ZeroDivisionError(), SimpleLazyObject(dict),
]  # fmt: skip

VALUES = [*SCALARS, *TEXTS, *TIMES, *COLLECTIONS, *OBJECTS]


def name_of(value: Any) -> str:
    """Return a name for a value in a report, even for one that does not tell its own."""
    try:
        return f"{type(value).__name__}: {value!r}"[:60]
    except Exception:
        return type(value).__name__
