"""Progress: what a visitor can do next with a verification, as a value. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from ..choices import AttemptStatus, Channel, Refusal
from ..clock import HOUR
from ..limits.number import checks_free_at, free_at
from ..models import Verification, VerificationAttempt
from ..querysets import APPROVAL_LIFETIME
from .channels import available_channels, starting_channels
from .claims import MIN_TIME_LEFT

#: In these states the visitor may ask for a new verification, since they are not logged in. A
#: pending one may have no channel left. An approved one may be unused, if a process was killed.
RESTARTABLE = ("pending", "expired", "exhausted", "approved")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a verification at ``now``, and what can be done next.

    ``state`` is that of ``Verification.state()``, and ``attempt`` the latest one. ``code_until`` is
    when the last code expires, ``None`` if no code is expected. ``can_finish`` says that the code
    was right, and that the failed sign-up can be tried again. ``channels`` are the channels by
    which another call is possible, each with its earliest time. ``can_restart`` says that
    this verification is over, and a new one can begin. ``retry_at`` is when the next call, or the
    new verification, is possible.
    """

    state: str
    attempt: VerificationAttempt
    code_until: datetime | None
    can_finish: bool
    channels: Mapping[Channel, datetime]
    can_restart: bool
    retry_at: datetime
    now: datetime

    @property
    def expects_code(self) -> bool:
        """Whether a code can be entered."""
        return self.code_until is not None

    @property
    def has_other_channel(self) -> bool:
        """Whether a channel other than the latest one is possible."""
        return any(channel != self.attempt.channel for channel in self.channels)

    @property
    def must_wait(self) -> bool:
        """Whether the next request is not possible yet."""
        return self.retry_at > self.now

    @property
    def wait_seconds(self) -> int:
        """How many seconds remain until ``retry_at``, rounded up."""
        return ceil((self.retry_at - self.now).total_seconds())

    @property
    def is_soon(self) -> bool:
        """Whether ``retry_at`` is at most one hour away."""
        return self.retry_at - self.now <= HOUR


def progress_of(
    verification: Verification, *, attempts: Sequence[VerificationAttempt], now: datetime
) -> Progress:
    """Return the progress of ``verification``, whose ``attempts`` are given, the latest last."""
    state = verification.state(now=now)
    is_pending = state == "pending"
    channels = _next_channels(verification, now=now) if is_pending else {}
    code_until = _code_until(attempts, now=now) if is_pending else None
    can_restart = state in RESTARTABLE and not (code_until or channels)
    restart_at = _restart_at(verification, now=now) if can_restart else now
    return Progress(
        state=state,
        attempt=attempts[-1],
        code_until=code_until,
        can_finish=can_finish(verification, now=now),
        channels=channels,
        can_restart=can_restart,
        retry_at=min(channels.values(), default=restart_at),
        now=now,
    )


def can_finish(verification: Verification, *, now: datetime) -> bool:
    """Return whether the code was right, and the failed sign-up can be tried again."""
    approved_at = verification.approved_at
    is_kept = verification.refusal_code == Refusal.SIGN_UP_FAILED and not verification.consumed_at
    return is_kept and approved_at is not None and approved_at > now - APPROVAL_LIFETIME


def _next_channels(verification: Verification, *, now: datetime) -> dict[Channel, datetime]:
    """Return the channels by which another call is possible, each with its earliest time."""
    if not verification.attempts_left:
        return {}
    times = free_at(
        verification.phone,
        channels=available_channels(verification),
        now=now,
        is_trusted=verification.is_trusted,
    )
    latest = verification.expires_at - MIN_TIME_LEFT
    return {Channel(channel): at for channel, at in times.items() if at < latest}


def _code_until(attempts: Iterable[VerificationAttempt], *, now: datetime) -> datetime | None:
    """Return when the last code expires that has arrived or can still arrive."""
    may_arrive = (
        attempt
        for attempt in attempts
        if attempt.is_live(now=now) or attempt.status == AttemptStatus.REQUESTED
    )
    return max((attempt.expires_at for attempt in may_arrive), default=None)


def _restart_at(verification: Verification, *, now: datetime) -> datetime:
    """Return when a new verification of the same number can begin."""
    phone, is_trusted = verification.phone, verification.is_trusted
    times = free_at(phone, channels=starting_channels(), now=now, is_trusted=is_trusted)
    checks_at = checks_free_at(phone, now=now, is_trusted=is_trusted)
    return max(min(times.values(), default=now), checks_at)
