"""Phone numbers: read from any spelling, judged, shown, masked. Nothing here asks the database."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import phonenumbers
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from .conf import get_settings
from .exceptions import NumberRefused
from .spelling import plain

#: What stands in a number as people write it. Letters, commas and semicolons (extensions) do not.
SPELLING = re.compile(r"\(?\+?[\d\s().\-\u2010-\u2015\u2212/]+")

DIGIT = re.compile(r"\d")

#: The words of ``FLASHCALL["NUMBER_TYPES"]``.
NUMBER_TYPES = {
    name.lower(): value for name, value in vars(PhoneNumberType).items() if name.isupper()
}

MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}

E164 = PhoneNumberFormat.E164
INTERNATIONAL = PhoneNumberFormat.INTERNATIONAL
NATIONAL = PhoneNumberFormat.NATIONAL

MALFORMED = _("This is not a phone number. Check the digits. Example: %(example)s.")
LETTERS = _("A phone number has no letters and no extension. Example: %(example)s.")
AMBIGUOUS = _("Begin with + and the country code. Example: %(example)s.")
FOREIGN = _("We do not call numbers of this country, only numbers like %(example)s.")
NOT_MOBILE = _("We call mobile numbers only, like %(example)s.")
OTHER_KIND = _("We do not call numbers of this kind, only numbers like %(example)s.")

#: So many examples fit into one sentence.
EXAMPLES = 3

SUPPORTED_REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)


@sensitive_variables()
def parse_number(text: str) -> str:
    """Read ``text`` in any spelling that people use, and return the number in E.164.

    ``8 (999) 123-45-67``, ``+7 999…``, ``7999…`` and full-width digits are one number. Raises
    ``NumberRefused`` for what is no number, and for one that ``REGIONS``, ``NUMBER_TYPES`` or
    ``DENIED_PREFIXES`` forbid.
    """
    parsed = _parse(_clean(text))
    number = phonenumbers.format_number(parsed, E164)
    _refuse_destination(parsed, number=number)
    return number


@sensitive_variables()
def display(number: str) -> str:
    """Write an E.164 ``number`` as people do: ``+7 999 123-45-67``."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, INTERNATIONAL)


@sensitive_variables()
def display_masked(number: str) -> str:
    """Write an E.164 ``number`` as people do, its beginning and end only: ``+7 ••• •••-••-67``."""
    country, _space, rest = display(number).partition(" ")
    return f"{country} {re.sub(DIGIT, '•', rest[:-2])}{rest[-2:]}"


@sensitive_variables()
def mask(number: str) -> str:
    """Hide all of an E.164 ``number`` but its beginning and its last two digits."""
    return f"{number[:2]}{'•' * max(len(number) - 4, 0)}{number[-2:]}"


@sensitive_variables()
def spellings(number: str) -> list[str]:
    """Return the usual spellings of an E.164 ``number`` that are read as nothing else here.

    With the country code, the digit that is dialled before long-distance calls, or neither; with
    and without brackets; parted by spaces, hyphens, both, or nothing.
    """
    parsed = phonenumbers.parse(number)
    written = [phonenumbers.format_number(parsed, form) for form in (E164, INTERNATIONAL, NATIONAL)]
    country, *parts = re.findall(r"\d+", written[1])
    national = "".join(parts)
    trunk = re.sub(r"\D", "", written[2]).removesuffix(national)
    begins = [begin for begin in (f"+{country}", country, trunk) if begin]
    texts = [f"{begin}{rest}" for begin in begins for rest in _parted(parts)]
    candidates = dict.fromkeys([*written, *texts, *(rest.strip(" -") for rest in _parted(parts))])
    return [text for text in candidates if _reads(text, number)]


def _parted(parts: list[str]) -> list[str]:
    """Return what may follow the country code: ``-999-123-45-67``, `` (999) 1234567`` …"""
    area, *rest = parts
    tails = {joint.join(rest) for joint in ("-", " ", "")}
    areas = [(" ", " "), ("", ""), (" ", "-"), ("-", "-"), ("", " "), ("", "-")]
    areas += [(" (", ") "), (" (", ")"), ("(", ")"), ("(", ") "), ("-(", ")-")]
    return [f"{before}{area}{after}{tail}" for before, after in areas for tail in sorted(tails)]


