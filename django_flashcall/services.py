"""The public verbs: start a verification, ask again, check a code, give up.

Pages and a site's own views all go through these four. Each keeps its record in
transactions of its own, and no transaction is open while the provider is asked; inside a
transaction of the caller's they raise ``TransactionOpen``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property, partial
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.signals import user_login_failed
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import accounts, codes, dialing, limits, lines, signals
from .conf import get_before_call, get_dialer, get_settings
from .door import Visitor
from .exceptions import (
    AttemptsExhausted,
    BlockLimitReached,
    CallDenied,
    ChallengeRequired,
    ChannelCooling,
    ChannelUnavailable,
    CodeUnknown,
    KeyReused,
    LimitReached,
    NumberRefused,
    StartRefused,
    VerificationEnded,
    WrongCode,
)
from .models import Phone, Verification, VerificationAttempt
from .phone import mask, parse_number, region_of, type_of
from .providers.base import load_provider
from .transactions import in_own_transaction
from .words import AttemptStatus, Channel, Purpose, Verdict, VerificationStatus

logger = logging.getLogger(__name__)

NO_CHANNEL = _("We cannot call this number at the moment. Try again later.")
NO_CHANNEL_YET = _(
    "We cannot call this number at the moment. Try again after %(time)s, or use another one."
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one call is to be: everything that is known before anything is claimed."""

    phone: Phone
    channel: str
    cost: limits.Cost
    spent_units: int  # of the site's day, read before it is claimed
    is_decoy: bool
    device: UUID | None  # of a browser that has proved the number before
    call: VerificationAttempt | None  # whose code an SMS repeats
    now: datetime


