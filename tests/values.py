"""Values of every JSON type and of both extremes, in place of those that the package stored."""

from __future__ import annotations

from typing import Any

#: None of these is a time, a key, a text that the package stored, or a dict or list of them.
WRONG_VALUES: list[Any] = [
    None,
    True,
    False,
    -1,
    10**30,
    -(10**30),
    -0.5,
    1e300,
    -1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    "x",
    "2026-03-04T09:00:00",
    "2026-03-04T09:00:00+00:00",
    "\x00\ud800",
    "9" * 5000,
    [],
    [[]],
    [None],
    [[None, None]],
    ["x", "x"],
    {},
    {"x": "x"},
    {"": None},
    {"page": []},
]
