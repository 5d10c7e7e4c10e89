"""Outcomes: record the result of a call, and settle its cost."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import Error
from django.utils import timezone

from .. import alarms
from ..choices import NUMBER_ERRORS, Alarm, AttemptStatus, ErrorCode
from ..clock import DAY
from ..codes import make_digest
from ..conf import get_settings
from ..databases import in_own_transaction, outlive_connection
from ..exceptions import NotSent, ProviderError
from ..limits.prices import listed_price, pass_over_bill, remember_bill
from ..limits.shared import settle
from ..models import Price, VerificationAttempt
from ..money import MAX_PRICE, NOTHING, countable, round_up
from ..phone import mask, mask_numbers
from ..providers.base import Answer, UnusableAnswer
from ..querysets import AttemptQuerySet
from ..text import word

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


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one request to the provider.

    ``price`` is what the record can hold. ``billed`` is the price as the provider wrote it, for
    alarms, and ``reason`` is for the log.
    """

    status: str
    price: Decimal | None = None
    billed: str = ""
    provider_id: str = ""
    error_code: str = ""
    code: str = field(default="", repr=False)
    reason: str = "-"

    @classmethod
    def of_answer(cls, answer: Answer) -> Outcome:
        """Return the outcome of an accepted call.

        If the price is missing or unusable, the code is still used.
        """
        price = _usable_price(answer.price)
        return cls(
            status=AttemptStatus.ACCEPTED,
            price=price,
            billed="" if price is None else word(str(answer.price)),
            provider_id=word(answer.id),
            code=answer.code,
            reason="-" if price is not None else "no usable price",
        )

    @classmethod
    def of_unusable(cls, error: UnusableAnswer) -> Outcome:
        """Return the outcome of a call whose code cannot be entered. It may have been billed."""
        billed = cls.of_answer(error.answer)
        return replace(billed, status=error.status, code="", reason=word(error.reason))

    @classmethod
    def of_error(cls, error: ProviderError) -> Outcome:
        """Return the outcome of a call that was refused, not sent, or whose answer was lost."""
        # SECURITY: a provider may repeat the number in its error.
        return cls(
            status=error.status,
            error_code=mask_numbers(word(error.error_code)),
            reason=mask_numbers(word(error.reason)),
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
    _alert(attempt, billed=outcome.billed)
    return True


def conclude(attempt: VerificationAttempt, outcome: Outcome) -> bool:
    """Write ``outcome`` and settle the cost in one short transaction; return whether it was new."""
    row = _row_of_price(attempt, price=outcome.price)
    fields = _fields(attempt, outcome, row=row)
    is_new = _write(attempt, fields=fields, row=row)
    for name, value in fields.items():
        setattr(attempt, name, value)
    return is_new


def abandon(attempt: VerificationAttempt) -> None:
    """Record that ``attempt`` is not dialled, unless its dialling has begun."""
    fields = _fields(attempt, Outcome.of_error(NotSent("not dialled")), row=None)
    _write(attempt, fields=fields, sent_at=None)


@in_own_transaction(VerificationAttempt)
def _write(
    attempt: VerificationAttempt, *, fields: dict[str, Any], row: Price | None = None, **only: Any
) -> bool:
    these = VerificationAttempt.objects.filter(pk=attempt.pk, **only)
    if attempt.verification.is_decoy:
        return _write_decoy(attempt, these, fields=fields, row=row)
    if not these.conclude(**fields):
        return False
    price = _billed(attempt, fields=fields)
    _settle_bill(attempt, price=price, counted=fields.get("counted"), row=row)
    return True


def _write_decoy(
    attempt: VerificationAttempt,
    these: AttemptQuerySet[VerificationAttempt],
    *,
    fields: dict[str, Any],
    row: Price | None,
) -> bool:
    """Write the outcome of a decoy, and settle it at nothing with its first outcome only."""
    if these.filter(status=AttemptStatus.REQUESTED).conclude(**fields):
        _settle_bill(attempt, price=NOTHING, counted=None, row=row)
        return True
    return these.conclude(**fields)  # it was swept, which has settled it


def _settle_bill(
    attempt: VerificationAttempt, *, price: Decimal, counted: Decimal | None, row: Price | None
) -> None:
    """Settle the cost, and remember a price above the estimate in its row of the price list."""
    settle(attempt, price=price, counted=counted)
    if row is None:
        return
    if _is_above_estimate(attempt, price=price):
        remember_bill(attempt, row=row, price=price)
    else:
        pass_over_bill(row)


def _fields(attempt: VerificationAttempt, outcome: Outcome, *, row: Price | None) -> dict[str, Any]:
    """Return the fields of ``attempt`` that ``outcome`` changes."""
    fields = {"status": outcome.status, "answered_at": timezone.now()}
    if outcome.status == AttemptStatus.REJECTED:
        # No call was placed: no code is accepted, and nothing stays reserved.
        fields |= {"code_digest": "", "reserved": NOTHING}
        return fields | {"error_code": outcome.error_code}
    price = NOTHING if attempt.verification.is_decoy else outcome.price
    fields |= {"provider_id": outcome.provider_id, "price": price}
    fields |= {"counted": _counted(attempt, price=price, row=row)}
    return fields | _code_fields(attempt, code=outcome.code)


def _code_fields(attempt: VerificationAttempt, *, code: str) -> dict[str, Any]:
    return {"code_digest": digest_of(attempt, code)} if code else {}


def digest_of(attempt: VerificationAttempt, code: str) -> str:
    """Return the digest of ``code`` for ``attempt``."""
    verification = attempt.verification
    return make_digest(code, number=verification.number, key=verification.key)


def _billed(attempt: VerificationAttempt, *, fields: dict[str, Any]) -> Decimal:
    """Return what the attempt cost: its price, nothing if rejected, or what was reserved."""
    price: Decimal | None = fields.get("price")
    reserved: Decimal | None = fields.get("reserved", attempt.reserved)
    return price if price is not None else reserved or NOTHING


def _counted(
    attempt: VerificationAttempt, *, price: Decimal | None, row: Price | None
) -> Decimal | None:
    """Return how much of an implausible ``price`` counts, ``None`` if all of it does."""
    reserved = attempt.reserved or NOTHING
    if price is None or price <= reserved:
        return None
    counted = max(reserved, countable(price, listed=row.amount if row else None))
    return counted if counted < price else None


def _row_of_price(attempt: VerificationAttempt, *, price: Decimal | None) -> Price | None:
    """Return the row that remembers a price above the estimate."""
    # SECURITY: with sign-up off it is always read and updated. Otherwise a price above the estimate
    # would distinguish a call from a decoy.
    if get_settings().SIGN_UP and not _is_above_estimate(attempt, price=price):
        return None
    # Read before the transaction: on SQLite, a transaction must write before it reads.
    return listed_price(attempt)


def _is_above_estimate(attempt: VerificationAttempt, *, price: Decimal | None) -> bool:
    """Return whether there was an estimate, and more than that was billed."""
    return price is not None and attempt.reserved is not None and price > attempt.reserved


def _usable_price(price: object) -> Decimal | None:
    """Return ``price`` as the record can hold it, ``None`` if it is not a price at all."""
    if not isinstance(price, Decimal) or not price.is_finite() or price < 0:
        return None
    return abs(round_up(min(price, MAX_PRICE)))


def _alert(attempt: VerificationAttempt, *, billed: str) -> None:
    if attempt.error_code in ALARMING_ERRORS:
        alarms.sound(attempt.error_code)
    if attempt.status == AttemptStatus.ACCEPTED or billed:
        _alert_about_price(attempt, billed=billed)


def _alert_about_price(attempt: VerificationAttempt, *, billed: str) -> None:
    price, channel, counted = attempt.price, attempt.channel, attempt.spent
    if price is None and attempt.reserved is not None:
        alarms.sound(
            Alarm.UNUSABLE_PRICE, every=DAY, about=channel, channel=channel, counted=counted
        )
    elif attempt.counted is not None or price == MAX_PRICE:
        alarms.sound(
            Alarm.IMPLAUSIBLE_PRICE, about=channel, channel=channel, price=billed, counted=counted
        )
    elif _is_above_estimate(attempt, price=price):
        alarms.sound(
            Alarm.PRICE, about=channel, channel=channel, price=price, expected=attempt.reserved
        )


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
