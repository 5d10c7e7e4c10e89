"""Outcomes: record the result of a call, and settle its cost."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import Error
from django.utils import timezone

from .. import alarms
from ..choices import NUMBER_ERRORS, Alarm, AttemptStatus, ErrorCode
from ..codes import make_digest
from ..conf import get_settings
from ..exceptions import NotSent, ProviderError
from ..limits.prices import pass_over_bill, remember_bill
from ..limits.shared import settle
from ..models import VerificationAttempt
from ..money import NOTHING
from ..phone import mask
from ..providers.base import Answer
from ..querysets import AttemptQuerySet
from ..text import word
from ..transactions import in_own_transaction, outlive_connection

logger = logging.getLogger(__name__)

#: The operator is alerted to these errors of the provider.
ALARMING_ERRORS = frozenset(
    {
        ErrorCode.NOT_ENOUGH_MONEY,
        ErrorCode.AUTHORISATION_FAILED,
        ErrorCode.USER_DISABLED,
        ErrorCode.ANI_PHONE_NOT_VALID,
    }
)

#: A higher price is a mistake and is not recorded.
MAX_PRICE = Decimal(10_000)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one request to the provider. ``reason`` is for the log."""

    status: str
    price: Decimal | None = None
    provider_id: str = ""
    error_code: str = ""
    code: str = field(default="", repr=False)
    reason: str = "-"

    @classmethod
    def of_answer(cls, answer: Answer) -> Outcome:
        """Return the outcome of an accepted call.

        If the price is missing or implausible, the code is still used.
        """
        price = _plausible_price(answer.price)
        return cls(
            status=AttemptStatus.ACCEPTED,
            price=price,
            provider_id=word(answer.id),
            code=answer.code,
            reason="-" if price is not None else "no usable price",
        )

    @classmethod
    def of_error(cls, error: ProviderError) -> Outcome:
        """Return the outcome of a call that was refused, not sent, or whose answer was lost."""
        return cls(
            status=error.status, error_code=word(error.error_code), reason=word(error.reason)
        )

    @property
    def log_level(self) -> int:
        """The level at which the outcome is logged."""
        if self.status == AttemptStatus.ACCEPTED:
            return logging.INFO if self.price is not None else logging.WARNING
        return logging.INFO if self.error_code in NUMBER_ERRORS else logging.ERROR


#: The answer did not arrive in time, and can no longer arrive.
LOST = Outcome(status=AttemptStatus.UNKNOWN, reason="no answer")


def record(attempt: VerificationAttempt, outcome: Outcome) -> bool:
    """Record ``outcome`` after the provider answered; return whether it was saved.

    ``attempt`` is updated as well. If nothing was saved, the sweep concludes the attempt later.
    """
    try:
        # The provider may take longer than the database keeps an idle connection.
        outlive_connection(partial(conclude, attempt, outcome), model=VerificationAttempt)
    except Error as error:
        _log_lost(attempt, outcome, error=error)
        return False
    _log(attempt, outcome)
    _alert(attempt)
    return True


def conclude(attempt: VerificationAttempt, outcome: Outcome) -> bool:
    """Write ``outcome`` and settle the cost in one short transaction; return whether it was new."""
    fields = _fields(attempt, outcome)
    is_new = _write(attempt, fields=fields)
    for name, value in fields.items():
        setattr(attempt, name, value)
    return is_new


def abandon(attempt: VerificationAttempt) -> None:
    """Record that ``attempt`` is not dialled, unless its dialling has begun."""
    fields = _fields(attempt, Outcome.of_error(NotSent("not dialled")))
    _write(attempt, fields=fields, sent_at=None)


@in_own_transaction(VerificationAttempt)
def _write(attempt: VerificationAttempt, *, fields: dict[str, Any], **only: Any) -> bool:
    these = VerificationAttempt.objects.filter(pk=attempt.pk, **only)
    if attempt.verification.is_decoy:
        return _write_decoy(attempt, these, fields=fields)
    if not these.conclude(**fields):
        return False
    spent = _spent(attempt, fields=fields)
    _settle_bill(attempt, price=spent)
    return True


