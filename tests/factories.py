"""Rows for the tests, valid by default."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone
from factory.declarations import (
    LazyAttribute,
    LazyFunction,
    SelfAttribute,
    Sequence,
    SubFactory,
)
from factory.django import DjangoModelFactory

from django_flashcall.choices import AttemptStatus, Channel
from django_flashcall.codes import make_digest
from django_flashcall.models import Phone, Price, Usage, Verification, VerificationAttempt


class UserFactory(DjangoModelFactory[Any]):
    class Meta:
        model = get_user_model()

    username = Sequence(lambda n: f"user-{n}")


class PhoneFactory(DjangoModelFactory[Phone]):
    class Meta:
        model = Phone

    number = Sequence(lambda n: f"+7999{n:07}")
    user = None
    verified_at = LazyAttribute(lambda row: timezone.now() if row.user else None)


class VerificationFactory(DjangoModelFactory[Verification]):
    class Meta:
        model = Verification

    phone = SubFactory(PhoneFactory)
    created_at = LazyFunction(timezone.now)
    expires_at = LazyAttribute(lambda row: row.created_at + timedelta(minutes=10))
    max_checks = 3
    max_attempts = 3
    attempt_count = 1


class AttemptFactory(DjangoModelFactory[VerificationAttempt]):
    """A flash call that the provider took; ``code`` is what it carries, empty for none."""

    class Meta:
        model = VerificationAttempt

    class Params:
        code = "1234"

    verification = SubFactory(VerificationFactory)
    channel = Channel.FLASH_CALL
    status = AttemptStatus.ACCEPTED
    code_length = 4
    code_digest = LazyAttribute(
        lambda row: (
            make_digest(row.code, number=row.verification.number, key=row.verification.key)
            if row.code
            else ""
        )
    )
    provider_id = Sequence(lambda n: f"call-{n}")
    price = Decimal("0.35")
    created_at = LazyFunction(timezone.now)
    expires_at = LazyAttribute(lambda row: row.created_at + timedelta(minutes=5))
    sent_at = SelfAttribute("created_at")


class PriceFactory(DjangoModelFactory[Price]):
    class Meta:
        model = Price

    amount = Decimal("0.35")


class UsageFactory(DjangoModelFactory[Usage]):
    class Meta:
        model = Usage

    since = LazyFunction(timezone.now)
