"""Trusted browsers: a signed cookie remembers which numbers were verified in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..clock import is_timestamp, moment_of, timestamp
from ..conf import get_cookie_options

DEVICE_COOKIE = "flashcall_device"
TRUSTED_FOR = timedelta(days=180)

#: A browser is trusted with at most this many numbers, the last ones verified.
MAX_TRUSTED_NUMBERS = 5


@dataclass(frozen=True, kw_only=True)
class Device:
    """A browser in which the number ``phone_id`` was verified at ``stamp``, a timestamp."""

    phone_id: int
    stamp: float

    @property
    def issued_at(self) -> datetime:
        """When the number was verified, as the site stores times."""
        return moment_of(self.stamp)


def devices_of(request: HttpRequest) -> tuple[Device, ...]:
    """Return the numbers that this browser is trusted with, the latest last.

    What was changed or cannot be read is left out. A signed cookie may come from other settings
    or from another version of this package.
    """
    try:
        stored = signing.loads(
            request.COOKIES.get(DEVICE_COOKIE, ""), salt=DEVICE_COOKIE, max_age=TRUSTED_FOR
        )
    except (signing.BadSignature, ValueError):
        return ()
    pairs = stored if isinstance(stored, list) else []
    return tuple(
        Device(phone_id=pair[0], stamp=pair[1])
        for pair in pairs[-MAX_TRUSTED_NUMBERS:]
        if _is_device(pair)
    )


def trust(request: HttpRequest, response: HttpResponseBase, *, phone_id: int) -> None:
    """Trust this browser with the number that was just verified in it.

    A trusted browser has cooldowns and quotas of its own, so strangers who use up those of the
    number do not lock out its owner.
    """
    others = [device for device in devices_of(request) if device.phone_id != phone_id]
    latest = [*others, Device(phone_id=phone_id, stamp=timestamp())][-MAX_TRUSTED_NUMBERS:]
    stored = [(device.phone_id, device.stamp) for device in latest]
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps(stored, salt=DEVICE_COOKIE),
        max_age=TRUSTED_FOR,
        **get_cookie_options(),
        httponly=True,
        samesite="Lax",
    )


def _is_device(pair: Any) -> bool:
    """Return whether ``pair`` is the id of a number and a time; True is not the number 1."""
    is_pair = isinstance(pair, list) and len(pair) == 2
    return is_pair and type(pair[0]) is int and is_timestamp(pair[1])
