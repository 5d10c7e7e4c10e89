"""Dialling: ask the provider for one attempt, and record what came of it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import Error
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import alarms, echoes, limits, lines
from .codes import draw_code, is_code, make_digest
from .exceptions import (
    ChannelUnavailable,
    NotSent,
    NumberRefused,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
)
from .limits import NOTHING
from .models import VerificationAttempt
from .phone import mask
from .providers.base import Answer, BaseProvider, load_provider
from .signals import attempt_finished
from .spelling import word
from .transactions import (
    in_own_transaction,
    outlive_connection,
    refuse_open_transaction,
    repeat_on_deadlock,
)
from .words import ERRORS_OF_THE_NUMBER, Alarm, AttemptStatus, Channel, ErrorCode

logger = logging.getLogger(__name__)

#: These are told to the operator.
ALARMING = frozenset(set(Alarm.values) & set(ErrorCode.values))

#: A price beyond this is a mistake, and not recorded.
MAX_PRICE = Decimal(10_000)


@sensitive_variables()
def dial(attempt_id: int) -> None:
    """Ask the provider for the attempt with this id, if nobody has asked yet.

    Returns when the answer is recorded; whatever the provider does raises nothing. A number is
    dialled once, even if a queue delivers the task twice, and not at all if it was blocked, or the
    price list forbids it, while the task waited.
    """
    attempts = VerificationAttempt.objects.select_related("verification__phone")
    attempt = attempts.filter(pk=attempt_id).first()
    if attempt is None:
        logger.warning("attempt=%s not dialled: purged meanwhile", attempt_id)
    elif _is_forbidden(attempt):
        logger.warning("attempt=%s not dialled: forbidden meanwhile", attempt_id)
        abandon(attempt)
    else:
        place(attempt)


@sensitive_variables()
def _is_forbidden(attempt: VerificationAttempt) -> bool:
    phone = attempt.verification.phone
    try:
        limits.estimate_price(phone.number, channel=attempt.channel, now=timezone.now())
    except (ChannelUnavailable, NumberRefused):
        return True
    return phone.blocked_at is not None


@sensitive_variables()
def place(attempt: VerificationAttempt) -> None:
    """Ask the provider for ``attempt``, as ``dial`` does."""
    provider = load_provider()
    code = _draw_code(attempt, provider=provider)
    # The intent with the digest of our own code is durable before the request: should the answer
    # be lost, the code can be checked all the same.
    # A decoy's is as durable as a call's would be, or an outage would tell them apart.
    digest = _digest(attempt, code) if attempt.channel in provider.own_code_channels else ""
    refuse_open_transaction(VerificationAttempt)
    this = VerificationAttempt.objects.filter(pk=attempt.pk)
    claim = partial(this.claim_dial, now=timezone.now(), code_digest=digest)
    if repeat_on_deadlock(claim):
        outcome = _ask(provider, attempt, code=code)
        try:
            _record(attempt, outcome=outcome)
        except Error as error:
            # The sweep finds the attempt; what was billed is found by the provider's id.
            _log_lost(attempt, outcome=outcome, error=error)
            return
        attempt_finished.send_robust(sender=VerificationAttempt, attempt=attempt)


def _draw_code(attempt: VerificationAttempt, *, provider: BaseProvider) -> str:
    if attempt.verification.is_decoy:
        # SECURITY: nobody can type this: a decoy is never approved, not even by luck.
        return secrets.token_hex()
    is_ours = attempt.channel in provider.own_code_channels
    return draw_code(attempt.code_length) if is_ours else ""


@sensitive_variables()
def _ask(
    provider: BaseProvider, attempt: VerificationAttempt, *, code: str
) -> Answer | ProviderError:
    try:
        return _order(provider, attempt, code=code)
    except ProviderError as error:
        return error
    except Exception as error:
        # A mistake in a provider is no reason to lose the record of a call that may have rung.
        # SECURITY: its name only, since its text may hold the number or the key.
        return OutcomeUnknown(type(error).__name__)


@sensitive_variables()
def _order(provider: BaseProvider, attempt: VerificationAttempt, *, code: str) -> Answer:
    if not attempt.is_wanted(now=timezone.now()):
        # A queue may be slow: no call is placed that could not be used.
        raise NotSent("nobody waits for it any more")
    if attempt.verification.is_decoy:
        # SECURITY: it takes as long, and fails as often, as a call: strangers hold a watch.
        with lines.idle_line(attempt.channel):
            echoes.repeat(attempt.channel)
        return Answer(id="decoy", price=NOTHING, code=code)
    with lines.line(attempt.channel, patience=provider.deadline), _heard(attempt.channel):
        answer = _call(provider, attempt, code=code)
        _refuse_unusable(answer, attempt, known=code or attempt.code_digest)
        return answer


@contextmanager
def _heard(channel: str) -> Iterator[None]:
    """Remember for decoys how long the provider takes, and how it fails."""
    began, failure = time.monotonic(), None
    try:
        yield
    except Exception as error:
        failure = error if isinstance(error, ProviderError) else OutcomeUnknown(str(type(error)))
        raise
    finally:
        echoes.note(channel, seconds=time.monotonic() - began, error=failure)


@sensitive_variables()
def _call(provider: BaseProvider, attempt: VerificationAttempt, *, code: str) -> Answer:
    number = attempt.verification.number
    if attempt.channel == Channel.SMS:
        return provider.sms(number, call_id=attempt.call_id, code=code)
    if attempt.channel == Channel.VOICE:
        return provider.voice(number, code=code)
    return provider.flash_call(number, length=attempt.code_length, code=code)


@sensitive_variables()
def _refuse_unusable(answer: Answer, attempt: VerificationAttempt, *, known: str) -> None:
    """See to it that nothing is *accepted* of which nobody could type the code."""
    if known and not answer.code:
        return
    if not is_code(answer.code, length=attempt.code_length):
        raise OutcomeUnknown(f"no code of {attempt.code_length} digits")


@sensitive_variables()
def _record(attempt: VerificationAttempt, *, outcome: Answer | ProviderError) -> None:
    fields = _fields(attempt, outcome=outcome)
    # The provider may have taken longer than the database keeps an idle connection.
    outlive_connection(partial(_keep, attempt, fields=fields), model=VerificationAttempt)
    for name, value in fields.items():
        setattr(attempt, name, value)
    _log(attempt, outcome=outcome)
    _alarm(attempt)


def _alarm(attempt: VerificationAttempt) -> None:
    if attempt.error_code in ALARMING:
        alarms.sound(attempt.error_code)
    price, foretold = attempt.price, attempt.reserved
    if price is not None and foretold is not None and price > foretold:
        alarms.sound(Alarm.PRICE, channel=attempt.channel, price=price, foretold=foretold)


@sensitive_variables()
def _fields(attempt: VerificationAttempt, *, outcome: Answer | ProviderError) -> dict[str, Any]:
    """Return what an outcome says about the attempt, its status first."""
    fields: dict[str, Any] = {"status": AttemptStatus.UNKNOWN, "answered_at": timezone.now()}
    if isinstance(outcome, Answer):
        fields |= {"status": AttemptStatus.ACCEPTED, "provider_id": word(outcome.id)}
        fields |= {"price": _price(outcome)}
        return fields | _code_fields(attempt, code=outcome.code)
    if isinstance(outcome, (ProviderRefused, NotSent)):
        # Nothing rang: no code of it counts, and nothing is reserved for it any more.
        fields |= {"status": AttemptStatus.REJECTED, "code_digest": "", "reserved": NOTHING}
        return fields | {"error_code": word(getattr(outcome, "error_code", ErrorCode.NOT_SENT))}
    return fields


def _price(answer: Answer) -> Decimal | None:
    """Return the price if it can be one: a reply that is wrong about money is right about codes."""
    price = answer.price
    if not isinstance(price, Decimal) or not price.is_finite():
        return None
    return price if 0 <= price <= MAX_PRICE else None


@sensitive_variables()
def _code_fields(attempt: VerificationAttempt, *, code: str) -> dict[str, Any]:
    return {"code_digest": _digest(attempt, code)} if code else {}


@sensitive_variables()
@in_own_transaction(VerificationAttempt)
def _keep(
    attempt: VerificationAttempt, *, fields: dict[str, Any], only: dict[str, Any] | None = None
) -> None:
    """Write the outcome down and settle its cost, in one short transaction."""
    this = VerificationAttempt.objects.filter(pk=attempt.pk, **(only or {}))
    if this.conclude(**fields):
        cost = _cost(attempt, fields=fields)
        limits.settle_site(attempt, price=cost)
        if attempt.reserved is not None and cost > attempt.reserved:
            limits.remember_bill(attempt, price=cost)


def _cost(attempt: VerificationAttempt, *, fields: dict[str, Any]) -> Decimal:
    """Return what is spent: the price, nothing for a refusal, else what was reserved."""
    price: Decimal | None = fields.get("price")
    reserved: Decimal | None = fields.get("reserved", attempt.reserved)
    return price if price is not None else reserved or NOTHING


def abandon(attempt: VerificationAttempt) -> None:
    """Record that nobody dials ``attempt``, unless somebody has begun to."""
    fields = _fields(attempt, outcome=NotSent("nobody dials"))
    _keep(attempt, fields=fields, only={"sent_at": None})


@sensitive_variables()
def _digest(attempt: VerificationAttempt, code: str) -> str:
    verification = attempt.verification
    return make_digest(code, number=verification.number, key=verification.key)


def _log(attempt: VerificationAttempt, *, outcome: Answer | ProviderError) -> None:
    no_price = "-" if attempt.price is not None else "no usable price"
    reason = word(outcome.reason) if isinstance(outcome, ProviderError) else no_price
    logger.log(
        _level(attempt, outcome=outcome),
        "attempt=%s channel=%s number=%s status=%s reason=%s",
        attempt.pk,
        attempt.channel,
        mask(attempt.verification.number),
        attempt.status,
        reason,
    )


def _log_lost(
    attempt: VerificationAttempt, *, outcome: Answer | ProviderError, error: Error
) -> None:
    logger.error(
        "attempt=%s channel=%s answer not recorded: %s id=%s price=%s reason=%s",
        attempt.pk,
        attempt.channel,
        type(error).__name__,
        word(outcome.id) if isinstance(outcome, Answer) else "-",
        outcome.price if isinstance(outcome, Answer) else "-",
        "-" if isinstance(outcome, Answer) else word(outcome.reason),
    )


def _level(attempt: VerificationAttempt, *, outcome: Answer | ProviderError) -> int:
    if isinstance(outcome, Answer):
        return logging.WARNING if attempt.price is None else logging.INFO
    if attempt.error_code in ERRORS_OF_THE_NUMBER:
        return logging.INFO
    return logging.ERROR