@dataclass(frozen=True, kw_only=True)
class PlannedCall:
    """What ``FLASHCALL["BEFORE_CALL"]`` is told of a call, before anything is claimed for it.

    ``number`` is in E.164, ``price`` what it is expected to cost, ``verification`` what it goes on
    with, ``None`` for a start.
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
        """How often the number was called within a day."""
        since = self.now - limits.DAY
        return VerificationAttempt.objects.since(self.phone_id, since=since).count()


@sensitive_variables()
def start_verification(
    number: str,
    *,
    purpose: str,
    visitor: Visitor,
    channel: str | None = None,
    key: UUID | None = None,
) -> Verification:
    """Have ``number`` (any spelling) called, and return the verification to check the code against.

    ``key`` makes it repeatable: the same key again returns the same verification and calls nobody.
    What came of the call is in the verification's ``attempts``; a provider that refuses or fails
    raises nothing here. Raises ``NumberRefused`` and the kinds of ``StartRefused``.
    """
    number, key = parse_number(number), key or uuid4()
    start = partial(_start, number, purpose=purpose, visitor=visitor, key=key)
    try:
        return start(channel=channel)
    except (StartRefused, NumberRefused, IntegrityError) as error:
        # The same form again: the other request won the number's row, and has committed.
        verification = _begun_before(key, number=number, purpose=purpose)
        if verification is not None:
            return verification
        if channel or not isinstance(error, ChannelCooling | ChannelUnavailable):
            raise
        refusal: StartRefused = error
    return _start_by_first(starting_channels()[1:], start=start, refusal=refusal)


def resend(
    verification: Verification, *, visitor: Visitor, channel: str | None = None
) -> VerificationAttempt:
    """Have the number called again, by the next channel unless one is named.

    It gives back no checks. Raises the kinds of ``StartRefused``, ``NumberRefused`` if the price
    list forbids the number by now, and ``VerificationEnded`` if another user began it.
    """
    now = timezone.now()
    _refuse_other_user(verification, visitor=visitor)
    channel = channel or next_channel(verification)
    with _line(now=now):
        order = _order_resend(verification, channel=channel, now=now)
        _ask_site(order, purpose=verification.purpose, visitor=visitor, verification=verification)
        with _watched(order):
            attempt = _repeat(order, verification=verification)
        _dial(attempt)
    return attempt


@sensitive_variables()
def check_code(verification: Verification, code: str, *, visitor: Visitor) -> Verification:
    """Compare ``code`` with the live codes of ``verification``, and approve it if one matches.

    The check is counted and committed before anything is compared. Raises ``CodeMalformed``
    and ``CodeUnknown`` (which cost no check), ``WrongCode`` and ``VerificationEnded``.
    """
    now = timezone.now()
    _refuse_other_user(verification, visitor=visitor)
    attempts = list(verification.attempts.all())
    if not attempts:
        raise VerificationEnded()  # purged meanwhile
    guesses = codes.read_code(code, lengths={attempt.code_length for attempt in attempts})
    live = [attempt for attempt in attempts if attempt.is_live(now=now)]
    if not live and any(attempt.is_wanted(now=now) for attempt in attempts):
        raise CodeUnknown()
    if not live or not _claim_check(verification, now=now):
        raise _ended(verification, now=now)
    # SECURITY: only now, with the check committed, is anything compared.
    digests = [attempt.code_digest for attempt in live]
    if not codes.matches(guesses, digests, number=verification.number, key=verification.key):
        raise _wrong_code(verification, visitor=visitor)
    now = timezone.now()  # what waited for the database may have come too late
    is_late = not all(attempt.is_live(now=now) for attempt in live)
    if is_late or not _approve(verification, now=now):
        raise _ended(verification, now=now)
    verification.status, verification.approved_at = VerificationStatus.APPROVED, now
    signals.verification_approved.send_robust(sender=Verification, verification=verification)
    return verification


def cancel(verification: Verification) -> bool:
    """Give ``verification`` up, so that no code opens it any more; ``False`` if it had ended."""
    canceled = _cancel(verification)
    if canceled:
        signals.verification_canceled.send_robust(sender=Verification, verification=verification)
    return canceled


def sweep_attempts() -> int:
    """Turn calls into *unknown* whose answer will not come any more; return how many.

    A process that was killed while the provider was asked leaves such calls.
    """
    now, deadline = timezone.now(), load_provider().deadline
    overdue = VerificationAttempt.objects.overdue(now=now, deadline=deadline)
    # Looked up first and then written one by one: a single UPDATE would take its locks through the
    # index on the status, and on MariaDB deadlock with answers that are being written.
    return sum(_lose(pk, now=now) for pk in overdue.values_list("pk", flat=True))


def available_channels(verification: Verification) -> list[str]:
    """Return the channels by which the code could be sent again, in the order of falling back."""
    return _channels(with_call=verification.attempts.carrying_call().exists())


def starting_channels() -> list[str]:
    """Return the channels by which a verification can begin, the first one first."""
    return _channels(with_call=False)


def expected_channel(*, now: datetime) -> str:
    """Return the channel by which a verification will probably begin; empty if by none."""
    channels = starting_channels()
    open_ones = (channel for channel in channels if not limits.is_stopped(channel, now=now))
    return next(open_ones, channels[0] if channels else "")


def next_channel(verification: Verification) -> str:
    """Return the channel to try after those that were tried; the last one again at the end."""
    attempts = list(verification.attempts.all())
    channels = _channels(with_call=any(attempt.carries_code for attempt in attempts))
    if not channels:
        raise ChannelUnavailable()
    tried = {attempt.channel for attempt in attempts}
    return next((channel for channel in channels if channel not in tried), channels[-1])


def _channels(*, with_call: bool) -> list[str]:
    """Return the channels in use; those of them that need an earlier call only ``with_call``."""
    provider = load_provider()
    needs_call = provider.sms_needs_call and not with_call
    impossible = {Channel.SMS} if needs_call or not get_settings().DAILY_SMS else set()
    possible = provider.channels - impossible
    return [channel for channel in get_settings().CHANNELS if channel in possible]


def _first_channel(wanted: str | None) -> str:
    channels = starting_channels()
    if not channels or wanted not in (None, *channels):
        raise ChannelUnavailable()
    return wanted or channels[0]


@sensitive_variables()
def _start_by_first(
    channels: list[str], *, start: Callable[..., Verification], refusal: StartRefused
) -> Verification:
    """Start by the first of ``channels`` that is possible for this number."""
    for channel in channels:
        try:
            return start(channel=channel)
        except (ChannelCooling, ChannelUnavailable) as error:
            refusal = error
    message = NO_CHANNEL_YET if refusal.retry_at else NO_CHANNEL
    raise type(refusal)(message, retry_at=refusal.retry_at) from refusal


@sensitive_variables()
def _start(
    number: str, *, purpose: str, visitor: Visitor, key: UUID, channel: str | None
) -> Verification:
    now = timezone.now()
    with _line(now=now):
        order = _order_start(number, purpose=purpose, channel=channel, visitor=visitor, now=now)
        _ask_site(order, purpose=purpose, visitor=visitor)
        with _watched(order):
            begin = partial(_begin, purpose=purpose, visitor=visitor, key=key)
            try:
                attempt = begin(order)
            except Phone.DoesNotExist:
                attempt = begin(_as_new(order))
        signals.verification_started.send_robust(
            sender=Verification, verification=attempt.verification, attempt=attempt
        )
        _dial(attempt)
    return attempt.verification


@sensitive_variables()
def _order_start(
    number: str, *, purpose: str, channel: str | None, visitor: Visitor, now: datetime
) -> Order:
    # Everything that may be refused without a row is refused before there is one.
    first = _first_channel(channel)
    lines.refuse_if_paused(first, now=now)
    price = limits.estimate_price(number, channel=first, now=now)
    # SECURITY: with sign-up off a refusal would tell a stranger who has an account. The decoy
    # answers the same, calls nobody, and asks the database the same.
    may_be_decoy = purpose == Purpose.LOGIN and not get_settings().SIGN_UP
    is_decoy = may_be_decoy and not accounts.is_known(number)
    phone, spent = _new_phone(number, now=now) if may_be_decoy else _known_phone(number, now=now)
    if may_be_decoy:
        accounts.look_in_vain(phone)
    return Order(
        phone=phone,
        channel=first,
        cost=_cost(price, is_decoy=is_decoy),
        spent_units=spent,
        is_decoy=is_decoy,
        device=next((one.key for one in visitor.devices if phone.trusts(one)), None),
        call=None,
        now=now,
    )


def _order_resend(verification: Verification, *, channel: str, now: datetime) -> Order:
    call = None
    if channel == Channel.SMS and load_provider().sms_needs_call:
        call = verification.attempts.carrying_call().first()
    if channel not in _channels(with_call=call is not None):
        raise ChannelUnavailable()
    lines.refuse_if_paused(channel, now=now)
    try:
        phone = verification.phone
    except Phone.DoesNotExist:
        raise VerificationEnded() from None  # purged meanwhile
    price = limits.estimate_price(phone.number, channel=channel, now=now)
    return Order(
        phone=phone,
        channel=channel,
        cost=_cost(price, is_decoy=verification.is_decoy),
        spent_units=limits.ensure_windows(phone.number, now=now),
        is_decoy=verification.is_decoy,
        device=verification.device,
        call=call,
        now=now,
    )


@sensitive_variables()
def _as_new(order: Order) -> Order:
    """Return ``order`` for a number that was purged at this very moment."""
    number = order.phone.number
    _insert_phone(number)
    return replace(order, phone=Phone.objects.get(number=number), device=None)


def _cost(price: Decimal | None, *, is_decoy: bool) -> limits.Cost:
    return limits.Cost(room=price, taken=limits.NOTHING if is_decoy else price)


@sensitive_variables()
def _ask_site(
    order: Order, *, purpose: str, visitor: Visitor, verification: Verification | None = None
) -> None:
    """Let the site's own hook allow the call, deny it, or ask for a challenge first."""
    hook = get_before_call()
    if hook is None:
        return
    # Before it is asked: a challenge that was met must not be lost on a channel that is not used.
    limits.refuse_cooling(order.phone, channel=order.channel, now=order.now)
    number = order.phone.number
    call = PlannedCall(
        number=number,
        region=region_of(number),
        number_type=type_of(number),
        channel=order.channel,
        purpose=purpose,
        price=order.cost.room,
        visitor=visitor,
        verification=verification,
        phone_id=order.phone.pk,
        now=order.now,
    )
    verdict = hook(call)
    if verdict == Verdict.CHALLENGE:
        raise ChallengeRequired()
    if verdict != Verdict.ALLOW:
        raise CallDenied()


