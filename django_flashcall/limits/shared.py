"""Shared limits: attempts per block and hour, and attempts and spending per day."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from .. import alarms
from ..choices import Alarm
from ..clock import DAY, HOUR, day_of, hour_of
from ..conf import get_settings
from ..exceptions import BlockLimitReached, LimitReached
from ..models import VerificationAttempt
from ..money import NOTHING, UNIT, to_units
from .rows import Spending, block_hour, site_day

#: Percentages of ``DAILY_SPEND`` at which the operator is warned.
WARNING_LEVELS = (100, 80, 50)


def claim_shared(
    number: str, *, estimate: Decimal | None, now: datetime, is_trusted: bool = False
) -> None:
    """Claim a call in its block's hour and the site's day, inside the caller's transaction.

    The limit of the block does not apply to trusted browsers. Raises ``LimitReached``, after which
    the transaction must roll back.
    """
    config = get_settings()
    # Every call needs the row of the day, so it is locked last, for the shortest time.
    hour = block_hour(number, now=now)
    if not is_trusted and not hour.claim(max_attempts=config.BLOCK_HOURLY_ATTEMPTS):
        raise BlockLimitReached(retry_at=hour_of(now) + HOUR)
    claimed = site_day(now).claim(
        units=to_units(estimate or NOTHING),
        max_attempts=config.SITE_DAILY_ATTEMPTS,
        max_units=None if config.DAILY_SPEND is None else to_units(config.DAILY_SPEND),
    )
    if not claimed:
        # One hour more, since the clocks may go back on this day.
        raise LimitReached(retry_at=day_of(day_of(now) + DAY + HOUR))


def settle(attempt: VerificationAttempt, *, price: Decimal, counted: Decimal | None = None) -> None:
    """Replace what was reserved for ``attempt`` with ``price``, on the day of the reservation.

    Only ``counted`` of it counts towards ``DAILY_SPEND``, or all of it if that is ``None``.
    """
    billed, spent = to_units(price), to_units(price if counted is None else counted)
    units = spent - to_units(attempt.reserved or NOTHING)
    # SECURITY: with sign-up off the statement always runs. Otherwise the timing would distinguish a
    # decoy, which is settled at nothing, from a call whose price is its estimate.
    if units or billed > spent or not get_settings().SIGN_UP:
        day = site_day(attempt.created_at)
        day.add(attempts=0, units=units, uncounted_units=billed - spent)


def watch_spending(spent: Spending, *, estimate: Decimal | None, now: datetime) -> None:
    """Warn the operator at 50%, 80% and 100% of ``DAILY_SPEND``.

    ``spent`` was read before the call was claimed, so with parallel calls the warning may come one
    call late.
    """
    cap = get_settings().DAILY_SPEND
    if cap is None:
        return
    used = spent.units + to_units(estimate or NOTHING)
    percent = next((at for at in WARNING_LEVELS if 100 * used >= at * to_units(cap)), None)
    if percent is not None:
        alarms.sound(
            Alarm.SPENDING,
            every=DAY,
            about=f"{day_of(now).date()}.{percent}.{cap}",
            percent=percent,
            counted=used * UNIT,
            billed=(used + spent.uncounted_units) * UNIT,
        )
