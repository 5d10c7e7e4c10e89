"""Text as people type it and as providers write it, brought to a form that is safe to judge."""

from __future__ import annotations

import unicodedata

#: An id or an error code of a provider is cut here; nothing documented comes near.
MAX_WORD = 64


def word(value: object) -> str:
    """Return a word of a provider's, cut and on one line: it goes into columns, logs and pages.

    What is neither text nor a whole number is no word.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)[:MAX_WORD]
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def plain(text: str) -> str:
    """Return ``text`` with full-width digits as plain ones (NFKC) and without invisible marks.

    Contact lists wrap numbers into marks of direction, which come along when a number is pasted.
    """
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", text)
        if unicodedata.category(letter) != "Cf"
    )
