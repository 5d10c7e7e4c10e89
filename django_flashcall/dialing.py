"""Dialling: ask the provider for one attempt, and record what came of it."""

from __future__ import annotations

import logging
import secrets

from django.utils import timezone

from . import limits
from .codes import draw_code, make_digest
from .exceptions import NotSent, OutcomeUnknown, ProviderError, ProviderRefused
from .models import VerificationAttempt
from .phone import mask
from .providers.base import Answer, BaseProvider, load_provider
from .signals import attempt_finished
from .transactions import own_transaction, repeat_on_deadlock
from .words import ERRORS_OF_THE_NUMBER, Channel, ErrorCode

logger = logging.getLogger(__name__)


def dial(attempt_id: int) -> None:
    """Ask the provider for the attempt with this id, if nobody has asked yet.

    Returns when the answer is recorded; whatever the provider does raises nothing. A number is
    dialled once, even if a queue delivers the task twice.
    """
    attempt = VerificationAttempt.objects.select_related("verification__phone").get(pk=attempt_id)
    provider = load_provider()
    code = _draw_code(attempt, provider=provider)
    # The intent with the digest of our own code is durable before the request: should the answer
    # be lost, the code can be checked all the same.
    digest = _digest(attempt, code) if code else ""
    claimed = VerificationAttempt.objects.filter(pk=attempt_id).claim_dial(
        now=timezone.now(), code_digest=digest
    )
    if claimed:
        _record(attempt, outcome=_ask(provider, attempt, code=code))
        attempt_finished.send_robust(sender=VerificationAttempt, attempt=attempt)


def _draw_code(attempt: VerificationAttempt, *, provider: BaseProvider) -> str:
    if attempt.verification.is_decoy:
        # SECURITY: nobody can type this: a decoy is never approved, not even by luck.
        return secrets.token_hex()
    is_ours = attempt.channel in provider.own_code_channels
    return draw_code(attempt.code_length) if is_ours else ""


def _ask(
    provider: BaseProvider, attempt: VerificationAttempt, *, code: str
) -> Answer | ProviderError:
    try:
        return _place(provider, attempt, code=code)
    except ProviderError as error:
        return error
    except Exception as error:
        # A mistake in a provider is no reason to lose the record of a call that may have rung.
        # SECURITY: its name only, since its text may hold the number or the key.
        return OutcomeUnknown(type(error).__name__)


def _place(provider: BaseProvider, attempt: VerificationAttempt, *, code: str) -> Answer:
    number = attempt.verification.number
    if attempt.verification.is_decoy:
        return Answer(id="decoy", price=limits.NOTHING, code=code)
    if attempt.channel == Channel.SMS:
        return provider.sms(number, call_id=attempt.call_id, code=code)
    if attempt.channel == Channel.VOICE:
        return provider.voice(number, code=code)
    return provider.flash_call(number, length=attempt.code_length, code=code)


def _record(attempt: VerificationAttempt, *, outcome: Answer | ProviderError) -> None:
    if isinstance(outcome, Answer):
        repeat_on_deadlock(lambda: _accept(attempt, outcome))
    elif isinstance(outcome, ProviderRefused):
        repeat_on_deadlock(lambda: _reject(attempt, error_code=outcome.error_code))
    elif isinstance(outcome, NotSent):
        repeat_on_deadlock(lambda: _reject(attempt, error_code=ErrorCode.NOT_SENT))
    else:
        repeat_on_deadlock(lambda: _lose(attempt))
    attempt.refresh_from_db()
    _log(attempt, outcome=outcome)


def _accept(attempt: VerificationAttempt, answer: Answer) -> None:
    known = {"code_digest": _digest(attempt, answer.code)} if answer.code else {}
    with own_transaction(VerificationAttempt):
        accepted = VerificationAttempt.objects.filter(pk=attempt.pk).accept(
            now=timezone.now(), provider_id=answer.id, price=answer.price, **known
        )
        if accepted and answer.price is not None:
            limits.settle_site(attempt, price=answer.price)


def _reject(attempt: VerificationAttempt, *, error_code: str) -> None:
    with own_transaction(VerificationAttempt):
        rejected = VerificationAttempt.objects.filter(pk=attempt.pk).reject(
            now=timezone.now(), error_code=error_code
        )
        if rejected:
            limits.settle_site(attempt, price=limits.NOTHING)


def _lose(attempt: VerificationAttempt) -> None:
    with own_transaction(VerificationAttempt):
        VerificationAttempt.objects.filter(pk=attempt.pk).lose(now=timezone.now())


def _digest(attempt: VerificationAttempt, code: str) -> str:
    verification = attempt.verification
    return make_digest(code, number=verification.number, key=verification.key)


def _log(attempt: VerificationAttempt, *, outcome: Answer | ProviderError) -> None:
    reason = outcome.reason if isinstance(outcome, ProviderError) else "-"
    logger.log(
        _level(attempt, outcome=outcome),
        "attempt=%s channel=%s number=%s status=%s reason=%s",
        attempt.pk,
        attempt.channel,
        mask(attempt.verification.number),
        attempt.status,
        reason,
    )


def _level(attempt: VerificationAttempt, *, outcome: Answer | ProviderError) -> int:
    if isinstance(outcome, Answer):
        return logging.WARNING if outcome.price is None else logging.INFO
    if attempt.error_code in ERRORS_OF_THE_NUMBER:
        return logging.INFO
    return logging.ERROR