@contextmanager
def _watched(order: Order) -> Iterator[None]:
    """Warn the operator of the day's money: by what was claimed, or could not be any more."""
    try:
        yield
    except BlockLimitReached:
        raise  # by its numbers, not by money
    except LimitReached:
        limits.watch_spending(order.spent_units, claimed=order.cost.room, now=order.now)
        raise
    limits.watch_spending(order.spent_units, claimed=order.cost.taken, now=order.now)


@sensitive_variables()
def _known_phone(number: str, *, now: datetime) -> tuple[Phone, int]:
    """Return the row of ``number``, and what is spent today; the rows that a start locks exist."""
    phones = limits.with_windows(Phone.objects.filter(number=number), number=number, now=now)
    phone: Any = phones.first()
    if phone is None:
        return _new_phone(number, now=now)
    if phone.spent_units is None or not phone.has_hour:
        limits.insert_windows(number, now=now)
    return phone, phone.spent_units or 0


@sensitive_variables()
def _new_phone(number: str, *, now: datetime) -> tuple[Phone, int]:
    """Return the same of a number that has no row yet, or of which it must not show."""
    limits.insert_windows(number, now=now)
    _insert_phone(number)
    phones = limits.with_windows(Phone.objects.filter(number=number), number=number, now=now)
    phone: Any = phones.get()
    return phone, phone.spent_units or 0


@sensitive_variables()
@in_own_transaction(Phone)
def _insert_phone(number: str) -> None:
    Phone.objects.bulk_create([Phone(number=number)], ignore_conflicts=True)


