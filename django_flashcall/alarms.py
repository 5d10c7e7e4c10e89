"""Alarms for operators: a signal, a log entry, and an email if the site wants one.

After an alarm, the same alarm does not sound for some time. Django's cache remembers this. If the
cache fails or is not shared, alarms sound more often, never less often.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.core.mail import mail_managers
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .choices import Alarm
from .clock import HOUR
from .conf import get_language, get_settings
from .signals import operator_alarm

logger = logging.getLogger(__name__)

#: When each alarm last sounded in this process.
sounded: dict[str, datetime] = {}

TEXTS: dict[str, str | Promise] = {
    Alarm.NOT_ENOUGH_MONEY: _("The provider places no calls: the account is out of money."),
    Alarm.AUTHORISATION_FAILED: _("The provider places no calls: the API key is not accepted."),
    Alarm.USER_DISABLED: _("The provider places no calls: the account is blocked."),
    Alarm.ANI_PHONE_NOT_VALID: _("The calling number is not registered with the provider."),
    Alarm.PRICE: _(
        "An attempt by %(channel)s cost %(price)s; the expected price was %(expected)s."
    ),
    Alarm.IMPLAUSIBLE_PRICE: _(
        "The provider billed %(price)s for an attempt by %(channel)s. This is not plausible, so "
        "only %(counted)s count towards DAILY_SPEND. Ask the provider, or correct the price list."
    ),
    Alarm.UNUSABLE_PRICE: _(
        "The provider named no usable price for an attempt by %(channel)s. The estimate of "
        "%(counted)s counts towards DAILY_SPEND. Ask the provider."
    ),
    Alarm.NO_PRICE: _(
        "The price list has no price for the channel %(channel)s. DAILY_SPEND is set, so the "
        "channel is not used. Add a price."
    ),
    Alarm.SPENDING: _(
        "Today's calls have used %(percent)d%% of DAILY_SPEND: %(counted).2f count, and "
        "%(billed).2f were billed or are reserved."
    ),
    Alarm.CONVERSION: _(
        "Only %(hour)d%% of the %(count)d verifications in the last hour were approved, compared "
        "with %(week)d%% in the last week."
    ),
    Alarm.ONE_ADDRESS: _(
        "All visitors seem to come from one private address, so per-address limits apply to all "
        "visitors together. Set RATELIMIT_IP_META_KEY to the header that your proxy sets."
    ),
    Alarm.NO_ADDRESS: _(
        "The address of a visitor is missing, malformed, or a list, so per-address limits do not "
        "apply to them. Set RATELIMIT_IP_META_KEY to a header with the client's address only, or "
        "to a function that returns it."
    ),
    Alarm.SIGN_UP_FAILED: _(
        "A code was right, but no user could be created: %(error)s. Run manage.py check, and see "
        "the log of django_flashcall.backends."
    ),
}


def sound(alarm: str, *, every: timedelta = HOUR, about: str = "", **params: Any) -> None:
    """Alert the operator, unless the same ``alarm`` and ``about`` sounded within ``every``."""
    if not _is_first(f"flashcall.alarm.{alarm}.{about}", every=every):
        return
    with translation.override(get_language()):  # the operator's language
        message = str(TEXTS[alarm] % params if params else TEXTS[alarm])
        subject = str(_("Phone login"))
    logger.error("alarm=%s %s", alarm, message)
    operator_alarm.send_robust(sender=Alarm, alarm=alarm, message=message, params=params)
    if get_settings().ALARM_MAILS:
        _mail(subject, message)


def _is_first(key: str, *, every: timedelta) -> bool:
    # Also kept in this process. A cache that fails or stores nothing must neither silence an alarm
    # nor repeat it all the time.
    now = timezone.now()
    if key in sounded and now - sounded[key] < every:
        return False
    if _sounded_elsewhere(key, every=every):
        return False
    sounded[key] = now
    return True


def _sounded_elsewhere(key: str, *, every: timedelta) -> bool:
    """Return whether another process has sounded this alarm; if not, claim it for this one."""
    try:
        is_new = cache.add(key, True, timeout=every.total_seconds())
        # Some caches return false on failure, so the key must also be readable.
        return not is_new and cache.get(key) is not None
    except Exception:
        return False  # each cache has its own errors


def _mail(subject: str, message: str) -> None:
    try:
        mail_managers(subject, message)
    except Exception as error:
        # A mail server that is down must not stop the visitor.
        logger.error("alarm not mailed: %s", type(error).__name__)
