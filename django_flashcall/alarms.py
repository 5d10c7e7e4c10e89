"""What the operator must hear of: by signal, in the log, and by mail if the site wants that.

Each alarm sounds once in a while, however often its reason occurs: who counts is Django's cache. If
that is dead, or not shared, an alarm sounds more often, and never too seldom.
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

from .conf import get_language, get_settings
from .signals import operator_alarm
from .words import Alarm

logger = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

#: When an alarm sounded last in this process.
sounded: dict[str, datetime] = {}

TEXTS: dict[str, str | Promise] = {
    Alarm.NOT_ENOUGH_MONEY: _("The provider places no calls: the account is out of money."),
    Alarm.AUTHORISATION_FAILED: _("The provider places no calls: the API key is not accepted."),
    Alarm.USER_DISABLED: _("The provider places no calls: the account is blocked."),
    Alarm.ANI_PHONE_NOT_VALID: _("The number to call from is not registered at the provider."),
    Alarm.PRICE: _("A call by %(channel)s cost %(price)s, %(foretold)s were foretold."),
    Alarm.NO_PRICE: _(
        "There is no price for the channel %(channel)s: with DAILY_SPEND set, it is not used. "
        "Enter one in the price list."
    ),
    Alarm.SPENDING: _("Today's calls have used %(percent)d %% of what may be spent."),
    Alarm.CONVERSION: _(
        "Of the last hour's %(count)d verifications %(hour)d %% were approved, of the week's "
        "%(week)d %%."
    ),
    Alarm.ONE_ADDRESS: _(
        "Every visitor seems to come from one private address: limits by address hold for all "
        "together. Set RATELIMIT_IP_META_KEY to what the proxy in front of the site tells."
    ),
}


def sound(alarm: str, *, every: timedelta = HOUR, about: str = "", **params: Any) -> None:
    """Tell the operator, unless that was done about the same less than ``every`` ago."""
    if not _is_first(f"flashcall.alarm.{alarm}.{about}", every=every):
        return
    with translation.override(get_language()):  # the operator's, whoever's request this is
        message = str(TEXTS[alarm] % params if params else TEXTS[alarm])
        subject = str(_("Phone login"))
    logger.error("alarm=%s %s", alarm, message)
    operator_alarm.send_robust(sender=Alarm, alarm=alarm, message=message, params=params)
    if get_settings().ALARM_MAILS:
        _mail(subject, message)


def _is_first(key: str, *, every: timedelta) -> bool:
    # Here too, since a cache may be dead, or keep nothing: it silences no alarm, and floods nobody.
    now = timezone.now()
    if key in sounded and now - sounded[key] < every:
        return False
    if _others_did(key, every=every):
        return False
    sounded[key] = now
    return True


def _others_did(key: str, *, every: timedelta) -> bool:
    """Tell whether another process has sounded this alarm, and say that this one does if not."""
    try:
        is_new = cache.add(key, True, timeout=every.total_seconds())
        # Some caches answer no where they fail: only what can be read back was there.
        return not is_new and cache.get(key) is not None
    except Exception:
        return False  # each cache has errors of its own


def _mail(subject: str, message: str) -> None:
    try:
        mail_managers(subject, message)
    except Exception as error:
        # A mail server that is down is no reason to lose the visitor.
        logger.error("alarm not mailed: %s", type(error).__name__)
