"""Claims: an order is recorded in one transaction, or is refused.

Locks are always taken in the same order: verification, number, block, site.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from ..choices import Channel
from ..codes import SPOKEN_LENGTH
from ..conf import get_settings
from ..databases import in_own_transaction
from ..exceptions import AttemptsExhausted, BlockLimitReached, LimitReached
from ..limits.number import claim_number, grant_checks
from ..limits.rows import insert_phone
from ..limits.shared import claim_shared, watch_spending
from ..models import Phone, Verification, VerificationAttempt
from ..visitors.sessions import bounded_url
from .orders import Order

#: It takes this long for a call to arrive and for its code to be entered.
MIN_TIME_LEFT = timedelta(minutes=1)


def claim_start(order: Order, *, key: UUID) -> VerificationAttempt:
    """Claim the first call of a new verification and record both; raise ``StartRefused``.

    Raises ``IntegrityError`` if ``key`` exists.
    """
    with _watching_spending(order):
        try:
            return _begin(order, key=key)
        except Phone.DoesNotExist:  # purged in the meantime
            return _begin(_with_new_phone(order), key=key)


def claim_resend(order: Order, *, verification: Verification) -> VerificationAttempt:
    """Claim another call of ``verification`` and record it; raise ``StartRefused``."""
    with _watching_spending(order):
        return _continue(order, verification=verification)


@in_own_transaction(Verification)
def _begin(order: Order, *, key: UUID) -> VerificationAttempt:
    config, now, is_trusted = get_settings(), order.now, order.is_trusted
    claim_number(order.phone, channel=order.channel, now=now, is_trusted=is_trusted)
    verification = Verification.objects.create(
        key=key,
        phone=order.phone,
        purpose=order.purpose,
        user_id=order.visitor.user_id,
        browser=order.visitor.browser,
        next_url=bounded_url(order.visitor.next_url),
        is_trusted=is_trusted,
        address=order.visitor.address or None,
        max_checks=grant_checks(order.phone, now=now, is_trusted=is_trusted),
        attempt_count=1,
        max_attempts=config.MAX_ATTEMPTS,
        is_decoy=order.is_decoy,
        created_at=now,
        expires_at=now + config.VERIFICATION_LIFETIME,
    )
    return _record_attempt(order, verification=verification)


@in_own_transaction(Verification)
def _continue(order: Order, *, verification: Verification) -> VerificationAttempt:
    this = Verification.objects.filter(pk=verification.pk)
    if not this.claim_attempt(now=order.now, time_left=MIN_TIME_LEFT):
        raise AttemptsExhausted()
    claim_number(order.phone, channel=order.channel, now=order.now, is_trusted=order.is_trusted)
    return _record_attempt(order, verification=verification)


def _record_attempt(order: Order, *, verification: Verification) -> VerificationAttempt:
    """Write the attempt, with its estimate reserved, before the provider is asked."""
    now, lifetime = order.now, get_settings().CODE_LIFETIME
    attempt = VerificationAttempt.objects.create(
        verification=verification,
        channel=order.channel,
        reserved=order.estimate,
        created_at=now,
        expires_at=min(now + lifetime, verification.expires_at),
        **_code_fields(order),
    )
    claim_shared(order.phone.number, estimate=order.estimate, now=now, is_trusted=order.is_trusted)
    return attempt


def _code_fields(order: Order) -> dict[str, Any]:
    if order.call:
        return {
            "call_id": order.call.provider_id,
            "code_length": order.call.code_length,
            "code_digest": order.call.code_digest,
        }
    is_spoken = order.channel == Channel.VOICE
    return {"code_length": SPOKEN_LENGTH if is_spoken else get_settings().CODE_LENGTH}


def _with_new_phone(order: Order) -> Order:
    number = order.phone.number
    insert_phone(number)
    return replace(order, phone=Phone.objects.get(number=number), is_trusted=False)


@contextmanager
def _watching_spending(order: Order) -> Iterator[None]:
    """Warn the operator if ``order`` reaches a share of ``DAILY_SPEND``, or exceeds it."""
    try:
        yield
    except BlockLimitReached:
        raise  # not about money
    except LimitReached:
        watch_spending(order.spent, estimate=order.estimate, now=order.now)
        raise
    watch_spending(order.spent, estimate=order.estimate, now=order.now)
