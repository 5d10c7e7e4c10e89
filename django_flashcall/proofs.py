"""What an approved verification is good for, beside a login: the numbers of users who are known.

Each verb uses the approval up and does what it is for in one transaction: once, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError
from django.utils import timezone

from . import signals
from .conf import get_settings
from .exceptions import NumberTaken, VerificationEnded
from .models import Phone, Verification
from .querysets import PhoneQuerySet
from .transactions import in_own_transaction
from .words import Purpose

T = TypeVar("T")


def confirm_number(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    """Make the number that was proved one of ``user``'s numbers.

    Raises ``NumberTaken`` if another user proved it before, and ``VerificationEnded`` if the
    approval was used or is not for this.
    """
    phone = _once(partial(_confirm, verification, user=user))
    signals.number_confirmed.send_robust(sender=Phone, user=user, phone=phone)
    return phone


def change_number(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    """Make the number that was proved the only one of ``user``; raises as ``confirm_number``."""
    phone, released = _once(partial(_change, verification, user=user))
    signals.number_changed.send_robust(sender=Phone, user=user, phone=phone, released=released)
    return phone


def prove_again(
    verification: Verification, *, user: AbstractBaseUser, purpose: str = Purpose.REAUTHENTICATE
) -> Phone:
    """Record that ``user`` proved one of his numbers once more.

    Raises ``VerificationEnded`` if the number is not his, or the approval was used or is not for
    this.
    """
    _prove(verification, user=user, purpose=purpose)
    return verification.phone


def release_numbers(phones: PhoneQuerySet[Phone]) -> int:
    """Make these numbers nobody's, as when they changed hands; the users keep all else.

    Returns how many they were. A site's own ``USER_PHONE_FIELD`` stays as it is.
    """
    # SECURITY: a call to the number that is under way must open nothing any more.
    Verification.objects.filter(phone__in=phones).cancel()
    return phones.release()


def numbers_of(user: AbstractBaseUser) -> list[Phone]:
    """Return the numbers that ``user`` has proved, the latest proof first."""
    return list(
        Phone.objects.filter(user=user.pk, verified_at__isnull=False).order_by("-verified_at")
    )


def _once(work: Callable[[], T]) -> T:
    try:
        return work()
    except IntegrityError as error:
        # Another user has the number in the site's own unique field.
        raise NumberTaken() from error


@in_own_transaction(Verification)
def _confirm(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    _consume(verification, asked_by=user.pk, purpose=Purpose.CONFIRM)
    return _claim(verification, user=user)


@in_own_transaction(Verification)
def _change(verification: Verification, *, user: AbstractBaseUser) -> tuple[Phone, list[Phone]]:
    _consume(verification, asked_by=user.pk, purpose=Purpose.CHANGE)
    # Changes in parallel wait here: each would leave the other's number, which it cannot see yet.
    get_user_model()._default_manager.select_for_update().get(pk=user.pk)
    phone = _claim(verification, user=user)
    others = Phone.objects.filter(user=user.pk).exclude(pk=phone.pk)
    released = list(others)
    release_numbers(others)
    return phone, released


@in_own_transaction(Verification)
def _prove(verification: Verification, *, user: AbstractBaseUser, purpose: str) -> None:
    # Whoever takes a second step is not logged in yet: nobody asked, as far as we know.
    asked_by = None if purpose == Purpose.SECOND_STEP else user.pk
    _consume(verification, asked_by=asked_by, purpose=purpose)
    phones = Phone.objects.filter(pk=verification.phone_id)
    if not phones.prove_again(user=user, now=timezone.now(), since=None):
        raise VerificationEnded()


def _consume(verification: Verification, *, asked_by: Any, purpose: str) -> None:
    # SECURITY: by the user who asked, for what was asked, and once.
    mine = Verification.objects.filter(pk=verification.pk, user=asked_by)
    if not mine.consume(now=timezone.now(), purpose=purpose):
        raise VerificationEnded()


def _claim(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    now, config = timezone.now(), get_settings()
    dormant_since = now - config.MAX_DORMANCY if config.MAX_DORMANCY else None
    phones = Phone.objects.filter(pk=verification.phone_id)
    # SECURITY: whoever typed the number without proving it loses it to who did.
    if not phones.claim_for(user=user, now=now, dormant_since=dormant_since):
        raise NumberTaken()
    if config.USER_PHONE_FIELD:
        users = get_user_model()._default_manager.filter(pk=user.pk)
        users.update(**{config.USER_PHONE_FIELD: verification.number})
    return phones.get()
