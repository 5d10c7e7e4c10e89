"""The door: who asks, how often they may knock, and which verifications their browser began.

Django-ratelimit counts in the cache, by address. It is an outer fence, never a promise: what is
promised is claimed in the database.
"""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django_ratelimit.core import get_usage

from . import alarms
from .conf import get_address, get_cookie_options, get_settings
from .exceptions import RateExceeded
from .words import Alarm

logger = logging.getLogger(__name__)

SESSION_KEY = "flashcall"

#: So many verifications a browser may have open in its tabs; the oldest is forgotten.
REMEMBERED = 5

#: With more, five of them would outgrow the 4 KB that a signed cookie may have.
LONGEST_URL = 500


#: The signed cookie of a browser in which a number was proved.
DEVICE_COOKIE = "flashcall_device"
TRUSTED_FOR = timedelta(days=180)

#: So many numbers are remembered of a browser, those proved last.
TRUSTED = 5

#: So many knocks in a row from one private address are a proxy, not a visitor.
SUSPICIOUS = 100


@dataclass(frozen=True, kw_only=True)
class Device:
    """A browser to one number that somebody has proved in it, and when that was."""

    key: UUID
    phone_id: int
    issued_at: datetime


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who asks: the address (empty if it is not known), the logged-in user, the browser for each
    number that was proved in it, the request.

    The request is there for Django's own signals, which want one.
    """

    address: str = ""
    user: AbstractBaseUser | None = None
    devices: tuple[Device, ...] = ()
    request: HttpRequest | None = field(default=None, repr=False, compare=False)


def visitor_of(request: HttpRequest) -> Visitor:
    """Turn ``request`` into a ``Visitor``."""
    user = getattr(request, "user", None)
    known = user if user is not None and user.is_authenticated else None
    return Visitor(
        address=client_address(request), user=known, devices=devices_of(request), request=request
    )


def devices_of(request: HttpRequest) -> tuple[Device, ...]:
    """Return which browser this is to each number that was proved in it, the latest last.

    That is nothing if somebody has changed its cookie.
    """
    try:
        told = signing.loads(
            request.COOKIES.get(DEVICE_COOKIE, ""), salt=DEVICE_COOKIE, max_age=TRUSTED_FOR
        )
        return tuple(
            Device(key=UUID(key), phone_id=phone_id, issued_at=datetime.fromisoformat(at))
            for key, phone_id, at in told
        )
    except (signing.BadSignature, ValueError, TypeError):
        return ()


def trust(request: HttpRequest, response: HttpResponseBase, *, phone_id: int) -> None:
    """Give this browser, in which somebody has just proved the number, quotas of its own.

    What strangers use up of the number's does not keep its owner out here then.
    """
    known = {device.phone_id: device for device in devices_of(request)}
    before = known.pop(phone_id, None)
    key = before.key if before else uuid4()
    now = Device(key=key, phone_id=phone_id, issued_at=timezone.now())
    latest = [*known.values(), now][-TRUSTED:]
    told = [(str(one.key), one.phone_id, one.issued_at.isoformat()) for one in latest]
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps(told, salt=DEVICE_COOKIE),
        max_age=TRUSTED_FOR,
        **get_cookie_options(),
        httponly=True,
        samesite="Lax",
    )


def client_address(request: HttpRequest) -> str:
    """Return the client's address as django-ratelimit is told to find it, empty if it is none."""
    try:
        # Without a zone, which a forged header may make as long as it likes.
        address = ipaddress.ip_address(get_address(request).strip().partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


class Arrivals:
    """Notices when everybody seems to come from one private address: a proxy nobody told us of."""

    def __init__(self) -> None:
        self.address, self.count = "-", 0

    def note(self, address: str) -> None:
        """Count how often in a row the same private address came."""
        # Without an address, as on a unix socket, all share one allowance as well.
        is_private = not address or not ipaddress.ip_address(address).is_global
        self.count = self.count + 1 if is_private and address == self.address else int(is_private)
        self.address = address
        if self.count >= SUSPICIOUS:
            alarms.sound(Alarm.ONE_ADDRESS, every=timedelta(days=1))


arrivals = Arrivals()


def admit(request: HttpRequest, *, door: str) -> None:
    """Count a knock at ``door`` (a key of ``RATES``); raise ``RateExceeded`` when too many."""
    arrivals.note(client_address(request))
    for rate in get_settings().RATES.get(door, ()):
        usage = _count(request, door=door, rate=rate)
        if usage and usage["should_limit"]:
            wait = timedelta(seconds=max(usage["time_left"], 1))
            raise RateExceeded(retry_at=timezone.now() + wait)


def remember(request: HttpRequest, key: UUID, *, next_url: str = "") -> None:
    """Bind the verification ``key`` to this browser, with where to go after it."""
    others = {other: url for other, url in _remembered(request).items() if other != str(key)}
    latest = list(others.items())[1 - REMEMBERED :]
    request.session[SESSION_KEY] = {**dict(latest), str(key): next_url}


def remembers(request: HttpRequest, key: UUID) -> bool:
    """Tell whether this browser began the verification ``key``."""
    return str(key) in _remembered(request)


def wanted_url(request: HttpRequest) -> str:
    """Return the page of this site that ``next`` names; empty for none, or for another site."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    # SECURITY: else a link to our login page would send the visitor anywhere afterwards.
    is_ours = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_ours and len(url) <= LONGEST_URL else ""


def next_url_of(request: HttpRequest, key: UUID) -> str:
    """Return where the visitor wanted to go; empty if nowhere."""
    return _remembered(request).get(str(key), "")


def way_to(url_name: str, *, next_url: str) -> str:
    """Return the address of a page of ours, from which the visitor goes on to ``next_url``."""
    query = f"?{urlencode({'next': next_url})}" if next_url else ""
    return f"{reverse(url_name)}{query}"


def remembered_keys(request: HttpRequest) -> list[str]:
    """Return the keys of this browser's verifications, the oldest first."""
    return list(_remembered(request))


def _remembered(request: HttpRequest) -> dict[str, str]:
    remembered: dict[str, str] = request.session.get(SESSION_KEY, {})
    return remembered


def _count(request: HttpRequest, *, door: str, rate: str) -> dict[str, Any] | None:
    try:
        usage: dict[str, Any] | None = get_usage(
            request, group=f"flashcall.{door}", key=_bucket, rate=rate, increment=True
        )
    except Exception as error:
        # A dead cache must not turn visitors away, and each cache has errors of its own. The
        # database still holds what was promised.
        _warn_uncounted(door, reason=type(error).__name__)
        return None
    # A cache that fails silently is told so by a time that lies in the past.
    if usage and usage["time_left"] < 0:
        _warn_uncounted(door, reason="the cache does not count")
        return None
    return usage


def _warn_uncounted(door: str, *, reason: str) -> None:
    logger.warning("door=%s uncounted: %s", door, reason)


def _bucket(group: str, request: HttpRequest) -> str:
    """Return what is counted: an address, of IPv6 the /64 that one household has.

    Django-ratelimit's own ``ip`` key puts all IPv4-mapped addresses into one bucket and fails on
    the empty address of a unix socket, which is a bucket here like any other.
    """
    address = client_address(request)
    if ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network((address, 64), strict=False))
