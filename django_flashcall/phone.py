"""Phone numbers: parse, validate, display and mask them, without database access."""

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
from .text import digits_of, plain

#: A number as people write it, after ``text.plain()``: without letters, and without the commas and
#: semicolons of extensions.
WRITTEN_NUMBER = re.compile(r"\(?\+?[0-9 ()./-]+")

DIGIT = re.compile(r"\d")

#: What may be a number inside any text, after ``text.plain()``.
FOUND_NUMBER = re.compile(r"\+?\(?[0-9](?:[ ()./_,:;-]{0,3}[0-9])+")

#: A text with at least this many digits in a row is masked, even if it is no valid number.
MIN_MASKED_DIGITS = 10

#: The values of ``FLASHCALL["NUMBER_TYPES"]``.
NUMBER_TYPES = {
    name.lower(): value for name, value in vars(PhoneNumberType).items() if name.isupper()
}

MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}

E164 = PhoneNumberFormat.E164
INTERNATIONAL = PhoneNumberFormat.INTERNATIONAL
NATIONAL = PhoneNumberFormat.NATIONAL

MALFORMED = _("This is not a phone number. Check the digits. Example: %(example)s.")
LETTERS = _("Enter the number without letters or an extension. Example: %(example)s.")
AMBIGUOUS = _("Start with + and the country code. Example: %(example)s.")
FOREIGN = _("We do not call numbers in this country, only numbers like %(example)s.")
NOT_MOBILE = _("We only call mobile numbers, like %(example)s.")
OTHER_KIND = _("We do not call numbers of this kind, only numbers like %(example)s.")

#: At most this many examples are listed in one sentence.
MAX_EXAMPLES = 3

SUPPORTED_REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)


@sensitive_variables()
def parse_number(text: str) -> str:
    """Parse ``text`` in any common format, and return the number in E.164.

    ``8 (999) 123-45-67``, ``+7 999…``, ``7999…`` and full-width digits are the same number. Raises
    ``NumberRefused`` if it is not a number, or if ``REGIONS``, ``NUMBER_TYPES`` or
    ``DENIED_PREFIXES`` forbid it.
    """
    parsed = _parse(_clean(text))
    number = phonenumbers.format_number(parsed, E164)
    _refuse_destination(parsed, number=number)
    return number


def read_prefix(text: str) -> str:
    """Return the beginning of a number, in any common format, as digits with or without ``+``.

    Other text is returned as it is, for validators to refuse.
    """
    cleaned = plain(text).strip()
    if not WRITTEN_NUMBER.fullmatch(cleaned):
        return cleaned
    plus = "+" if cleaned.startswith("+") else ""
    return f"{plus}{digits_of(cleaned)}"


def display(number: str) -> str:
    """Return an E.164 ``number`` as people write it: ``+7 999 123-45-67``."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, INTERNATIONAL)


def display_masked(number: str) -> str:
    """Return an E.164 ``number`` with most digits hidden, as in ``+7 ••• •••-••-67``."""
    country, _space, rest = display(number).partition(" ")
    return f"{country} {re.sub(DIGIT, '•', rest[:-2])}{rest[-2:]}"


def mask(number: str) -> str:
    """Return an E.164 ``number`` with all but its first and last digits hidden."""
    return f"{number[:2]}{'•' * max(len(number) - 4, 0)}{number[-2:]}"


def mask_numbers(text: str) -> str:
    """Return ``text`` with most digits of every number in it hidden, in whatever format it is."""
    readable = plain(text)
    masked = FOUND_NUMBER.sub(_mask_found, readable)
    return text if masked == readable else masked


def spellings(number: str) -> list[str]:
    """Return the usual formats of an E.164 ``number``, unless the site reads them differently.

    With the country code, the trunk prefix or neither; with and without brackets; separated by
    spaces, hyphens, both or nothing.
    """
    parsed = phonenumbers.parse(number)
    written = [phonenumbers.format_number(parsed, form) for form in (E164, INTERNATIONAL, NATIONAL)]
    country, *parts = re.findall(r"\d+", written[1])
    national = "".join(parts)
    trunk = re.sub(r"\D", "", written[2]).removesuffix(national)
    begins = [begin for begin in (f"+{country}", country, trunk) if begin]
    texts = [f"{begin}{rest}" for begin in begins for rest in _separated(parts)]
    candidates = dict.fromkeys(
        [*written, *texts, *(rest.strip(" -") for rest in _separated(parts))]
    )
    return [text for text in candidates if _reads(text, number)]


def _separated(parts: list[str]) -> list[str]:
    """Return what may follow the country code: ``-999-123-45-67``, `` (999) 1234567`` …"""
    area, *rest = parts
    tails = {joint.join(rest) for joint in ("-", " ", "")}
    areas = [(" ", " "), ("", ""), (" ", "-"), ("-", "-"), ("", " "), ("", "-")]
    areas += [(" (", ") "), (" (", ")"), ("(", ")"), ("(", ") "), ("-(", ")-")]
    return [f"{before}{area}{after}{tail}" for before, after in areas for tail in sorted(tails)]


def region_of(number: str) -> str:
    """Return the two-letter region of an E.164 ``number``, empty if it has none."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""


