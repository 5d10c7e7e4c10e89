"""Dialling: ask the provider for one attempt, and record the outcome."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from ..choices import Channel
from ..codes import draw_code, is_code, is_excluded
from ..conf import get_dialer
from ..databases import refuse_open_transaction, repeat_on_deadlock
from ..exceptions import ChannelUnavailable, NotSent, NumberRefused, OutcomeUnknown, ProviderError
from ..limits import breaker
from ..limits.prices import estimate_price
from ..models import VerificationAttempt
from ..providers.base import Answer, BaseProvider, UnusableAnswer, load_provider
from ..signals import attempt_finished
from . import decoys
from .outcomes import Outcome, abandon, digest_of, record

logger = logging.getLogger(__name__)


@contextmanager
def ready_to_dial(*, now: datetime) -> Iterator[None]:
    """Reserve a concurrent call if this thread will dial; workers of a queue reserve their own."""
    if get_dialer() is not dial:
        yield
        return
    with breaker.reserve_slot(now=now):
        yield


def request_call(attempt: VerificationAttempt) -> None:
    """Pass ``attempt`` to ``FLASHCALL["DIALER"]``, which dials at once or through a queue."""
    dialer = get_dialer()
    try:
        if dialer is dial:
            place(attempt)  # its row need not be read again
        else:
            dialer(attempt.pk)
    except Exception as error:
        # If the queue is down, the page tells the visitor what else they can do.
        logger.error("attempt=%s not dialled: %s", attempt.pk, type(error).__name__)
        abandon(attempt)


@sensitive_variables()
def dial(attempt_id: int) -> None:
    """Ask the provider for the attempt with this id, unless it was already dialled.

    Returns when the answer is recorded. Errors of the provider are recorded and not raised. A task
    that a queue delivers twice dials once. Nothing is dialled if the number was blocked, or the
    price list forbids the call, while the task waited.
    """
    attempts = VerificationAttempt.objects.select_related("verification__phone")
    attempt = attempts.filter(pk=attempt_id).first()
    if attempt is None:
        logger.warning("attempt=%s not dialled: it was purged", attempt_id)
    elif _is_forbidden(attempt):
        logger.warning("attempt=%s not dialled: it was forbidden", attempt_id)
        abandon(attempt)
    else:
        place(attempt)


@sensitive_variables()
def place(attempt: VerificationAttempt) -> None:
    """Ask the provider for ``attempt``, as ``dial()`` does."""
    provider = load_provider()
    code = _draw_code(attempt, provider=provider)
    if not _claim(attempt, provider=provider, code=code):
        return  # it was already dialled
    if record(attempt, _ask(provider, attempt, code=code)):
        attempt_finished.send_robust(sender=VerificationAttempt, attempt=attempt)


def _is_forbidden(attempt: VerificationAttempt) -> bool:
    phone = attempt.verification.phone
    try:
        estimate_price(phone.number, channel=attempt.channel, now=timezone.now())
    except (ChannelUnavailable, NumberRefused):
        return True
    return phone.blocked_at is not None


def _draw_code(attempt: VerificationAttempt, *, provider: BaseProvider) -> str:
    if attempt.verification.is_decoy:
        # SECURITY: nobody can enter this code, so a decoy is never approved, not even by chance.
        return secrets.token_hex()
    is_ours = attempt.channel in provider.own_code_channels
    return draw_code(attempt.code_length, number=attempt.verification.number) if is_ours else ""


def _claim(attempt: VerificationAttempt, *, provider: BaseProvider, code: str) -> bool:
    """Claim the request and store the digest of our own code; return whether it was unclaimed.

    The digest is stored before the request, so the code can be checked even if the answer is lost.
    A decoy stores its own for the same channels, so that an outage does not reveal it.
    """
    refuse_open_transaction(VerificationAttempt)
    is_ours = attempt.channel in provider.own_code_channels
    digest = digest_of(attempt, code) if is_ours else ""
    this = VerificationAttempt.objects.filter(pk=attempt.pk)
    return repeat_on_deadlock(partial(this.claim_dial, now=timezone.now(), code_digest=digest))


def _ask(provider: BaseProvider, attempt: VerificationAttempt, *, code: str) -> Outcome:
    try:
        return Outcome.of_answer(_call(provider, attempt, code=code))
    except UnusableAnswer as error:
        return Outcome.of_unusable(error)
    except ProviderError as error:
        return Outcome.of_error(error)
    except Exception as error:
        # After any error of a provider, the call may have been placed, so it is recorded.
        # SECURITY: only the name of the error, since its text may contain the number or the key.
        return Outcome.of_error(OutcomeUnknown(type(error).__name__))


def _call(provider: BaseProvider, attempt: VerificationAttempt, *, code: str) -> Answer:
    channel = attempt.channel
    if not attempt.is_wanted(now=timezone.now()):
        # A queue may be slow. A call whose code can no longer be used is not placed.
        raise NotSent("the verification has ended")
    if attempt.verification.is_decoy:
        with breaker.decoy_slot(channel, patience=provider.deadline):
            return decoys.imitate(channel, code=code)
    with breaker.slot(channel, patience=provider.deadline):
        answer = decoys.observe(channel, partial(_usable_answer, provider, attempt, code=code))
    # Outside the slot: it is chance, and no failure of the provider.
    if answer.code and is_excluded(answer.code, number=attempt.verification.number):
        raise UnusableAnswer("the code is one that is never accepted", answer)
    return answer


def _usable_answer(provider: BaseProvider, attempt: VerificationAttempt, *, code: str) -> Answer:
    """Return the answer of the provider; raise ``UnusableAnswer`` if its code cannot be entered."""
    answer = _request(provider, attempt, code=code)
    _refuse_unusable(answer, attempt, known=code or attempt.code_digest)
    return answer


def _request(provider: BaseProvider, attempt: VerificationAttempt, *, code: str) -> Answer:
    number = attempt.verification.number
    if attempt.channel == Channel.SMS:
        return provider.sms(number, call_id=attempt.call_id, code=code)
    if attempt.channel == Channel.VOICE:
        return provider.voice(number, code=code)
    return provider.flash_call(number, length=attempt.code_length, code=code)


def _refuse_unusable(answer: Answer, attempt: VerificationAttempt, *, known: str) -> None:
    """Ensure that a call is only *accepted* if its code can be entered."""
    if known and not answer.code:
        return
    if not is_code(answer.code, length=attempt.code_length):
        raise UnusableAnswer(f"no code of {attempt.code_length} digits", answer)
