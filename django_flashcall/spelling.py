"""Text as people type and paste it, brought to one spelling before it is judged."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """Return ``text`` with full-width digits as plain ones (NFKC) and without invisible marks.

    Contact lists wrap numbers into marks of direction, which come along when a number is pasted.
    """
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", text)
        if unicodedata.category(letter) != "Cf"
    )
