"""Numbers: the model ``Phone``, whose user a number has, and the changes of that.

Each change is a conditional UPDATE whose row count decides, as in ``querysets``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import models, router
from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    F,
    Model,
    OuterRef,
    Q,
    Value,
    When,
)
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .databases import WrittenQuerySet
from .phone import display, display_masked, mask

M = TypeVar("M", bound=Model)


class PhoneQuerySet(WrittenQuerySet[M]):
    """Known numbers."""

    def claim_call(self, *, now: datetime, cooldown: timedelta) -> bool:
        """Claim a call to this number; return whether it is not blocked and the cooldown is over.

        The row stays locked until the transaction ends, so calls to one number wait for each
        other.
        """
        rested = Q(last_attempt_at=None) | Q(last_attempt_at__lte=now - cooldown)
        return bool(self.filter(rested, blocked_at=None).update(last_attempt_at=now))

    def added_before(self, moment: datetime | None) -> PhoneQuerySet[M]:
        """Filter numbers that were their user's before ``moment``; ``None`` filters nothing."""
        early = Q(added_at=None) | Q(added_at__lt=moment) if moment else Q()
        return self.filter(early)

    def claim_sign_up(self, *, now: datetime) -> bool:
        """Claim the creation of this number's user; lock the row until the transaction ends."""
        fresh = {"verified_at": now, "released_at": None, "trusted_since": now, "added_at": None}
        return bool(self.filter(user=None).update(**fresh))

    def prove_again(self, *, user: Any, now: datetime, since: datetime | None) -> bool:
        """Record that ``user`` proved this number again; return whether they had proved it before.

        The last proof must not be older than ``since``, unless that is ``None``.
        """
        proved = Q(verified_at__isnull=False) if since is None else Q(verified_at__gte=since)
        return bool(self.filter(proved, user=user).update(verified_at=now))

    def bind(self, *, user: Any, now: datetime) -> bool:
        """Assign this number to ``user``, who proved it; return whether it was still free for them.

        It is not free if another user proved it, or if it was released.
        """
        free = Q(user=user) | Q(verified_at=None, released_at=None)
        added = _added_at(now, unless=Q(user=user))
        return bool(self.filter(free).update(added_at=added, **_owned(user, now=now)))

    def claim_for(
        self,
        *,
        user: Any,
        now: datetime,
        dormant_since: datetime | None,
        added_at: datetime | None,
    ) -> bool:
        """Assign this number to ``user``, unless another user has proved it.

        A proof older than ``dormant_since`` does not count. ``added_at`` is only recorded if
        ``user`` has not proved the number before.
        """
        free = Q(user=None) | Q(user=user) | Q(verified_at=None)
        if dormant_since is not None:
            free |= Q(verified_at__lt=dormant_since)
        added = _added_at(added_at, unless=Q(user=user, verified_at__isnull=False))
        return bool(self.filter(free).update(added_at=added, **_owned(user, now=now)))

    def release(self, *, now: datetime) -> int:
        """Detach these numbers from their users and revoke their trusted browsers."""
        nobody = {"user": None, "verified_at": None, "added_at": None}
        return self.update(**nobody, released_at=now, trusted_since=now)

    def distrust(self, *, now: datetime) -> int:
        """Revoke the trusted browsers of these numbers."""
        return self.update(trusted_since=now)

    def block(self, *, now: datetime) -> int:
        """Refuse all calls to these numbers."""
        return self.filter(blocked_at=None).update(blocked_at=now)

    def unblock(self) -> int:
        """Allow calls to these numbers again."""
        return self.exclude(blocked_at=None).update(blocked_at=None)

    def forgettable(self, *, before: datetime) -> PhoneQuerySet[M]:
        """Filter unowned, unblocked numbers without activity since ``before``.

        Numbers that any other row refers to are excluded.
        """
        silent = Q(last_attempt_at=None) | Q(last_attempt_at__lt=before)
        unproved = Q(verified_at=None) | Q(verified_at__lt=before)
        kept = Q(released_at=None) | Q(released_at__lt=before)
        old = self.filter(user=None, blocked_at=None, created_at__lt=before)
        return old.filter(silent, unproved, kept, *map(_is_unreferenced_by, _relations(self.model)))

    def forget(self) -> int:
        """Delete the numbers that still match, in one statement."""
        # ``delete()`` would select first, and also delete a verification that a visitor starts in
        # the meantime. Django has no public method that deletes in one statement.
        return self._raw_delete(router.db_for_write(self.model))


