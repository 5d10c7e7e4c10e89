"""Normalise text that people type, and text that providers send."""

from __future__ import annotations

import unicodedata

#: Ids and error codes of a provider are truncated to this length. Documented ones are much shorter.
MAX_WORD_LENGTH = 64


def word(value: object) -> str:
    """Return a provider's id or error code, truncated and on one line, for columns and logs.

    Values other than strings and integers become an empty string.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)[:MAX_WORD_LENGTH]
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def plain(text: str) -> str:
    """Return ``text`` with full-width digits as plain ones (NFKC) and without invisible characters.

    Contact apps put direction marks around numbers, and people paste them with the number.
    """
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", text)
        if unicodedata.category(letter) != "Cf"
    )


class Secret(str):
    """A string that debug pages do not show, for keys and phone numbers.

    Only its ``repr()`` is hidden, so ``f"Bearer {secret}"`` works as usual.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"
