"""State changes, each one conditional UPDATE: what it returns was decided by the database.

``update()`` returns the rows it matched, on every database that Django supports. That number is
the answer; nothing is read first, and nothing is read again to see what happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db import router
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    Max,
    Min,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)

from .words import AttemptStatus, Channel, ErrorCode, VerificationStatus

M = TypeVar("M", bound=Model)

#: No verification lives longer; the checks refuse settings that say otherwise.
LONGEST_VERIFICATION = timedelta(minutes=10)

#: Limits look back for thirty days, and a little more for what began before.
SHORTEST_KEEP = timedelta(days=31)

#: An approval that nobody used for so long is worth nothing.
RECENT = timedelta(minutes=5)

#: Sums that are claimed are kept as integers of this fraction of the currency: SQLite's decimals
#: are binary floats, and the tenth 0.35 of a cap of 3.50 would be refused.
FRACTION = Decimal("0.0001")


def to_units(amount: Decimal) -> int:
    """Turn money into the integer units in which sums are claimed, rounding up."""
    return int(amount.quantize(FRACTION, rounding="ROUND_CEILING") / FRACTION)


class PhoneQuerySet(QuerySet[M]):
    """The numbers we know."""

    def claim_call(self, *, now: datetime, cooldown: timedelta) -> bool:
        """Take the right to call this number, if it is not blocked and was left alone enough.

        The row stays locked until the transaction ends: that is what makes calls to one number
        wait for each other.
        """
        rested = Q(last_attempt_at=None) | Q(last_attempt_at__lte=now - cooldown)
        return bool(self.filter(rested, blocked_at=None).update(last_attempt_at=now))

    def claim_sign_up(self, *, now: datetime) -> bool:
        """Take the right to make the user of this number; the row stays locked meanwhile."""
        fresh = {"verified_at": now, "released_at": None, "trusted_since": now}
        return bool(self.filter(user=None).update(**fresh))

    def prove_again(self, *, user: Any, now: datetime, since: datetime | None) -> bool:
        """Record that ``user`` proved this number, if that is nothing new.

        ``since`` is when it must have been proved for the last time, ``None`` for any time.
        """
        proved = Q(verified_at__isnull=False) if since is None else Q(verified_at__gte=since)
        return bool(self.filter(proved, user=user).update(verified_at=now))

    def bind(self, *, user: Any, now: datetime) -> bool:
        """Make this number the one of ``user``, who proved it, unless another has meanwhile.

        Nor if it was released meanwhile: who had it before does not get it back by that.
        """
        free = Q(user=user) | Q(verified_at=None, released_at=None)
        return bool(self.filter(free).update(**_owned(user, now=now)))

    def claim_for(self, *, user: Any, now: datetime, dormant_since: datetime | None) -> bool:
        """Make this number the one of ``user``, unless another user has proved it.

        A proof from before ``dormant_since`` does not count any more.
        """
        free = Q(user=None) | Q(user=user) | Q(verified_at=None)
        if dormant_since is not None:
            free |= Q(verified_at__lt=dormant_since)
        return bool(self.filter(free).update(**_owned(user, now=now)))

    def release(self, *, now: datetime) -> int:
        """Make these numbers nobody's, and trust no browser with them any more."""
        return self.update(user=None, verified_at=None, released_at=now, trusted_since=now)

    def distrust(self, *, now: datetime) -> int:
        """Trust no browser with these numbers that proved one of them before."""
        return self.update(trusted_since=now)

    def block(self, *, now: datetime) -> int:
        """Refuse all calls to these numbers from now on."""
        return self.filter(blocked_at=None).update(blocked_at=now)

    def unblock(self) -> int:
        """Allow calls to these numbers again."""
        return self.exclude(blocked_at=None).update(blocked_at=None)

    def forgettable(self, *, before: datetime) -> PhoneQuerySet[M]:
        """Keep the numbers that are nobody's, not blocked, and silent since ``before``.

        A number to which any other row refers is not among them.
        """
        silent = Q(last_attempt_at=None) | Q(last_attempt_at__lt=before)
        unproved = Q(verified_at=None) | Q(verified_at__lt=before)
        kept = Q(released_at=None) | Q(released_at__lt=before)
        old = self.filter(user=None, blocked_at=None, created_at__lt=before)
        return old.filter(silent, unproved, kept, *map(_is_unnamed_by, _relations(self.model)))

    def forget(self) -> int:
        """Delete these numbers, each only if it still is one of them."""
        # One statement, as of ``update()``: ``delete()`` would look first, and take along the
        # verification that a visitor began meanwhile. Django has no public way to say this.
        return self._raw_delete(router.db_for_write(self.model))