@in_own_transaction(Verification)
def _begin(order: Order, *, purpose: str, visitor: Visitor, key: UUID) -> VerificationAttempt:
    config = get_settings()
    limits.claim_number(order.phone, channel=order.channel, now=order.now, device=order.device)
    verification = Verification.objects.create(
        key=key,
        phone=order.phone,
        purpose=purpose,
        user_id=_user_id(visitor),
        device=order.device,
        address=visitor.address or None,
        max_checks=limits.grant_checks(order.phone, now=order.now, device=order.device),
        attempt_count=1,
        max_attempts=config.MAX_ATTEMPTS,
        is_decoy=order.is_decoy,
        created_at=order.now,
        expires_at=order.now + config.VERIFICATION_LIFETIME,
    )
    return _record_intent(order, verification=verification)


@in_own_transaction(Verification)
def _repeat(order: Order, *, verification: Verification) -> VerificationAttempt:
    this = Verification.objects.filter(pk=verification.pk)
    if not this.claim_attempt(now=order.now, usable=limits.USABLE):
        raise AttemptsExhausted()
    limits.claim_number(order.phone, channel=order.channel, now=order.now, device=order.device)
    return _record_intent(order, verification=verification)


def _record_intent(order: Order, *, verification: Verification) -> VerificationAttempt:
    """Write down the call before it is asked for, with what it will cost."""
    lifetime = get_settings().CODE_LIFETIME
    attempt = VerificationAttempt.objects.create(
        verification=verification,
        channel=order.channel,
        reserved=order.cost.taken,
        created_at=order.now,
        expires_at=min(order.now + lifetime, verification.expires_at),
        **_code_fields(order),
    )
    limits.claim_shared(order.phone.number, cost=order.cost, now=order.now, device=order.device)
    return attempt


def _code_fields(order: Order) -> dict[str, Any]:
    if order.call:
        return {
            "call_id": order.call.provider_id,
            "code_length": order.call.code_length,
            "code_digest": order.call.code_digest,
        }
    is_spoken = order.channel == Channel.VOICE
    return {"code_length": codes.SPOKEN_LENGTH if is_spoken else get_settings().CODE_LENGTH}


def _line(*, now: datetime) -> AbstractContextManager[None]:
    """Keep a line, if this thread is going to dial: a queue's workers have lines of their own."""
    return lines.reserved(now=now) if get_dialer() is dialing.dial else nullcontext()


def _dial(attempt: VerificationAttempt) -> None:
    dialer = get_dialer()
    try:
        if dialer is dialing.dial:
            dialing.place(attempt)  # no need to look it up again
        else:
            dialer(attempt.pk)
    except Exception as error:
        # A queue that is down is no reason to lose the visitor: the page says what else to do.
        logger.error("attempt=%s not dialled: %s", attempt.pk, type(error).__name__)
        dialing.abandon(attempt)


@sensitive_variables()
def _begun_before(key: UUID, *, number: str, purpose: str) -> Verification | None:
    verification = Verification.objects.select_related("phone").filter(key=key).first()
    if verification is None:
        return None
    if (verification.number, verification.purpose) != (number, purpose):
        raise KeyReused()
    return verification


def _user_id(visitor: Visitor) -> Any:
    return visitor.user.pk if visitor.user else None


def _refuse_other_user(verification: Verification, *, visitor: Visitor) -> None:
    if verification.user_id not in (None, _user_id(visitor)):
        raise VerificationEnded()


@in_own_transaction(VerificationAttempt)
def _lose(pk: int, *, now: datetime) -> bool:
    this = VerificationAttempt.objects.filter(pk=pk)
    return this.conclude(status=AttemptStatus.UNKNOWN, answered_at=now)


@in_own_transaction(Verification)
def _claim_check(verification: Verification, *, now: datetime) -> bool:
    return Verification.objects.filter(pk=verification.pk).claim_check(now=now)


@in_own_transaction(Verification)
def _approve(verification: Verification, *, now: datetime) -> bool:
    return Verification.objects.filter(pk=verification.pk).approve(now=now)


@in_own_transaction(Verification)
def _cancel(verification: Verification) -> bool:
    return Verification.objects.filter(pk=verification.pk).cancel()


def _ended(verification: Verification, *, now: datetime) -> VerificationEnded:
    """Say why no code opens ``verification`` any more."""
    try:
        verification.refresh_from_db(fields=["status", "checks", "consumed_at"])
    except Verification.DoesNotExist:
        return VerificationEnded()  # purged meanwhile
    state = verification.state(now=now)
    if state == "exhausted":
        return VerificationEnded(
            _("No tries are left for this code. Ask for a new one."), code=state
        )
    if state in ("approved", "used", "canceled"):
        return VerificationEnded(_("The code was used, or the call was given up."), code=state)
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