def _write_decoy(
    attempt: VerificationAttempt,
    these: AttemptQuerySet[VerificationAttempt],
    *,
    fields: dict[str, Any],
) -> bool:
    """Write the outcome of a decoy, and settle it at nothing with its first outcome only."""
    if these.filter(status=AttemptStatus.REQUESTED).conclude(**fields):
        _settle_bill(attempt, price=NOTHING)
        return True
    return these.conclude(**fields)  # it was swept, which has settled it


def _settle_bill(attempt: VerificationAttempt, *, price: Decimal) -> None:
    """Settle the cost, and remember a price above the estimate."""
    settle(attempt, price=price)
    if attempt.reserved is not None and price > attempt.reserved:
        remember_bill(attempt, price=price)
    elif not get_settings().SIGN_UP:
        # SECURITY: otherwise a price above the estimate would distinguish a call from a decoy.
        pass_over_bill(attempt)


def _fields(attempt: VerificationAttempt, outcome: Outcome) -> dict[str, Any]:
    """Return the fields of ``attempt`` that ``outcome`` changes."""
    fields = {"status": outcome.status, "answered_at": timezone.now()}
    if outcome.status == AttemptStatus.ACCEPTED:
        fields |= {"provider_id": outcome.provider_id, "price": outcome.price}
        return fields | _code_fields(attempt, code=outcome.code)
    if outcome.status == AttemptStatus.REJECTED:
        # No call was placed: no code is accepted, and nothing stays reserved.
        fields |= {"code_digest": "", "reserved": NOTHING}
        return fields | {"error_code": outcome.error_code}
    return fields | ({"price": NOTHING} if attempt.verification.is_decoy else {})


def _code_fields(attempt: VerificationAttempt, *, code: str) -> dict[str, Any]:
    return {"code_digest": digest_of(attempt, code)} if code else {}


def digest_of(attempt: VerificationAttempt, code: str) -> str:
    """Return the digest of ``code`` for ``attempt``."""
    verification = attempt.verification
    return make_digest(code, number=verification.number, key=verification.key)


def _spent(attempt: VerificationAttempt, *, fields: dict[str, Any]) -> Decimal:
    """Return what the attempt cost: its price, nothing if rejected, or what was reserved."""
    price: Decimal | None = fields.get("price")
    reserved: Decimal | None = fields.get("reserved", attempt.reserved)
    return price if price is not None else reserved or NOTHING


def _plausible_price(price: object) -> Decimal | None:
    if not isinstance(price, Decimal) or not price.is_finite():
        return None
    return price if 0 <= price <= MAX_PRICE else None


def _alert(attempt: VerificationAttempt) -> None:
    if attempt.error_code in ALARMING_ERRORS:
        alarms.sound(attempt.error_code)
    price, expected = attempt.price, attempt.reserved
    if price is not None and expected is not None and price > expected:
        alarms.sound(Alarm.PRICE, channel=attempt.channel, price=price, expected=expected)


def _log(attempt: VerificationAttempt, outcome: Outcome) -> None:
    logger.log(
        outcome.log_level,
        "attempt=%s channel=%s number=%s status=%s reason=%s",
        attempt.pk,
        attempt.channel,
        mask(attempt.verification.number),
        outcome.status,
        outcome.reason,
    )


def _log_lost(attempt: VerificationAttempt, outcome: Outcome, *, error: Error) -> None:
    """Log what is needed to find the call in the provider's own record."""
    logger.error(
        "attempt=%s channel=%s answer not recorded: %s id=%s price=%s reason=%s",
        attempt.pk,
        attempt.channel,
        type(error).__name__,
        outcome.provider_id or "-",
        "-" if outcome.price is None else outcome.price,
        outcome.reason,
    )
