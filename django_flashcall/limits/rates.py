"""Per-address limits, counted by django-ratelimit in the cache.

They protect against floods but are not exact. The exact limits are claimed in the database.
"""

from __future__ import annotations

import ipaddress
import logging
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django_ratelimit.core import get_usage

from .. import alarms
from ..choices import Alarm
from ..clock import DAY
from ..conf import get_settings
from ..exceptions import RateExceeded
from ..visitors.visitor import client_address

logger = logging.getLogger(__name__)

#: After this many requests in a row from one private address, an unconfigured proxy is assumed.
PROXY_THRESHOLD = 100

#: The prefix length of the IPv6 network that one customer of a carrier usually has.
IPV6_PREFIX = 64


class PrivateAddressCounter:
    """Detects whether all visitors share one private address, as behind an unconfigured proxy."""

    def __init__(self) -> None:
        self.address, self.count = "-", 0

    def count_request(self, address: str) -> None:
        """Count how many requests in a row came from the same private address."""
        is_private = not ipaddress.ip_address(address).is_global
        self.count = self.count + 1 if is_private and address == self.address else int(is_private)
        self.address = address
        if self.count >= PROXY_THRESHOLD:
            alarms.sound(Alarm.ONE_ADDRESS, every=DAY)


private_addresses = PrivateAddressCounter()


def enforce_rate(request: HttpRequest, *, action: str) -> None:
    """Count a request for ``action``, a key of ``RATES``; raise ``RateExceeded`` if too many.

    A request without an address is not counted, since strangers would share its limit. The limits
    in the database still apply to it.
    """
    address = client_address(request)
    if not address:
        alarms.sound(Alarm.NO_ADDRESS, every=DAY)
        return
    private_addresses.count_request(address)
    for rate in get_settings().RATES.get(action, ()):
        usage = _count(request, action=action, rate=rate)
        if usage and usage["should_limit"]:
            wait = timedelta(seconds=max(usage["time_left"], 1))
            raise RateExceeded(retry_at=timezone.now() + wait)


def _count(request: HttpRequest, *, action: str, rate: str) -> dict[str, Any] | None:
    try:
        usage: dict[str, Any] | None = get_usage(
            request, group=f"flashcall.{action}", key=_bucket, rate=rate, increment=True
        )
    except Exception as error:
        # Each cache has its own errors. A broken cache must not keep visitors out, and the limits
        # in the database still apply.
        _warn_uncounted(action, reason=type(error).__name__)
        return None
    # For a cache that fails silently, django-ratelimit returns a time in the past.
    if usage and usage["time_left"] < 0:
        _warn_uncounted(action, reason="the cache does not count")
        return None
    return usage


def _warn_uncounted(action: str, *, reason: str) -> None:
    logger.warning("action=%s not counted: %s", action, reason)


def _bucket(group: str, request: HttpRequest) -> str:
    """Return what is counted: an IPv4 address, or the /64 network of an IPv6 address.

    Django-ratelimit's own ``ip`` key puts all IPv4-mapped addresses into one bucket.
    """
    address = client_address(request)
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
