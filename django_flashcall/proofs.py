"""What an approved verification is good for, beside a login: the numbers of users who are known.

Each verb uses the approval up and does what it is for in one transaction: once, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import accounts, signals
from .conf import get_settings
from .exceptions import NumberTaken, VerificationEnded
from .models import Phone, Verification
from .querysets import PhoneQuerySet
from .transactions import in_own_transaction
from .words import Purpose

T = TypeVar("T")

CLAIMED = _("This number is listed in another account. Ask us to free it.")


def confirm_number(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    """Make the number that was proved one of ``user``'s numbers.

    Raises ``NumberTaken`` if another user proved it before, and ``VerificationEnded`` if the
    approval was used or is not for this.
    """
    phone = _once(partial(_confirm, verification, user=user))
    _refresh(user)
    signals.number_confirmed.send_robust(sender=Phone, user=user, phone=phone)
    return phone


def change_number(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    """Make the number that was proved the only one of ``user``; raises as ``confirm_number``."""
    previous = _in_field(user)
    phone, released = _once(partial(_change, verification, user=user))
    _refresh(user)
    signals.number_changed.send_robust(
        sender=Phone, user=user, phone=phone, released=released, previous=previous
    )
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

    Returns how many they were. What users have in ``USER_PHONE_FIELD`` opens nothing any more for
    these numbers, until somebody has proved one of them.
    """
    # One by one, each whole: several at once would wait for each other's rows.
    one_by_one = (phones.filter(pk=pk) for pk in phones.order_by("pk").values_list("pk", flat=True))
    return sum(_release_alone(one) for one in one_by_one)


def numbers_of(user: AbstractBaseUser) -> list[Phone]:
    """Return the numbers that ``user`` has proved, the latest proof first.

    With ``USER_PHONES_PROVEN`` those count that ``flashcall_adopt`` has linked, too.
    """
    return list(_proved_by(user).order_by(F("verified_at").desc(nulls_last=True), "pk"))


def _once(work: Callable[[], T]) -> T:
    try:
        return work()
    except IntegrityError as error:
        # Another user has the number in the site's own unique field, which cannot be emptied.
        raise NumberTaken(CLAIMED, code="number_claimed") from error


@in_own_transaction(Verification)
def _confirm(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    _consume(verification, user=user, purpose=Purpose.CONFIRM)
    phone = _claim(verification, user=user)
    if not _in_field(user):
        _write_field(phone, user=user)
    return phone


@in_own_transaction(Verification)
def _change(verification: Verification, *, user: AbstractBaseUser) -> tuple[Phone, list[Phone]]:
    _consume(verification, user=user, purpose=Purpose.CHANGE)
    # Changes in parallel wait here: each would leave the other's number, which it cannot see yet.
    get_user_model()._default_manager.select_for_update().get(pk=user.pk)
    phone = _claim(verification, user=user)
    others = Phone.objects.filter(user=user.pk).exclude(pk=phone.pk)
    released = list(others)
    _release(others)
    _write_field(phone, user=user)
    return phone, released


@in_own_transaction(Verification)
def _release_alone(phones: PhoneQuerySet[Phone]) -> int:
    return _release(phones)


def _release(phones: PhoneQuerySet[Phone]) -> int:
    # SECURITY: a call to the number that is under way must open nothing any more.
    Verification.objects.filter(phone__in=phones).withdraw()
    return phones.release(now=timezone.now())


@in_own_transaction(Verification)
def _prove(verification: Verification, *, user: AbstractBaseUser, purpose: str) -> None:
    _consume(verification, user=user, purpose=purpose)
    if not _proved_by(user).filter(pk=verification.phone_id).bind(user=user, now=timezone.now()):
        raise VerificationEnded()


def _proved_by(user: AbstractBaseUser) -> PhoneQuerySet[Phone]:
    phones = Phone.objects.filter(user=user.pk)
    return phones if get_settings().USER_PHONES_PROVEN else phones.exclude(verified_at=None)


def _consume(verification: Verification, *, user: AbstractBaseUser, purpose: str) -> None:
    # SECURITY: by the user who asked, for what was asked, and once.
    mine = Verification.objects.filter(pk=verification.pk, user=user.pk)
    if not mine.consume(now=timezone.now(), purpose=purpose):
        raise VerificationEnded()


def _claim(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    now, config = timezone.now(), get_settings()
    dormant_since = now - config.MAX_DORMANCY if config.MAX_DORMANCY else None
    phones = Phone.objects.filter(pk=verification.phone_id)
    if _is_proven_elsewhere(phones.get(), user=user):
        raise NumberTaken()
    # SECURITY: whoever typed the number without proving it loses it to who did.
    if not phones.claim_for(user=user, now=now, dormant_since=dormant_since):
        raise NumberTaken()
    accounts.drop_claims(verification.number, but=user)
    return phones.get()


def _is_proven_elsewhere(phone: Phone, *, user: AbstractBaseUser) -> bool:
    """Tell whether the site itself has proved the number for another user, and not too long ago."""
    if not get_settings().USER_PHONES_PROVEN or phone.verified_at or phone.changed_hands:
        return False
    others = accounts.holders(phone.number).exclude(pk=user.pk)
    return any(not accounts.is_long_gone(other) for other in others)


def _in_field(user: AbstractBaseUser) -> str:
    """Return what the site's own field says of ``user``, empty if there is none."""
    field = get_settings().USER_PHONE_FIELD
    return str(getattr(user, field) or "") if field else ""


def _write_field(phone: Phone, *, user: AbstractBaseUser) -> None:
    field = get_settings().USER_PHONE_FIELD
    if field:
        get_user_model()._default_manager.filter(pk=user.pk).update(**{field: phone.number})


def _refresh(user: AbstractBaseUser) -> None:
    """Show ``user``, as the caller has it, what was written: it may be saved afterwards."""
    field = get_settings().USER_PHONE_FIELD
    if field:
        user.refresh_from_db(fields=[field])
