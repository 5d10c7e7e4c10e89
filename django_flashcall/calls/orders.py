"""Orders: everything about one call that is known before anything is claimed for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from ..choices import Channel, Purpose, Verdict
from ..clock import DAY
from ..conf import get_before_call, get_settings
from ..exceptions import CallDenied, ChallengeRequired, ChannelUnavailable, VerificationEnded
from ..limits import breaker
from ..limits.number import refuse_if_suspended
from ..limits.prices import estimate_price
from ..limits.rows import Spending, ensure_rows, ensure_windows, insert_rows
from ..models import Phone, Verification, VerificationAttempt
from ..phone import region_of, type_of
from ..providers.base import load_provider
from ..visitors.visitor import Visitor
from .channels import possible_channels, starting_channels
from .decoys import is_known, repeat_lookup


@dataclass(frozen=True, kw_only=True)
class Order:
    """One call or SMS that is about to be claimed.

    ``estimate`` is its expected price, ``None`` if the price list has none. ``spent`` is what
    the site had spent today before it. ``verification`` is ``None`` for a start. ``call`` is the
    call whose code an SMS repeats.
    """

    phone: Phone
    channel: str
    purpose: str
    visitor: Visitor
    estimate: Decimal | None
    spent: Spending
    is_decoy: bool
    is_trusted: bool
    now: datetime
    verification: Verification | None = None
    call: VerificationAttempt | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedCall:
    """What the hook in ``FLASHCALL["BEFORE_CALL"]`` gets to know about a call.

    ``number`` is in E.164. ``price`` is the estimate. ``verification`` is ``None`` for a start.
    """

    number: str = field(repr=False)
    region: str
    number_type: str
    channel: str
    purpose: str
    price: Decimal | None
    visitor: Visitor
    verification: Verification | None
    phone_id: int
    now: datetime

    @cached_property
    def attempts(self) -> int:
        """How many attempts the number had in the last 24 hours."""
        return VerificationAttempt.objects.since(self.phone_id, since=self.now - DAY).count()


def order_start(
    number: str, *, channel: str, purpose: str, visitor: Visitor, now: datetime
) -> Order:
    """Return the order for the first call of a verification.

    Raises ``ChannelUnavailable``, ``ProviderBusy`` or ``NumberRefused``, before any row is written.
    """
    if channel not in starting_channels():
        raise ChannelUnavailable()
    breaker.refuse_if_paused(channel, now=now)
    estimate = estimate_price(number, channel=channel, now=now)
    # SECURITY: with sign-up off, a refusal would show that a number has no account. The decoy is
    # answered like a call, with the same statements, and no call is placed.
    may_be_decoy = purpose == Purpose.LOGIN and not get_settings().SIGN_UP
    is_decoy = may_be_decoy and not is_known(number)
    rows = insert_rows(number, now=now) if may_be_decoy else ensure_rows(number, now=now)
    if may_be_decoy:
        repeat_lookup(rows.phone)
    return Order(
        phone=rows.phone,
        channel=channel,
        purpose=purpose,
        visitor=visitor,
        estimate=estimate,
        spent=rows.spent,
        is_decoy=is_decoy,
        is_trusted=any(rows.phone.trusts(device) for device in visitor.devices),
        now=now,
    )


def order_resend(
    verification: Verification, *, channel: str, visitor: Visitor, now: datetime
) -> Order:
    """Return the order for another call of ``verification``.

    Raises ``ChannelUnavailable``, ``ProviderBusy`` or ``NumberRefused``, and ``VerificationEnded``
    if the verification was purged in the meantime.
    """
    call = _call_to_repeat(verification) if channel == Channel.SMS else None
    if channel not in possible_channels(with_call=call is not None):
        raise ChannelUnavailable()
    breaker.refuse_if_paused(channel, now=now)
    try:
        phone = verification.phone
    except Phone.DoesNotExist:
        raise VerificationEnded() from None
    estimate = estimate_price(phone.number, channel=channel, now=now)
    return Order(
        phone=phone,
        channel=channel,
        purpose=verification.purpose,
        visitor=visitor,
        estimate=estimate,
        spent=ensure_windows(phone.number, now=now),
        is_decoy=verification.is_decoy,
        is_trusted=verification.is_trusted,
        now=now,
        verification=verification,
        call=call,
    )


def ask_site(order: Order) -> None:
    """Ask the site's hook about ``order``; raise ``CallDenied`` or ``ChallengeRequired``."""
    hook = get_before_call()
    if hook is None:
        return
    # Refused before the hook runs, so that a challenge the visitor has passed is not wasted on a
    # channel that cannot be used.
    refuse_if_suspended(order.phone, channel=order.channel, now=order.now)
    verdict = hook(_planned_call(order))
    if verdict == Verdict.CHALLENGE:
        raise ChallengeRequired()
    if verdict != Verdict.ALLOW:
        raise CallDenied()


def _planned_call(order: Order) -> PlannedCall:
    number = order.phone.number
    return PlannedCall(
        number=number,
        region=region_of(number),
        number_type=type_of(number),
        channel=order.channel,
        purpose=order.purpose,
        price=order.estimate,
        visitor=order.visitor,
        verification=order.verification,
        phone_id=order.phone.pk,
        now=order.now,
    )


def _call_to_repeat(verification: Verification) -> VerificationAttempt | None:
    needs_call = load_provider().sms_needs_call
    return verification.attempts.carrying_call().first() if needs_call else None