def _relations(model: type[Model]) -> Iterable[Any]:
    """Return all relations to ``model``, hidden ones and those of the site's own apps included."""
    fields = model._meta.get_fields(include_hidden=True)
    return [field for field in fields if field.one_to_many or field.one_to_one]


def _is_unreferenced_by(relation: Any) -> Q:
    key = relation.field.target_field.attname
    named = relation.related_model._base_manager.filter(**{relation.field.name: OuterRef(key)})
    return Q(~Exists(named))


def _added_at(added_at: datetime | None, *, unless: Q) -> Case:
    """Return the new ``added_at``; numbers that match ``unless`` keep theirs."""
    # Assigned before the fields in ``unless``, as in ``_owned()``.
    kept = When(unless, then=F("added_at"))
    return Case(kept, default=Value(added_at), output_field=DateTimeField())


def _owned(user: Any, *, now: datetime) -> dict[str, Any]:
    """Return the fields to write when ``user`` has proved a number.

    If it had another user, the browsers that were trusted are revoked.
    """
    # Assigned first: MariaDB would compare with the user that the same UPDATE has just written.
    trusted = Case(When(user=user, then=F("trusted_since")), default=Value(now))
    return {"trusted_since": trusted, "user": user, "verified_at": now, "released_at": None}


class Phone(models.Model):
    """A known number. Its row is the lock that makes calls to the number wait for each other."""

    number = models.CharField(_("number"), max_length=16, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="flashcall_phones",
        verbose_name=_("user"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    verified_at = models.DateTimeField(_("verified at"), null=True, blank=True, editable=False)
    #: When the user added this number to another one. It is ``None`` for a first number.
    added_at = models.DateTimeField(_("added at"), null=True, blank=True, editable=False)
    released_at = models.DateTimeField(_("released at"), null=True, blank=True, editable=False)
    trusted_since = models.DateTimeField(
        _("browsers trusted since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Browsers in which the number was verified earlier are no longer trusted."),
    )
    blocked_at = models.DateTimeField(_("blocked at"), null=True, blank=True, editable=False)
    last_attempt_at = models.DateTimeField(
        _("last attempt at"), null=True, blank=True, editable=False
    )

    objects = PhoneQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"  # so that relations are read where they are written
        verbose_name = _("phone number")
        verbose_name_plural = _("phone numbers")
        permissions = [("view_full_number", _("Can view phone numbers in full"))]
        constraints = [
            models.CheckConstraint(condition=~Q(number=""), name="flashcall_phone_has_number"),
        ]

    def __str__(self) -> str:
        return mask(self.number)

    @property
    def display(self) -> str:
        """The number as people write it."""
        return display(self.number)

    def trusts(self, device: Any) -> bool:
        """Return whether ``device``, a ``visitors.devices.Device``, is trusted with this number."""
        is_recent = self.trusted_since is None or device.issued_at >= self.trusted_since
        return bool(device.phone_id == self.pk and is_recent)

    def was_added_before(self, moment: datetime) -> bool:
        """Return whether the number was its user's before ``moment``."""
        return self.added_at is None or self.added_at < moment

    @property
    def had_user(self) -> bool:
        """Whether the number lost its user; unverified claims to it are then ignored.

        Its user was deleted, or the number was released.
        """
        return self.user_id is None and (self.released_at or self.verified_at) is not None

    @property
    def masked(self) -> str:
        """The number with most digits hidden, which its user still recognises."""
        return display_masked(self.number)
