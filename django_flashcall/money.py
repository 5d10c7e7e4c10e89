"""Money: the price list, the sums that are spent, and the units in which sums are claimed.

``models`` imports both tables, so Django finds them there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Model, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .choices import Channel
from .clock import DAY, day_of
from .conf import get_settings
from .databases import WrittenQuerySet
from .phone import mask_numbers

M = TypeVar("M", bound=Model)

NOTHING = Decimal(0)

#: Sums up to 99,999,999.9999 in ``FLASHCALL["CURRENCY"]``.
MONEY: dict[str, Any] = {"max_digits": 12, "decimal_places": 4}

#: Sums that are claimed are integers of this unit. SQLite stores decimals as binary floats, so
#: a cap of 3.50 would refuse the tenth call of 0.35.
UNIT = Decimal("0.0001")

#: A billed price above the listed one is expected again for this long.
BILL_LIFETIME = DAY

#: The largest price that the record can hold. A higher one is recorded as this.
MAX_PRICE = Decimal("99999999.9999")

#: One bill counts as at most this multiple of the listed price.
MAX_BILL_FACTOR = 10

#: A bill above the listed price takes at most ``DAILY_SPEND`` divided by this.
MIN_BILLS_A_DAY = 10

#: If the list has no price, or 0, ``DAILY_SPEND`` divided by this takes the place of the price.
UNLISTED_CALLS_A_DAY = 1000


def to_units(amount: Decimal) -> int:
    """Convert money to the integer units in which sums are claimed, rounding up."""
    return int(round_up(amount) / UNIT)


def round_up(amount: Decimal) -> Decimal:
    """Return ``amount`` rounded up to whole units, as the database stores it."""
    return amount.quantize(UNIT, rounding="ROUND_CEILING")


def countable(price: Decimal, *, listed: Decimal | None) -> Decimal:
    """Return how much of a billed ``price`` is plausible, and counts towards ``DAILY_SPEND``.

    ``listed`` is the price in the price list. It always counts.
    """
    listed, cap = listed or NOTHING, get_settings().DAILY_SPEND
    if cap is None:
        return min(price, MAX_BILL_FACTOR * listed or price)
    # SECURITY: without this limit, one mistaken bill could end all calls of a day.
    usual = listed or cap / UNLISTED_CALLS_A_DAY
    limit = min(MAX_BILL_FACTOR * usual, cap / MIN_BILLS_A_DAY)
    return min(price, max(listed, round_up(limit)))


class PriceQuerySet(WrittenQuerySet[M]):
    """Rows of the price list."""

    def matching(self, prefixes: Iterable[str], *, channel: str, now: datetime) -> PriceQuerySet[M]:
        """Filter the rows in force for these ``prefixes`` of a number, the newest of each last."""
        return self.filter(
            prefix__in=list(prefixes), channel__in=["", channel], valid_from__lte=now
        ).order_by("valid_from", "pk")


class UsageQuerySet(WrittenQuerySet[M]):
    """What shared limits have used."""

    def add(self, *, attempts: int, units: int, uncounted_units: int = 0) -> bool:
        """Add ``attempts``, ``units`` and ``uncounted_units`` in one statement."""
        changed = self.update(
            attempts=F("attempts") + attempts,
            units=F("units") + units,
            uncounted_units=F("uncounted_units") + uncounted_units,
        )
        return bool(changed)

    def claim(
        self,
        *,
        units: int = 0,
        max_attempts: int | None = None,
        max_units: int | None = None,
    ) -> bool:
        """Claim one attempt and ``units``; return whether both are within the limits."""
        within = self if max_attempts is None else self.filter(attempts__lt=max_attempts)
        within = within if max_units is None else within.filter(units__lte=max_units - units)
        return within.add(attempts=1, units=units)


class Price(models.Model):
    """What a call costs. Of the rows that match a number, the longest prefix gives the amount.

    A call is allowed only if no matching row in force forbids it. With ``allowed`` off, an empty
    prefix stops a channel, and an empty prefix with an empty channel stops everything.
    """

    channel = models.CharField(
        _("channel"),
        max_length=16,
        choices=Channel,
        blank=True,
        help_text=_("Leave empty for every channel."),
    )
    prefix = models.CharField(
        _("prefix"),
        max_length=15,
        blank=True,
        validators=[
            RegexValidator(r"^\+[0-9]+\Z", _("A prefix is a + and digits, such as +7999."))
        ],
        help_text=_("The beginning of the number, such as +7999. Leave empty for every number."),
    )
    amount = models.DecimalField(
        _("amount"),
        **MONEY,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("Leave empty to use the amount of a shorter prefix."),
    )
    billed = models.DecimalField(
        _("billed"),
        **MONEY,
        null=True,
        editable=False,
        help_text=_("The last price that the provider billed above the amount."),
    )
    billed_at = models.DateTimeField(_("billed at"), null=True, editable=False)
    allowed = models.BooleanField(_("allowed"), default=True)
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)

    objects = PriceQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"  # so that refreshes are read where they are written
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["prefix", "channel", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "prefix", "valid_from"], name="flashcall_price_unique"
            ),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gte=0), name="flashcall_price_amount"
            ),
        ]

    def __str__(self) -> str:
        channel = self.get_channel_display() if self.channel else _("every channel")
        # A prefix may be a whole number.
        return f"{mask_numbers(self.prefix) or _('every number')}, {channel}"

    def estimate(self, *, now: datetime) -> Decimal:
        """Return the amount, or a higher price that was billed within the last day.

        Of the billed price, only what is plausible is expected.
        """
        listed, billed = self.amount or NOTHING, self.billed or NOTHING
        is_recent = self.billed_at is not None and self.billed_at > now - BILL_LIFETIME
        return max(listed, countable(billed, listed=listed)) if is_recent else listed


class Usage(models.Model):
    """What a shared limit has used in one window; the empty scope is the day of the whole site.

    ``since`` is the start of the fixed window. ``units`` are 1/10000 of the currency, and count
    towards ``DAILY_SPEND``. ``uncounted_units`` were billed beyond what is plausible.
    """

    scope = models.CharField(_("scope"), max_length=16, blank=True)
    since = models.DateTimeField(_("since"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    units = models.PositiveBigIntegerField(_("units"), default=0)
    uncounted_units = models.PositiveBigIntegerField(_("units not counted"), default=0)

    objects = UsageQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"  # so that refreshes are read where they are written
        verbose_name = _("usage")
        verbose_name_plural = _("usage")
        ordering = ["-since", "scope"]
        constraints = [
            models.UniqueConstraint(fields=["scope", "since"], name="flashcall_usage_unique")
        ]

    def __str__(self) -> str:
        return f"{self.scope} {day_of(self.since).date()}".strip()

    @property
    def spent(self) -> Decimal:
        """The units as money: what counts towards ``DAILY_SPEND``."""
        return self.units * UNIT

    @property
    def billed(self) -> Decimal:
        """All that was billed or is reserved, as money, with what is not counted."""
        return (self.units + self.uncounted_units) * UNIT