@sensitive_variables()
def prefixes(number: str) -> list[str]:
    """Return all beginnings of an E.164 ``number``, the empty one first, the whole one last."""
    return [number[:end] for end in range(len(number) + 1)]


@sensitive_variables()
def region_of(number: str) -> str:
    """Return the two letters of the country of an E.164 ``number``, empty if it has none."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""


@sensitive_variables()
def type_of(number: str) -> str:
    """Return which of the ``NUMBER_TYPES`` an E.164 ``number`` is of."""
    kind = phonenumbers.number_type(phonenumbers.parse(number))
    return next(name for name, value in NUMBER_TYPES.items() if value == kind)


def example_number() -> str:
    """Return a number of the first allowed region that belongs to nobody, as people write it."""
    return _example(get_settings().REGIONS[0])


def example_numbers() -> str:
    """Return such a number of each allowed region, as far as they fit into a sentence.

    They do not break, and read from left to right in any sentence.
    """
    regions = get_settings().REGIONS
    examples = filter(None, map(_example, regions[:EXAMPLES]))
    return ", ".join(map(_unbroken, examples))


def _example(region: str) -> str:
    kinds = [NUMBER_TYPES[name] for name in get_settings().NUMBER_TYPES]
    examples = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    example = next(filter(None, examples), None)
    return phonenumbers.format_number(example, INTERNATIONAL) if example else ""


def _unbroken(example: str) -> str:
    whole = example.translate({ord(" "): "\N{NO-BREAK SPACE}", ord("-"): "\N{NON-BREAKING HYPHEN}"})
    return f"\N{LEFT-TO-RIGHT ISOLATE}{whole}\N{POP DIRECTIONAL ISOLATE}"


def _refusal(message: Any, *, code: str = NumberRefused.code) -> NumberRefused:
    return NumberRefused(message, code=code, params={"example": example_numbers()})


@sensitive_variables()
def _reads(text: str, number: str) -> bool:
    try:
        return parse_number(text) == number
    except NumberRefused:
        return False


@sensitive_variables()
def _clean(text: str) -> str:
    cleaned = plain(text).strip()
    if not cleaned:
        raise NumberRefused()
    # SECURITY: letters are refused before parsing, which would read 8-800-FLOWERS and extensions.
    if not SPELLING.fullmatch(cleaned):
        raise _refusal(LETTERS)
    return cleaned


@sensitive_variables()
def _parse(cleaned: str) -> PhoneNumber:
    readings = [_read(cleaned, region) for region in _regions(cleaned)]
    valid = {phonenumbers.format_number(one, E164): one for one in readings if one is not None}
    if len(valid) > 1:
        raise _refusal(AMBIGUOUS, code="number_ambiguous")
    if valid:
        return valid.popitem()[1]
    if _is_foreign(cleaned):
        raise _refusal(FOREIGN, code="number_region")
    raise _refusal(MALFORMED)


@sensitive_variables()
def _read(cleaned: str, region: str | None) -> PhoneNumber | None:
    try:
        parsed = phonenumbers.parse(cleaned, region)
    except NumberParseException:
        return None
    return parsed if phonenumbers.is_valid_number(parsed) else None


@sensitive_variables()
def _is_foreign(cleaned: str) -> bool:
    try:
        country = phonenumbers.parse(cleaned, None).country_code
    except NumberParseException:
        return False
    regions = get_settings().REGIONS
    return country not in {phonenumbers.country_code_for_region(region) for region in regions}


@sensitive_variables()
def _regions(cleaned: str) -> Iterable[str | None]:
    return [None] if cleaned.lstrip("(").startswith("+") else list(get_settings().REGIONS)


@sensitive_variables()
def _refuse_destination(parsed: PhoneNumber, *, number: str) -> None:
    config = get_settings()
    region = phonenumbers.region_code_for_number(parsed)
    # SECURITY: by region, not by country code: +77… is Kazakhstan and +7940 is read as Russian.
    if region not in config.REGIONS or number.startswith(tuple(config.DENIED_PREFIXES)):
        raise _refusal(FOREIGN, code="number_region")
    allowed = {NUMBER_TYPES[name] for name in config.NUMBER_TYPES}
    if phonenumbers.number_type(parsed) not in allowed:
        raise _refusal(NOT_MOBILE if allowed <= MOBILE else OTHER_KIND, code="number_type")
