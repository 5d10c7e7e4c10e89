"""Generate codes, read what people type, and make keyed digests. No models here."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from uuid import UUID

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .conf import get_secrets
from .exceptions import CodeMalformed, CodeMistaken
from .text import digits_of

#: A spoken code has four digits (API description, section "voice").
SPOKEN_LENGTH = 4

#: The last digits of the example on the page that takes the code.
EXAMPLE_CODE = "7890"

#: At most this many codes are never used: the example, and the end of the visitor's own number.
EXCLUDED_CODES = 2

EXAMPLE = gettext_lazy("These are the last digits of the example, not the code.")

#: The length of a whole calling number (ITU-T E.164). Codes are shorter.
WHOLE_NUMBER = range(10, 16)


def draw_code(length: int = SPOKEN_LENGTH, *, number: str = "") -> str:
    """Return a random code of ``length`` digits for ``number``, without the excluded ones.

    Codes such as 0000 are not avoided, since that would make the others easier to guess.
    """
    while is_excluded(code := f"{secrets.randbelow(10**length):0{length}}", number=number):
        pass
    return code


def is_excluded(code: str, *, number: str) -> bool:
    """Return whether ``code`` is never accepted: the end of ``number``, or the example.

    SECURITY: visitors who enter one of these by mistake are told so, and no check is counted. If it
    could be right, it would be a free guess at every call, and the answer would reveal whether it
    is. So it is never right: a call that carries it is recorded as one whose code is not known.
    """
    return code == EXAMPLE_CODE or number.endswith(code)


def refuse_excluded(codes: list[str], *, number: str) -> list[str]:
    """Return ``codes`` without the excluded ones; raise ``CodeMistaken`` if none is left."""
    possible = [code for code in codes if not is_excluded(code, number=number)]
    if possible:
        return possible
    if EXAMPLE_CODE in codes and not number.endswith(EXAMPLE_CODE):
        raise CodeMistaken(EXAMPLE, code="example_digits")
    raise CodeMistaken()


def is_code(value: object, *, length: int) -> bool:
    """Return whether ``value`` consists of ``length`` ASCII digits."""
    return isinstance(value, str) and len(value) == length and value.isascii() and value.isdigit()


def read_code(text: str, *, lengths: Collection[int]) -> list[str]:
    """Read ``text`` as a code of one of the ``lengths``, or as the whole calling number.

    Returns the possible codes: the code itself, or the end of the number for each length.
    Raises ``CodeMalformed``, which costs no check.
    """
    digits = digits_of(text)
    if not digits:
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
