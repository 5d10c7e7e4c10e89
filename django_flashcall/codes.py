"""Generate codes, read what people type, and make keyed digests. No models here."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable
from uuid import UUID

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from .conf import get_secrets
from .exceptions import CodeMalformed
from .text import plain

#: A spoken code has four digits (API description, section "voice").
SPOKEN_LENGTH = 4

#: What people type between digits or paste with them.
SEPARATORS = re.compile(r"[\s+().\-\u2010-\u2015\u2212]")

#: The length of a whole calling number (ITU-T E.164). Codes are shorter.
WHOLE_NUMBER = range(10, 16)


def draw_code(length: int = SPOKEN_LENGTH) -> str:
    """Return a random code of ``length`` digits.

    Codes such as 0000 are not avoided, since that would make the others easier to guess.
    """
    return f"{secrets.randbelow(10**length):0{length}}"


def is_code(value: object, *, length: int) -> bool:
    """Return whether ``value`` consists of ``length`` ASCII digits."""
    return isinstance(value, str) and len(value) == length and value.isascii() and value.isdigit()


def read_code(text: str, *, lengths: Collection[int]) -> list[str]:
    """Read ``text`` as a code of one of the ``lengths``, or as the whole calling number.

    Returns the possible codes: the code itself, or the end of the number for each length.
    Raises ``CodeMalformed``, which costs no check.
    """
    digits = SEPARATORS.sub("", plain(text))
    # SECURITY: ASCII is required. '²'.isdigit() is true, and str.isdecimal() accepts Arabic digits.
    if not (digits.isascii() and digits.isdigit()):
        raise CodeMalformed()
    if len(digits) in WHOLE_NUMBER:
        return [digits[-length:] for length in lengths]
    if len(digits) not in lengths:
        raise CodeMalformed(_wrong_length(len(digits), lengths=lengths))
    return [digits]


def make_digest(code: str, *, number: str, key: UUID) -> str:
    """Return the digest that is stored for ``code``: 64 hexadecimal digits.

    It is bound to the number and the verification, so a copied digest is useless elsewhere.
    """
    return _digest(code, number=number, key=key, secret=get_secrets()[0])


def matches(codes: Iterable[str], digests: Iterable[str], *, number: str, key: UUID) -> bool:
    """Return, in constant time, whether one of ``codes`` has one of ``digests``.

    Digests made with ``SECRET_KEY_FALLBACKS`` are accepted, so changing the key does not
    invalidate codes that are still valid.
    """
    made = [
        _digest(code, number=number, key=key, secret=secret)
        for code in codes
        for secret in get_secrets()
    ]
    # SECURITY: all are compared. any() over a generator would stop at the first match.
    equal = [constant_time_compare(one, other) for one in made for other in digests]
    return any(equal)


def _digest(code: str, *, number: str, key: UUID, secret: str | bytes) -> str:
    # SECURITY: keyed, since a plain hash is quickly reversed by hashing all 10,000 codes.
    return salted_hmac(
        "django_flashcall.codes", f"{key}:{number}:{code}", secret=secret, algorithm="sha256"
    ).hexdigest()


def _wrong_length(length: int, *, lengths: Collection[int]) -> str:
    expected = min(lengths) if length < min(lengths) else max(lengths)
    if length < expected:
        return _("Too few digits: enter %d.") % expected
    return _("Too many digits: enter %d.") % expected