def _relations(model: type[Model]) -> Iterable[Any]:
    """Return what refers to ``model``, from the site's own apps and hidden, too."""
    fields = model._meta.get_fields(include_hidden=True)
    return [field for field in fields if field.one_to_many or field.one_to_one]


def _is_unnamed_by(relation: Any) -> Q:
    key = relation.field.target_field.attname
    named = relation.related_model._base_manager.filter(**{relation.field.name: OuterRef(key)})
    return Q(~Exists(named))


def _owned(user: Any, *, now: datetime) -> dict[str, Any]:
    """Return what is written when ``user`` proved a number; another's browsers lose their trust."""
    # Written first: MariaDB would compare with the user that it has written already.
    trusted = Case(When(user=user, then=F("trusted_since")), default=Value(now))
    return {"trusted_since": trusted, "user": user, "verified_at": now, "released_at": None}


class VerificationQuerySet(QuerySet[M]):
    """The challenges."""

    def open(self, *, now: datetime) -> VerificationQuerySet[M]:
        """Keep those that a right code would still approve."""
        return self.filter(
            status=VerificationStatus.PENDING, expires_at__gt=now, checks__lt=F("max_checks")
        )

    def claim_attempt(self, *, now: datetime, usable: timedelta) -> bool:
        """Take one of the calls, if there is time enough left to use it."""
        return bool(
            self.open(now=now + usable)
            .filter(attempt_count__lt=F("max_attempts"))
            .update(attempt_count=F("attempt_count") + 1)
        )

    def claim_check(self, *, now: datetime) -> bool:
        """Take one of the checks, before anything is compared."""
        # SECURITY: counted first, compared after: parallel guesses cannot share a check.
        return bool(self.open(now=now).update(checks=F("checks") + 1))

    def approve(self, *, now: datetime) -> bool:
        """Approve, if pending still and not expired meanwhile."""
        return bool(
            self.filter(status=VerificationStatus.PENDING, expires_at__gt=now).update(
                status=VerificationStatus.APPROVED, approved_at=now
            )
        )

    def consume(self, *, now: datetime, purpose: str) -> bool:
        """Use an approval for its purpose: one row is one login."""
        # SECURITY: one statement decides; a read before it would let two logins through.
        return bool(
            self.filter(
                status=VerificationStatus.APPROVED,
                purpose=purpose,
                consumed_at=None,
                approved_at__gt=now - RECENT,
            ).update(consumed_at=now)
        )

    def failing(self, *, now: datetime, since: datetime) -> QuerySet[M, dict[str, Any]]:
        """Return when those began that count after ``since``, and how many wrong codes each counts.

        A live verification counts all that it was granted, an approved one all but the right code.
        """
        # Codes are typed until a verification ends, so those that began a little earlier count.
        recent = self.filter(created_at__gt=since - LONGEST_VERIFICATION).order_by("created_at")
        return recent.values("created_at", "expires_at", "checks", failed=_failed(now=now))

    def failed_checks(self, *, now: datetime, day: datetime, month: datetime) -> dict[str, int]:
        """Add up the wrong codes after ``day`` and ``month``, as ``failing()`` counts them."""
        of_day = Q(created_at__gt=day - LONGEST_VERIFICATION)
        return self.failing(now=now, since=month).aggregate(
            day=Sum("failed", filter=of_day, default=0), month=Sum("failed", default=0)
        )

    def cancel(self) -> bool:
        """Give up, if pending still."""
        pending = self.filter(status=VerificationStatus.PENDING)
        return bool(pending.update(status=VerificationStatus.CANCELED))

    def withdraw(self) -> int:
        """See to it that none of these opens anything any more, approved or not."""
        unused = [VerificationStatus.PENDING, VerificationStatus.APPROVED]
        return self.filter(status__in=unused, consumed_at=None).update(
            status=VerificationStatus.CANCELED, approved_at=None
        )


def _failed(*, now: datetime) -> Case:
    return Case(
        When(status=VerificationStatus.PENDING, expires_at__gt=now, then=F("max_checks")),
        When(approved_at__isnull=False, then=F("checks") - 1),
        default=F("checks"),
        output_field=IntegerField(),
    )