def type_of(number: str) -> str:
    """Return the type of an E.164 ``number``, one of ``NUMBER_TYPES``."""
    kind = phonenumbers.number_type(phonenumbers.parse(number))
    return next(name for name, value in NUMBER_TYPES.items() if value == kind)


def example_number() -> str:
    """Return an unassigned number of the first allowed region, as people write it."""
    return _example(get_settings().REGIONS[0])


def example_numbers() -> str:
    """Return unassigned numbers of the first allowed regions, separated by commas.

    The numbers do not wrap, and are shown from left to right in any language.
    """
    regions = get_settings().REGIONS
    examples = filter(None, map(_example, regions[:MAX_EXAMPLES]))
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


def _mask_found(found: re.Match[str]) -> str:
    places = [place for place, letter in enumerate(found[0]) if letter.isdigit()]
    if len(places) < MIN_MASKED_DIGITS and not _is_number(found[0]):
        return found[0]
    hidden = set(places[1:-2])
    return "".join("•" if place in hidden else letter for place, letter in enumerate(found[0]))


def _is_number(text: str) -> bool:
    regions = [None, *get_settings().REGIONS] if text.startswith("+") else get_settings().REGIONS
    return any(_read(text, region) is not None for region in regions)


def _reads(text: str, number: str) -> bool:
    try:
        return parse_number(text) == number
    except NumberRefused:
        return False


def _clean(text: str) -> str:
    cleaned = plain(text).strip()
    if not cleaned:
        raise NumberRefused()
    # SECURITY: letters are refused before parsing, which would accept 8-800-FLOWERS and extensions.
    if not WRITTEN_NUMBER.fullmatch(cleaned):
        raise _refusal(LETTERS)
    return cleaned


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


def _read(cleaned: str, region: str | None) -> PhoneNumber | None:
    try:
        parsed = phonenumbers.parse(cleaned, region)
    except NumberParseException:
        return None
    return parsed if phonenumbers.is_valid_number(parsed) else None


def _is_foreign(cleaned: str) -> bool:
    try:
        country = phonenumbers.parse(cleaned, None).country_code
    except NumberParseException:
        return False
    regions = get_settings().REGIONS
    return country not in {phonenumbers.country_code_for_region(region) for region in regions}


def _regions(cleaned: str) -> Iterable[str | None]:
    return [None] if cleaned.lstrip("(").startswith("+") else list(get_settings().REGIONS)


def _refuse_destination(parsed: PhoneNumber, *, number: str) -> None:
    config = get_settings()
    region = phonenumbers.region_code_for_number(parsed)
    # SECURITY: by region, not by country code: +77… is Kazakhstan and +7940 is read as Russian.
    if region not in config.REGIONS or number.startswith(tuple(config.DENIED_PREFIXES)):
        raise _refusal(FOREIGN, code="number_region")
    allowed = {NUMBER_TYPES[name] for name in config.NUMBER_TYPES}
    if phonenumbers.number_type(parsed) not in allowed:
        raise _refusal(NOT_MOBILE if allowed <= MOBILE else OTHER_KIND, code="number_type")
