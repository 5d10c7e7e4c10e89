"""Runners of races, the verifications that they race for, and the limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import Purpose, VerificationStatus
from django_flashcall.exceptions import (
    CooldownActive,
)
from django_flashcall.models import Phone, Verification
from tests.constants import NUMBER, VISITOR
from tests.factories import AttemptFactory, PhoneFactory, VerificationFactory


def starter(number: str = NUMBER, **kwargs: Any) -> Callable[[], Verification]:
    """Return a runner that starts a login."""

    def run() -> Verification:
        return services.start_verification(number, purpose=Purpose.LOGIN, visitor=VISITOR, **kwargs)

    return run


def called_verification(**kwargs: Any) -> Verification:
    """Return a verification that was called with 1234, long enough ago to be called again."""
    moment = timezone.now() - timedelta(seconds=90)
    phone = PhoneFactory(number=NUMBER, last_attempt_at=moment)
    verification: Verification = VerificationFactory(phone=phone, created_at=moment, **kwargs)
    AttemptFactory(verification=verification, created_at=moment, code="1234")
    return verification


def approved_verification(phone: Phone) -> Verification:
    """Return a verification whose code was right just now."""
    verification: Verification = VerificationFactory(
        phone=phone, status=VerificationStatus.APPROVED, approved_at=timezone.now(), checks=1
    )
    return verification


def forgotten_verification() -> Verification:
    """Return a verification that a purge takes, of a number that nobody called since."""
    moment = timezone.now() - timedelta(days=91)
    phone = PhoneFactory(number="+79997654321", created_at=moment, last_attempt_at=moment)
    verification: Verification = VerificationFactory(phone=phone, created_at=moment)
    AttemptFactory(verification=verification, created_at=moment)
    return verification


ROOMY = {
    "COOLDOWNS": [timedelta.resolution],
    "DAILY_ATTEMPTS": 100,
    "DAILY_FAILED_CHECKS": 300,
    "MONTHLY_FAILED_CHECKS": 300,
    "BLOCK_HOURLY_ATTEMPTS": 100,
}
HERE = [NUMBER] * 9
EVERYWHERE = [f"+7999{n:03}4567" for n in range(9)]
IN_ONE_BLOCK = [f"+7999123456{n}" for n in range(9)]


# The limit | whom nine want to be called | how many are
LIMITS: list[tuple[dict[str, Any], list[str], int]] = [
    ({"DAILY_ATTEMPTS": 8}, HERE, 8),
    ({"DAILY_FAILED_CHECKS": 24}, HERE, 8),
    ({"MONTHLY_FAILED_CHECKS": 24}, HERE, 8),
    ({"BLOCK_HOURLY_ATTEMPTS": 8}, IN_ONE_BLOCK, 8),
    ({"SITE_DAILY_ATTEMPTS": 8}, EVERYWHERE, 8),
    ({"DAILY_SPEND": Decimal("2.80")}, EVERYWHERE, 8),
]


def insistent(number: str) -> Callable[[], Any]:
    """Ask again while the number was called this very moment."""

    def ask() -> Any:
        while True:
            try:
                return starter(number)()
            except CooldownActive:
                continue

    return ask