class AttemptQuerySet(QuerySet[M]):
    """The calls and SMS."""

    def recent(
        self, phone_id: int, *, since: datetime, channel: str = "", device: UUID | None = None
    ) -> dict[str, Any]:
        """Count the attempts at a number after ``since``, and find the first and the latest.

        Those that trusted browsers asked for are counted for themselves, all others together.
        ``spam`` is when the provider last held a call by ``channel`` for spam, whoever asked.
        """
        mine = Q(verification__device__isnull=device is None)
        is_sms = Q(channel=Channel.SMS)
        is_spam = Q(channel=channel, error_code=ErrorCode.NUMBER_IN_SPAM_LIST)
        return self.since(phone_id, since=since).aggregate(
            count=Count("pk", filter=mine),
            sms=Count("pk", filter=mine & is_sms),
            first=Min("created_at", filter=mine),
            first_sms=Min("created_at", filter=mine & is_sms),
            latest=Max("created_at", filter=mine),
            spam=Max("created_at", filter=is_spam),
        )

    def held_for_spam(self, phone_id: int, *, since: datetime) -> dict[str, datetime]:
        """Return when the provider last held a call for spam, for each channel on which it did."""
        held = self.since(phone_id, since=since).filter(error_code=ErrorCode.NUMBER_IN_SPAM_LIST)
        latest = held.order_by().values_list("channel").annotate(Max("created_at"))
        return dict(latest)

    def since(self, phone_id: int, *, since: datetime) -> AttemptQuerySet[M]:
        """Keep the attempts at a number after ``since``."""
        # An older verification has no attempt so young; saying so lets the index end the search.
        return self.filter(
            verification__phone=phone_id,
            verification__created_at__gt=since - LONGEST_VERIFICATION,
            created_at__gt=since,
        )

    def claim_dial(self, *, now: datetime, code_digest: str) -> bool:
        """Take the right to send this request; a task that is delivered twice dials once."""
        waiting = self.filter(status=AttemptStatus.REQUESTED, sent_at=None)
        known = {"code_digest": code_digest} if code_digest else {}
        return bool(waiting.update(sent_at=now, **known))

    def conclude(self, *, status: str, **fields: Any) -> bool:
        """Record what came of the request.

        An answer that comes after the sweep is still kept; what is known already stays.
        """
        open_ones = {AttemptStatus.REQUESTED, AttemptStatus.UNKNOWN} - {status}
        return bool(self.filter(status__in=open_ones).update(status=status, **fields))

    def overdue(self, *, now: datetime, deadline: timedelta) -> AttemptQuerySet[M]:
        """Keep what was sent and never answered, and what was never sent in time.

        A process that was killed between the request and the answer leaves such rows.
        """
        # A clock that was set back leaves some in the future, for which nobody waits any more.
        unanswered = Q(sent_at__lte=now - deadline) | Q(sent_at__gt=now + deadline)
        never_sent = Q(sent_at=None, expires_at__lte=now)
        return self.filter(unanswered | never_sent, status=AttemptStatus.REQUESTED)

    def carrying_call(self) -> AttemptQuerySet[M]:
        """Keep the calls that an SMS can name: accepted, and with an id of the provider."""
        return (
            self.filter(status=AttemptStatus.ACCEPTED)
            .exclude(channel=Channel.SMS)
            .exclude(provider_id="")
            .order_by("pk")
        )


class PriceQuerySet(QuerySet[M]):
    """The tariff."""

    def matching(self, prefixes: Iterable[str], *, channel: str, now: datetime) -> PriceQuerySet[M]:
        """Keep the rows in force for a number with these ``prefixes``, the newest of each last."""
        return self.filter(
            prefix__in=list(prefixes), channel__in=["", channel], valid_from__lte=now
        ).order_by("valid_from", "pk")


class UsageQuerySet(QuerySet[M]):
    """The sums that many verifications share."""

    def add(self, *, attempts: int, units: int) -> bool:
        """Count ``attempts`` and their cost in one statement."""
        return bool(self.update(attempts=F("attempts") + attempts, amount=F("amount") + units))

    def claim(
        self,
        *,
        units: int = 0,
        room: int = 0,
        max_attempts: int | None = None,
        max_units: int | None = None,
    ) -> bool:
        """Take one attempt and ``units``, if both stay within what is allowed.

        ``room`` is what must be left, ``units`` what is taken: a decoy asks for the room of a call,
        so that it is refused when a call would be, and takes nothing.
        """
        left = self if max_attempts is None else self.filter(attempts__lt=max_attempts)
        left = left if max_units is None else left.filter(amount__lte=max_units - room)
        return left.add(attempts=1, units=units)
