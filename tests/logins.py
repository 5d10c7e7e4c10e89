"""Verifications as the tests begin them, and the codes that they try."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth import authenticate

from django_flashcall import services
from django_flashcall.choices import Purpose
from django_flashcall.codes import is_excluded
from django_flashcall.models import Usage, Verification
from django_flashcall.providers.locmem import Delivery
from tests.constants import DISTANT, NUMBER, OTHER, VISITOR
from tests.factories import PhoneFactory, UserFactory


def start(number: str = NUMBER, **kwargs: Any) -> Verification:
    """Start a login from a known address, unless ``kwargs`` say otherwise."""
    known: dict[str, Any] = {"purpose": Purpose.LOGIN, "visitor": VISITOR}
    return services.start_verification(number, **known | kwargs)


def log_in(verification: Verification) -> Any:
    """Return the user whom Django logs in by an approved verification."""
    return authenticate(None, verification=verification)


def spent() -> Decimal:
    """Return what the day's calls cost."""
    return Usage.objects.get(scope="").spent


def known_number() -> str:
    """Return a number that has a user."""
    return str(PhoneFactory(number=NUMBER, user=UserFactory()).number)


def the_verification() -> Verification:
    """Return the only verification."""
    return Verification.objects.get()


def other_than(*deliveries: Delivery) -> str:
    """Return four digits that none of the calls carries, and that cost a check."""
    taken = {delivery.code for delivery in deliveries}
    taken |= {delivery.number[-4:] for delivery in deliveries}
    codes = ("0000", "1111", "2222", "3333", "4444")
    return next(code for code in codes if code not in taken)


def wrong(code: str) -> str:
    """Return a code of the same length that is not ``code``, and that costs a check."""
    following = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
    is_free = any(is_excluded(following, number=number) for number in (NUMBER, OTHER, DISTANT))
    return wrong(following) if is_free else following
