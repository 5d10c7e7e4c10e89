"""Alarms for operators: a signal, a log entry, and an email if the site wants one.

An alarm is repeated only after some time, which is kept in Django's cache. If the cache fails or is
not shared, an alarm is repeated more often, never less often.
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
    Alarm.ANI_PHONE_NOT_VALID: _("The number to call from is not registered at the provider."),
    Alarm.PRICE: _("A call by %(channel)s cost %(price)s; the price list expects %(expected)s."),
    Alarm.NO_PRICE: _(
        "The price list has no price for the channel %(channel)s. DAILY_SPEND is set, so the "
        "channel is not used. Add a price."
    ),
    Alarm.SPENDING: _("Today's calls have used %(percent)d %% of DAILY_SPEND."),
    Alarm.CONVERSION: _(
        "%(hour)d %% of the %(count)d verifications in the last hour were approved; in the last "
        "week it was %(week)d %%."
    ),
    Alarm.ONE_ADDRESS: _(
        "All visitors seem to come from one private address, so per-address limits apply to all "
        "visitors together. Set RATELIMIT_IP_META_KEY to the header that your proxy sets."
    ),
}


def sound(alarm: str, *, every: timedelta = HOUR, about: str = "", **params: Any) -> None:
    """Alert the operator, unless the alarm ``about`` the same sounded within ``every``."""
    if not _is_first(f"flashcall.alarm.{alarm}.{about}", every=every):
        return
    with translation.override(get_language()):  # the operator's, not the visitor's
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
        # Some caches return false on failure. Only a key that can be read was there.
        return not is_new and cache.get(key) is not None
    except Exception:
        return False  # each cache has its own errors


def _mail(subject: str, message: str) -> None:
    try:
        mail_managers(subject, message)
    except Exception as error:
        # The visitor can go on if the mail server is down.
        logger.error("alarm not mailed: %s", type(error).__name__)
