"""Start a verification, resend its code, check a code, cancel.

Our pages use these functions, and a site's own views can use them too. Each function writes its
record in its own transactions, and no transaction is open while the provider is asked. Inside a
transaction of the caller they raise ``TransactionOpen``.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from django.contrib.auth.signals import user_login_failed
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import signals
from .calls.channels import next_channel, starting_channels
from .calls.claims import claim_resend, claim_start
from .calls.dialing import ready_to_dial, request_call
from .calls.orders import ask_site, order_resend, order_start
from .calls.outcomes import LOST, conclude
from .choices import ENTERED_PURPOSES, AttemptStatus, Purpose, VerificationStatus
from .codes import matches, read_code, refuse_excluded
from .conf import get_settings
from .databases import in_own_transaction
from .exceptions import (
    ChannelSuspended,
    ChannelUnavailable,
    CodeUnknown,
    KeyReused,
    NumberRefused,
    PhoneLoginOff,
    StartRefused,
    VerificationEnded,
    WrongCode,
)
from .models import Verification, VerificationAttempt
from .phone import mask, parse_number
from .providers.base import load_provider
from .visitors.sessions import saved_before_wait
from .visitors.visitor import Visitor

NO_CHANNEL = _("We cannot call this number at the moment. Try again later.")
NO_CHANNEL_YET = _(
    "We cannot call this number at the moment. Try again after %(time)s, or use another one."
)


@sensitive_variables()
def start_verification(
    number: str,
    *,
    purpose: str,
    visitor: Visitor,
    channel: str | None = None,
    key: UUID | None = None,
) -> Verification:
    """Call ``number``, in any format, and return the verification that its code is checked against.

    Without ``channel``, the first possible one of ``CHANNELS`` is used. ``key`` makes the start
    idempotent: the same key again returns the same verification, and no call is placed. The outcome
    of the call is in the verification's ``attempts``. A provider that refuses or fails raises
    no error here. Raises ``NumberRefused`` and the subclasses of ``StartRefused``.
    """
    _refuse_phone_login(purpose)
    number, key = parse_number(number), key or uuid4()
    refusal: StartRefused = ChannelUnavailable()
    for candidate in [channel] if channel else starting_channels():
        try:
            return _start(number, channel=candidate, purpose=purpose, visitor=visitor, key=key)
        except (StartRefused, NumberRefused, IntegrityError) as error:
            # The same form may have been sent twice, and the other request has committed.
            verification = _find_started(key, number=number, purpose=purpose, visitor=visitor)
            if verification is not None:
                return verification
            if channel or not isinstance(error, ChannelSuspended | ChannelUnavailable):
                raise
            refusal = error
    message = NO_CHANNEL_YET if refusal.retry_at else NO_CHANNEL
    raise type(refusal)(message, retry_at=refusal.retry_at) from refusal


@sensitive_variables()
def resend(
    verification: Verification, *, visitor: Visitor, channel: str | None = None
) -> VerificationAttempt:
    """Call the number again, by the next channel unless one is given, and return the attempt.

    The number of checks stays the same. Raises the subclasses of ``StartRefused``,
    ``NumberRefused`` if the price list now forbids the number, and ``VerificationEnded`` if another
    user began the verification.
    """
    now = timezone.now()
    _refuse_other_user(verification, visitor=visitor)
    _refuse_phone_login(verification.purpose)
    channel = channel or next_channel(verification)
    with ready_to_dial(now=now):
        order = order_resend(verification, channel=channel, visitor=visitor, now=now)
        ask_site(order)
        with saved_before_wait(visitor.request):
            attempt = claim_resend(order, verification=verification)
            request_call(attempt)
    return attempt


@sensitive_variables()
def check_code(verification: Verification, code: str, *, visitor: Visitor) -> Verification:
    """Compare ``code`` with the live codes of ``verification``, and approve it if one matches.

    The check is counted and committed before anything is compared. Raises ``CodeMalformed``,
    ``CodeMistaken`` and ``CodeUnknown``, which cost no check, ``WrongCode`` and
    ``VerificationEnded``.
    """
    now = timezone.now()
    _refuse_other_user(verification, visitor=visitor)
    attempts = list(verification.attempts.all())
    if not attempts:
        raise VerificationEnded()  # purged in the meantime
    guesses = read_code(code, lengths={attempt.code_length for attempt in attempts})
    live = [attempt for attempt in attempts if attempt.is_live(now=now)]
    if not live and any(attempt.is_wanted(now=now) for attempt in attempts):
        raise CodeUnknown()
    if live and verification.state(now=now) == VerificationStatus.PENDING:
        guesses = refuse_excluded(guesses, number=_entered_number(verification))
    if not live or not _claim_check(verification, now=now):
        raise _ended(verification, now=now)
    # SECURITY: nothing is compared before the check is committed.
    digests = [attempt.code_digest for attempt in live]
    if not matches(guesses, digests, number=verification.number, key=verification.key):
        raise _wrong_code(verification, visitor=visitor)
    now = timezone.now()  # waiting for the database may have taken a while
    is_late = not all(attempt.is_live(now=now) for attempt in live)
    if is_late or not _approve(verification, now=now):
        raise _ended(verification, now=now)
    signals.verification_approved.send_robust(sender=Verification, verification=verification)
    return verification


@sensitive_variables()
def cancel(verification: Verification) -> bool:
    """Cancel ``verification``, so that no code is accepted; return whether it was pending."""
    canceled = _cancel(verification)
    if canceled:
        signals.verification_canceled.send_robust(sender=Verification, verification=verification)
    return canceled


@sensitive_variables()
def sweep_attempts() -> int:
    """Set attempts to *unknown* if their answer can no longer arrive; return how many.

    A process that is killed while it waits for the provider leaves such attempts behind.
    """
    overdue = VerificationAttempt.objects.overdue(
        now=timezone.now(), deadline=load_provider().deadline
    ).select_related("verification__phone")
    # Read first and written one by one. A single UPDATE would take its locks through the index on
    # the status, and on MariaDB it would deadlock with answers that are being written.
    return sum(conclude(attempt, LOST) for attempt in list(overdue))


@sensitive_variables()
def current_attempts(verification: Verification) -> list[VerificationAttempt]:
    """Return the attempts of ``verification``, the latest last, after a sweep if one is open.

    This way, visitors do not wait for a call whose process was killed.
    """
    attempts = list(verification.attempts.all())
    if any(attempt.status == AttemptStatus.REQUESTED for attempt in attempts):
        sweep_attempts()
        attempts = list(verification.attempts.all())
    return attempts


@sensitive_variables()
def read_attempts(verification: Verification) -> list[VerificationAttempt]:
    """Return the attempts of ``verification`` as ``current_attempts()`` does, but write nothing."""
    attempts = list(verification.attempts.all())
    if any(attempt.status == AttemptStatus.REQUESTED for attempt in attempts):
        overdue = verification.attempts.overdue(
            now=timezone.now(), deadline=load_provider().deadline
        )
        lost = {attempt.pk for attempt in overdue}
        for attempt in attempts:
            attempt.status = AttemptStatus.UNKNOWN if attempt.pk in lost else attempt.status
    return attempts


def _start(number: str, *, channel: str, purpose: str, visitor: Visitor, key: UUID) -> Verification:
    now = timezone.now()
    with ready_to_dial(now=now):
        order = order_start(number, channel=channel, purpose=purpose, visitor=visitor, now=now)
        ask_site(order)
        with saved_before_wait(visitor.request):
            attempt = claim_start(order, key=key)
            signals.verification_started.send_robust(
                sender=Verification, verification=attempt.verification, attempt=attempt
            )
            request_call(attempt)
    return attempt.verification


def _find_started(key: UUID, *, number: str, purpose: str, visitor: Visitor) -> Verification | None:
    verification = Verification.objects.select_related("phone").filter(key=key).first()
    if verification is None:
        return None
    # SECURITY: otherwise two browsers with the same form would share one verification.
    wanted = (number, purpose, visitor.browser)
    started = (verification.number, verification.purpose, verification.browser)
    if started != wanted or not verification.belongs_to(visitor.user_id):
        raise KeyReused()
    return verification


def _refuse_phone_login(purpose: str) -> None:
    if purpose == Purpose.LOGIN and not get_settings().allows_phone_login:
        raise PhoneLoginOff()


def _refuse_other_user(verification: Verification, *, visitor: Visitor) -> None:
    if not verification.belongs_to(visitor.user_id):
        raise VerificationEnded()


def _entered_number(verification: Verification) -> str:
    """Return the number if the visitor has entered it, otherwise an empty string."""
    # SECURITY: where the page masks the number, the answer would reveal its last digits, guess by
    # guess, and no check would be counted.
    is_entered = verification.purpose in ENTERED_PURPOSES
    return verification.number if is_entered else ""


@in_own_transaction(Verification)
def _claim_check(verification: Verification, *, now: datetime) -> bool:
    return Verification.objects.filter(pk=verification.pk).claim_check(now=now)


def _approve(verification: Verification, *, now: datetime) -> bool:
    approved = _write_approval(verification, now=now)
    if approved:
        verification.status, verification.approved_at = VerificationStatus.APPROVED, now
    return approved


@in_own_transaction(Verification)
def _write_approval(verification: Verification, *, now: datetime) -> bool:
    return Verification.objects.filter(pk=verification.pk).approve(now=now)


@in_own_transaction(Verification)
def _cancel(verification: Verification) -> bool:
    return Verification.objects.filter(pk=verification.pk).cancel()


def _ended(verification: Verification, *, now: datetime) -> VerificationEnded:
    """Return an error that says why no code is accepted any more."""
    try:
        verification.refresh_from_db(fields=["status", "checks", "consumed_at", "refusal_code"])
    except Verification.DoesNotExist:
        return VerificationEnded()  # purged in the meantime
    state = verification.state(now=now)
    if state == "exhausted":
        return VerificationEnded(
            _("No tries are left for this code. Ask for a new one."), code=state
        )
    if state in ("approved", "used", "refused", "canceled"):
        return VerificationEnded(
            _("The code was already used, or the request was canceled."), code=state
        )
    return VerificationEnded()


def _wrong_code(verification: Verification, *, visitor: Visitor) -> WrongCode:
    verification.refresh_from_db(fields=["checks"])
    left = verification.checks_left
    signals.code_rejected.send_robust(
        sender=Verification, verification=verification, checks_left=left
    )
    if verification.purpose == Purpose.LOGIN:
        user_login_failed.send_robust(
            sender=__name__,
            credentials={"number": mask(verification.number)},
            request=visitor.request,
        )
    return WrongCode(checks_left=left)
