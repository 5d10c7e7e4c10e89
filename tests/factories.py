"""Rows for the tests, valid by default."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_flashcall.choices import AttemptStatus, Channel
from django_flashcall.codes import make_digest
from django_flashcall.models import Phone, Price, Usage, Verification, VerificationAttempt


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()

    username = factory.Sequence(lambda n: f"user-{n}")


class PhoneFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Phone

    number = factory.Sequence(lambda n: f"+7999{n:07}")
    user = None
    verified_at = factory.LazyAttribute(lambda row: timezone.now() if row.user else None)


class VerificationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Verification

    phone = factory.SubFactory(PhoneFactory)
    created_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyAttribute(lambda row: row.created_at + timedelta(minutes=10))
    max_checks = 3
    max_attempts = 3
    attempt_count = 1


class AttemptFactory(factory.django.DjangoModelFactory):
    """A flash call that the provider took; ``code`` is what it carries, empty for none."""

    class Meta:
        model = VerificationAttempt

    class Params:
        code = "1234"

    verification = factory.SubFactory(VerificationFactory)
    channel = Channel.FLASH_CALL
    status = AttemptStatus.ACCEPTED
    code_length = 4
    code_digest = factory.LazyAttribute(
        lambda row: (
            make_digest(row.code, number=row.verification.number, key=row.verification.key)
            if row.code
            else ""
        )
    )
    provider_id = factory.Sequence(lambda n: f"call-{n}")
    price = Decimal("0.35")
    created_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyAttribute(lambda row: row.created_at + timedelta(minutes=5))
    sent_at = factory.SelfAttribute("created_at")


class PriceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Price

    amount = Decimal("0.35")


class UsageFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Usage

    since = factory.LazyFunction(timezone.now)
