"""Which user a number belongs to: confirm, change and prove a number, and release it.

Each function that takes an approved verification uses it and changes the record in one transaction.
Logging in is in ``backends``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, router
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import signals
from .choices import Purpose
from .conf import get_settings
from .databases import in_own_transaction, written_users
from .exceptions import NumberTaken, NumberTooNew, VerificationEnded
from .models import Phone, Verification
from .phone import spellings
from .phones import PhoneQuerySet

T = TypeVar("T")

CLAIMED = _("This number is listed in another account. Contact us to have it removed there.")


@sensitive_variables()
def confirm_number(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    """Make the verified number one of the numbers of ``user``, and return it.

    Raises ``NumberTaken`` if another user proved it earlier, and ``VerificationEnded`` if the
    approval was used or has another purpose.
    """
    phone = _refuse_taken(lambda: _confirm(verification, user=user))
    _refresh(user)
    signals.number_confirmed.send_robust(sender=Phone, user=user, phone=phone)
    return phone


@sensitive_variables()
def change_number(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    """Make the verified number the only one of ``user``, and return it.

    Raises the same errors as ``confirm_number()``.
    """
    previous = _number_in_field(user)
    phone, released = _refuse_taken(lambda: _change(verification, user=user))
    _refresh(user)
    signals.number_changed.send_robust(
        sender=Phone, user=user, phone=phone, released=released, previous=previous
    )
    return phone


@sensitive_variables()
def prove_again(
    verification: Verification,
    *,
    user: AbstractBaseUser,
    added_before: datetime | None,
    purpose: str = Purpose.REAUTHENTICATE,
) -> Phone:
    """Record that ``user`` proved one of their numbers again, and return it.

    ``added_before`` is when the session of the user began. Raises ``NumberTooNew`` if the number
    was added later. If it is ``None``, every number of the user counts. Raises
    ``VerificationEnded`` if the number is not theirs, or if the approval was used or has another
    purpose.
    """
    _prove(verification, user=user, added_before=added_before, purpose=purpose)
    return verification.phone


@sensitive_variables()
def release_numbers(phones: PhoneQuerySet[Phone]) -> int:
    """Detach these numbers from their users, for example after reassignment; return how many.

    The users keep everything else. Their ``USER_PHONE_FIELD`` is ignored for these numbers until
    a user proves them again.
    """
    # One transaction each. A transaction for all would wait for the rows of other transactions.
    one_by_one = (phones.filter(pk=pk) for pk in phones.order_by("pk").values_list("pk", flat=True))
    return sum(_release_alone(one) for one in one_by_one)


def numbers_of(user: AbstractBaseUser, *, added_before: datetime | None = None) -> list[Phone]:
    """Return the numbers that ``user`` has proved, the latest proof first.

    With ``added_before``, numbers that were added later are left out. With ``USER_PHONES_PROVEN``,
    numbers linked by ``flashcall_adopt`` are included.
    """
    phones = _proved_by(user).added_before(added_before)
    return list(phones.order_by(F("verified_at").desc(nulls_last=True), "pk"))


def _refuse_taken(work: Callable[[], T]) -> T:
    try:
        return work()
    except IntegrityError as error:
        # Another user has the number in the site's own unique field, which cannot be emptied.
        raise NumberTaken(CLAIMED, code="number_claimed") from error


@in_own_transaction(Verification)
def _confirm(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    _consume(verification, user=user, purpose=Purpose.CONFIRM)
    phone = _claim(verification, user=user)
    _fill_field(phone, user=user)
    return phone


@in_own_transaction(Verification)
def _change(verification: Verification, *, user: AbstractBaseUser) -> tuple[Phone, list[Phone]]:
    _consume(verification, user=user, purpose=Purpose.CHANGE)
    # Parallel changes wait here. Otherwise each would keep the number of the other, which it does
    # not see yet.
    written_users().select_for_update().get(pk=user.pk)
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
    # SECURITY: a code for the number that is still on its way must not be accepted.
    Verification.objects.filter(phone__in=phones).withdraw()
    return phones.release(now=timezone.now())


@in_own_transaction(Verification)
def _prove(
    verification: Verification,
    *,
    user: AbstractBaseUser,
    added_before: datetime | None,
    purpose: str,
) -> None:
    _consume(verification, user=user, purpose=purpose)
    mine = _proved_by(user).filter(pk=verification.phone_id)
    # SECURITY: whoever finds an open session can add a number of their own, and be called on it.
    if not mine.added_before(added_before).bind(user=user, now=timezone.now()):
        raise NumberTooNew() if mine.exists() else VerificationEnded()


def _proved_by(user: AbstractBaseUser) -> PhoneQuerySet[Phone]:
    phones = Phone.objects.filter(user=user.pk)
    return phones if get_settings().USER_PHONES_PROVEN else phones.exclude(verified_at=None)


def _consume(verification: Verification, *, user: AbstractBaseUser, purpose: str) -> None:
    # SECURITY: only by the user who asked, only for its purpose, and only once.
    mine = Verification.objects.filter(pk=verification.pk, user=user.pk)
    if not mine.consume(now=timezone.now(), purpose=purpose):
        raise VerificationEnded()


def _claim(verification: Verification, *, user: AbstractBaseUser) -> Phone:
    now, config = timezone.now(), get_settings()
    dormant_since = now - config.MAX_DORMANCY if config.MAX_DORMANCY else None
    phones = Phone.objects.filter(pk=verification.phone_id)
    phone = phones.get()
    if _is_proven_elsewhere(phone, user=user):
        raise NumberTaken()
    added_at = now if _is_added(phone, user=user) else None
    # SECURITY: a user who entered the number without proving it loses it to the user who did.
    if not phones.claim_for(user=user, now=now, dormant_since=dormant_since, added_at=added_at):
        raise NumberTaken()
    drop_claims(verification.number, owner=user)
    return phones.get()


def _is_added(phone: Phone, *, user: AbstractBaseUser) -> bool:
    """Return whether other numbers of ``user`` are proved, and this one is not."""
    proved = set(_proved_by(user).values_list("pk", flat=True))
    if proved or not get_settings().USER_PHONES_PROVEN:
        return bool(proved) and phone.pk not in proved
    # SECURITY: the site has proved the number in its field, though ``flashcall_adopt`` has not
    # linked it.
    known = _number_in_field(written_users().get(pk=user.pk))
    return bool(known) and not users_with(phone.number).filter(pk=user.pk).exists()


def _is_proven_elsewhere(phone: Phone, *, user: AbstractBaseUser) -> bool:
    """Return whether the site has proved the number for another user, recently enough."""
    if not get_settings().USER_PHONES_PROVEN or phone.verified_at or phone.had_user:
        return False
    others = users_with(phone.number).exclude(pk=user.pk)
    return any(not is_dormant(other) for other in others)


def _number_in_field(user: AbstractBaseUser) -> str:
    """Return the number of ``user`` in ``USER_PHONE_FIELD``, empty if there is none."""
    field = get_settings().USER_PHONE_FIELD
    return str(getattr(user, field) or "") if field else ""


def _write_field(phone: Phone, *, user: AbstractBaseUser) -> None:
    field = get_settings().USER_PHONE_FIELD
    if field:
        written_users().filter(pk=user.pk).update(**{field: phone.number})


def _fill_field(phone: Phone, *, user: AbstractBaseUser) -> None:
    """Write the number into ``USER_PHONE_FIELD`` if it is empty."""
    field = get_settings().USER_PHONE_FIELD
    if field:
        # Decided by the database, since ``user`` may come from a replica that is behind.
        empty = Q(**{f"{field}__isnull": True}) | Q(**{field: ""})
        written_users().filter(empty, pk=user.pk).update(**{field: phone.number})


def _refresh(user: AbstractBaseUser) -> None:
    """Reload the field of the caller's ``user``, which may be saved afterwards."""
    field = get_settings().USER_PHONE_FIELD
    if field:
        user.refresh_from_db(using=router.db_for_write(get_user_model()), fields=[field])


def users_with(number: str) -> QuerySet[Any]:
    """Return the users with ``number`` in ``USER_PHONE_FIELD``, in any of the usual formats.

    The query uses the index of the field. ``flashcall_adopt`` handles all other formats.
    """
    users, field = written_users().all(), get_settings().USER_PHONE_FIELD
    return users.filter(**{f"{field}__in": spellings(number)}) if field else users.none()


def drop_claims(number: str, *, owner: AbstractBaseUser) -> None:
    """Empty ``USER_PHONE_FIELD`` of all other users with ``number``, if the field can be empty.

    The owner has proved the number and the others have not.
    """
    others = users_with(number).exclude(pk=owner.pk)
    name = get_settings().USER_PHONE_FIELD
    field: Any = get_user_model()._meta.get_field(name) if name else None
    if field is not None and field.null:
        others.update(**{name: None})
    elif field is not None and not field.unique:
        others.update(**{name: ""})


def is_dormant(user: AbstractBaseUser) -> bool:
    """Return whether the last login of ``user`` is older than ``MAX_DORMANCY``."""
    dormancy = get_settings().MAX_DORMANCY
    if dormancy is None:
        return False
    return user.last_login is None or user.last_login < timezone.now() - dormancy
