"""Normalise text that people type, and text that providers send."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Ids and error codes of a provider are truncated to this length. Documented ones are much shorter.
MAX_WORD_LENGTH = 64

#: What people write between the digits of a number, besides white space.
PUNCTUATION = frozenset("+()./-")

SEPARATORS = re.compile(r"[ +()./-]")

#: The characters with the Unicode property ``Dash`` whose category is not ``Pd``: the swung dash,
#: the superscript, subscript and ordinary minus signs.
OTHER_DASHES = frozenset("\u2053\u207b\u208b\u2212")

#: The Braille pattern without dots looks like a space.
BLANK_BRAILLE = 0x2800

#: The characters with the Unicode property ``Default_Ignorable_Code_Point`` (from
#: DerivedCoreProperties.txt), which is in none of the categories of ``unicodedata``: soft hyphens,
#: joiners, marks of direction, fillers, variation selectors and tags. The range of U+FFF0 goes on
#: to U+FFFC: the marks of annotations, and the place of an object that was not pasted.
INVISIBLE = (
    range(0x00AD, 0x00AE),
    range(0x034F, 0x0350),
    range(0x061C, 0x061D),
    range(0x115F, 0x1161),
    range(0x17B4, 0x17B6),
    range(0x180B, 0x1810),
    range(0x200B, 0x2010),
    range(0x202A, 0x202F),
    range(0x2060, 0x2070),
    range(0x3164, 0x3165),
    range(0xFE00, 0xFE10),
    range(0xFEFF, 0xFF00),
    range(0xFFA0, 0xFFA1),
    range(0xFFF0, 0xFFFD),
    range(0x1BCA0, 0x1BCA4),
    range(0x1D173, 0x1D17B),
    range(0xE0000, 0xE1000),
)


def word(value: object) -> str:
    """Return a provider's id or error code, truncated and on one line, for columns and logs.

    Values other than strings and integers become an empty string.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)[:MAX_WORD_LENGTH]
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def plain(text: str) -> str:
    """Return ``text`` as it looks, in ASCII where it consists of digits, spaces and dashes.

    Every Unicode decimal digit becomes the ASCII digit of its value, white space a space, a dash a
    hyphen, and a compatibility form of ``PUNCTUATION`` that character. Invisible characters are
    dropped, since contact apps and messengers put them around numbers. Other characters are kept.
    """
    return "".join(map(_plain_letter, text))


def digits_of(text: str) -> str:
    """Return the ASCII digits of ``text``, or an empty string if it contains anything but a number.

    Only what ``plain()`` reads as a digit, a space or one of ``PUNCTUATION`` may occur.
    """
    digits = SEPARATORS.sub("", plain(text))
    # SECURITY: ASCII is required. '²'.isdigit() is true.
    return digits if digits.isascii() and digits.isdigit() else ""


@lru_cache(maxsize=1024)
def _plain_letter(letter: str) -> str:
    if letter.isspace() or ord(letter) == BLANK_BRAILLE:
        return " "
    if _is_invisible(ord(letter)):
        return ""
    if unicodedata.category(letter) == "Nd":
        return str(unicodedata.decimal(letter))
    if unicodedata.category(letter) == "Pd" or letter in OTHER_DASHES:
        return "-"
    # Not the whole text, since NFKC also turns '²' into a digit.
    compatible = unicodedata.normalize("NFKC", letter)
    return compatible if compatible in PUNCTUATION else letter


def _is_invisible(code_point: int) -> bool:
    return any(code_point in points for points in INVISIBLE)


class Secret(str):
    """A string that debug pages do not show, for keys and phone numbers.

    Only its ``repr()`` is hidden, so ``f"Bearer {secret}"`` works as usual.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"
