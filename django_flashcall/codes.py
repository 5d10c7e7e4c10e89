"""Codes: drawn, read from what people type, kept as keyed digests. Nobody here knows a model."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable
from uuid import UUID

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from .conf import get_secrets
from .exceptions import CodeMalformed
from .spelling import plain

#: A spoken code has four digits (API description, section "voice").
SPOKEN_LENGTH = 4

#: What people type between digits, or paste with them.
SEPARATORS = re.compile(r"[\s+().\-\u2010-\u2015\u2212]")

#: A whole calling number has so many digits; codes are shorter (ITU-T E.164).
WHOLE_NUMBER = range(10, 16)


def draw_code(length: int = SPOKEN_LENGTH) -> str:
    """Draw a code of ``length`` digits; a voice speaks four.

    "Ugly" codes such as 0000 are not avoided: that would make the others easier to guess.
    """
    return f"{secrets.randbelow(10**length):0{length}}"


@sensitive_variables()
def is_code(value: object, *, length: int) -> bool:
    """Tell whether ``value`` is a code as a provider names it: ASCII digits, so many."""
    return isinstance(value, str) and len(value) == length and value.isascii() and value.isdigit()


@sensitive_variables()
def read_code(text: str, *, lengths: Collection[int]) -> list[str]:
    """Read ``text`` as a code of one of the ``lengths``, or as the whole number that called.

    Returns the codes that it can mean, one for a code, one for each length for a whole number.
    Raises ``CodeMalformed``, which costs the visitor no check.
    """
    digits = SEPARATORS.sub("", plain(text))
    # SECURITY: ASCII is asked for, because '²'.isdigit() is true and str.isdecimal() takes Arabic.
    if not (digits.isascii() and digits.isdigit()):
        raise CodeMalformed()
    if len(digits) in WHOLE_NUMBER:
        return [digits[-length:] for length in lengths]
    if len(digits) not in lengths:
        raise CodeMalformed(_wrong_length(len(digits), lengths=lengths))
    return [digits]


@sensitive_variables()
def make_digest(code: str, *, number: str, key: UUID) -> str:
    """Return the digest under which ``code`` is kept: 64 hexadecimal digits.

    It is bound to the number and the verification, so a copied one opens nothing else.
    """
    return _digest(code, number=number, key=key, secret=get_secrets()[0])


@sensitive_variables()
def matches(codes: Iterable[str], digests: Iterable[str], *, number: str, key: UUID) -> bool:
    """Tell in constant time whether one of ``codes`` is behind one of ``digests``.

    Digests made under ``SECRET_KEY_FALLBACKS`` count, so that a key is changed without locking
    out those who are being called.
    """
    made = [
        _digest(code, number=number, key=key, secret=secret)
        for code in codes
        for secret in get_secrets()
    ]
    # SECURITY: all are compared; any() over a generator would stop at the first match.
    equal = [constant_time_compare(one, other) for one in made for other in digests]
    return any(equal)


@sensitive_variables()
def _digest(code: str, *, number: str, key: UUID, secret: str | bytes) -> str:
    # SECURITY: keyed, since 10,000 plain hashes are reversed at once.
    return salted_hmac(
        "django_flashcall.codes", f"{key}:{number}:{code}", secret=secret, algorithm="sha256"
    ).hexdigest()


def _wrong_length(length: int, *, lengths: Collection[int]) -> str:
    expected = min(lengths) if length < min(lengths) else max(lengths)
    if length < expected:
        return _("Too few digits: enter %d.") % expected
    return _("Too many digits: enter %d.") % expected
