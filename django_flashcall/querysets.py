"""State changes, each a conditional UPDATE whose row count decides.

``update()`` returns the number of matched rows on every database that Django supports. That number
is the answer. Nothing is read before or after the UPDATE.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import (
    Case,
    Count,
    F,
    IntegerField,
    Max,
    Min,
    Model,
    Q,
    QuerySet,
    Sum,
    When,
)

from .choices import AttemptStatus, Channel, ErrorCode, VerificationStatus
from .databases import WrittenQuerySet

M = TypeVar("M", bound=Model)

#: No verification lives longer than this. A system check refuses other settings.
MAX_VERIFICATION_LIFETIME = timedelta(minutes=10)

#: Limits look back thirty days, and a little further for verifications that began earlier.
MIN_KEEP = timedelta(days=31)

#: An approval must be used within this time.
APPROVAL_LIFETIME = timedelta(minutes=5)


class VerificationQuerySet(WrittenQuerySet[M]):
    """Verifications."""

    def open(self, *, now: datetime) -> VerificationQuerySet[M]:
        """Filter verifications that a right code would still approve."""
        return self.filter(
            status=VerificationStatus.PENDING, expires_at__gt=now, checks__lt=F("max_checks")
        )

    def begun_by(self, *, browser: UUID | None, user_id: Any) -> VerificationQuerySet[M]:
        """Filter verifications that this browser began, for nobody known or for this user."""
        if browser is None:
            return self.none()
        return self.filter(Q(user=None) | Q(user=user_id), browser=browser)

    def forget_browser(self, browser: UUID) -> int:
        """Forget which verifications this browser began, so that it can finish none of them."""
        return self.filter(browser=browser).update(browser=None)

    def claim_attempt(self, *, now: datetime, time_left: timedelta) -> bool:
        """Claim one attempt; return whether one was left, with enough time to use it."""
        return bool(
            self.open(now=now + time_left)
            .filter(attempt_count__lt=F("max_attempts"))
            .update(attempt_count=F("attempt_count") + 1)
        )

    def claim_check(self, *, now: datetime) -> bool:
        """Claim one check, before anything is compared."""
        # SECURITY: counted before the comparison, so parallel guesses cannot share a check.
        return bool(self.open(now=now).update(checks=F("checks") + 1))

    def approve(self, *, now: datetime) -> bool:
        """Approve the verification, if it is still pending and has not expired."""
        return bool(
            self.filter(status=VerificationStatus.PENDING, expires_at__gt=now).update(
                status=VerificationStatus.APPROVED, approved_at=now
            )
        )

    def consume(self, *, now: datetime, purpose: str) -> bool:
        """Use an approval for its purpose, once; forget why an earlier try was refused."""
        # SECURITY: one statement decides. A read before it would allow two logins.
        return bool(
            self.filter(
                status=VerificationStatus.APPROVED,
                purpose=purpose,
                consumed_at=None,
                approved_at__gt=now - APPROVAL_LIFETIME,
            ).update(consumed_at=now, refusal_code="")
        )

    def refuse(self, *, code: str) -> bool:
        """Record why an approval that was used logged nobody in."""
        used = self.filter(status=VerificationStatus.APPROVED, consumed_at__isnull=False)
        return bool(used.update(refusal_code=code))

    def give_back(self, *, consumed_at: datetime | None, code: str = "") -> bool:
        """Undo the use of an approval that led to nothing, so that it can be tried again.

        ``code`` says why it led to nothing. The approval is not used for longer by that.
        """
        mine = self.filter(status=VerificationStatus.APPROVED, consumed_at=consumed_at)
        return bool(mine.update(consumed_at=None, refusal_code=code))

    def failing(self, *, now: datetime, since: datetime) -> QuerySet[M, dict[str, Any]]:
        """Return when verifications began that count after ``since``, and their wrong codes.

        A live verification counts every check that it was granted, an approved one all used checks
        but one.
        """
        # Codes can be entered until a verification ends, so earlier verifications count as well.
        recent = self.filter(created_at__gt=since - MAX_VERIFICATION_LIFETIME).order_by(
            "created_at"
        )
        return recent.values("created_at", "expires_at", "checks", failed=_failed(now=now))

    def failed_checks(self, *, now: datetime, day: datetime, month: datetime) -> dict[str, int]:
        """Add up the wrong codes since ``day`` and ``month``, as ``failing()`` counts them."""
        of_day = Q(created_at__gt=day - MAX_VERIFICATION_LIFETIME)
        return self.failing(now=now, since=month).aggregate(
            day=Sum("failed", filter=of_day, default=0), month=Sum("failed", default=0)
        )

    def cancel(self) -> bool:
        """Cancel the verification, if it is still pending."""
        pending = self.filter(status=VerificationStatus.PENDING)
        return bool(pending.update(status=VerificationStatus.CANCELED))

    def withdraw(self) -> int:
        """Cancel all of these that were not used, so that none can be used, approved or not."""
        unused = [VerificationStatus.PENDING, VerificationStatus.APPROVED]
        return self.filter(status__in=unused, consumed_at=None).update(
            status=VerificationStatus.CANCELED, approved_at=None, refusal_code=""
        )


def _failed(*, now: datetime) -> Case:
    return Case(
        When(status=VerificationStatus.PENDING, expires_at__gt=now, then=F("max_checks")),
        When(approved_at__isnull=False, then=F("checks") - 1),
        default=F("checks"),
        output_field=IntegerField(),
    )


class AttemptQuerySet(WrittenQuerySet[M]):
    """Calls and SMS."""

    def recent(
        self, phone_id: int, *, since: datetime, channel: str = "", is_trusted: bool = False
    ) -> dict[str, Any]:
        """Count the attempts on a number since ``since``, and find the first and the latest.

        Attempts from trusted browsers and those from others are counted separately. ``spam`` is
        the last time that the provider treated a call by ``channel`` as spam, from any browser.
        """
        mine = Q(verification__is_trusted=is_trusted)
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
        """Return, by channel, the last time that the provider treated a call as spam."""
        held = self.since(phone_id, since=since).filter(error_code=ErrorCode.NUMBER_IN_SPAM_LIST)
        latest = held.order_by().values_list("channel").annotate(Max("created_at"))
        return dict(latest)

    def since(self, phone_id: int, *, since: datetime) -> AttemptQuerySet[M]:
        """Filter the attempts on a number since ``since``."""
        # An older verification has no attempt this recent, so the index can limit the scan.
        return self.filter(
            verification__phone=phone_id,
            verification__created_at__gt=since - MAX_VERIFICATION_LIFETIME,
            created_at__gt=since,
        )

    def claim_dial(self, *, now: datetime, code_digest: str) -> bool:
        """Claim the request, so that a task that is delivered twice dials once."""
        waiting = self.filter(status=AttemptStatus.REQUESTED, sent_at=None)
        known = {"code_digest": code_digest} if code_digest else {}
        return bool(waiting.update(sent_at=now, **known))

    def conclude(self, *, status: str, **fields: Any) -> bool:
        """Record the outcome of the request.

        An answer that arrives after the sweep is still recorded. A known outcome is kept.
        """
        open_ones = {AttemptStatus.REQUESTED, AttemptStatus.UNKNOWN} - {status}
        return bool(self.filter(status__in=open_ones).update(status=status, **fields))

    def overdue(self, *, now: datetime, deadline: timedelta) -> AttemptQuerySet[M]:
        """Filter attempts that were sent and never answered, or never sent in time.

        A process that was killed between the request and the answer leaves such rows behind.
        """
        # A clock that was set back leaves some attempts in the future.
        unanswered = Q(sent_at__lte=now - deadline) | Q(sent_at__gt=now + deadline)
        never_sent = Q(sent_at=None, expires_at__lte=now)
        return self.filter(unanswered | never_sent, status=AttemptStatus.REQUESTED)

    def carrying_call(self) -> AttemptQuerySet[M]:
        """Filter the calls whose code an SMS can repeat: accepted, and with a provider id."""
        return (
            self.filter(status=AttemptStatus.ACCEPTED)
            .exclude(channel=Channel.SMS)
            .exclude(provider_id="")
            .order_by("pk")
        )
