"""Trusted browsers: a signed cookie remembers which numbers were verified in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from ..conf import get_cookie_options

DEVICE_COOKIE = "flashcall_device"
TRUSTED_FOR = timedelta(days=180)

#: A browser is trusted with at most this many numbers, the last ones verified.
MAX_TRUSTED_NUMBERS = 5


@dataclass(frozen=True, kw_only=True)
class Device:
    """A browser in which the number ``phone_id`` was verified at ``issued_at``."""

    phone_id: int
    issued_at: datetime


def devices_of(request: HttpRequest) -> tuple[Device, ...]:
    """Return the numbers that this browser is trusted with, the latest last.

    Returns nothing if the cookie was changed or cannot be read.
    """
    try:
        stored = signing.loads(
            request.COOKIES.get(DEVICE_COOKIE, ""), salt=DEVICE_COOKIE, max_age=TRUSTED_FOR
        )
        return tuple(
            Device(phone_id=phone_id, issued_at=datetime.fromisoformat(issued_at))
            for phone_id, issued_at in stored
        )
    except (signing.BadSignature, ValueError, TypeError):
        return ()


def trust(request: HttpRequest, response: HttpResponseBase, *, phone_id: int) -> None:
    """Trust this browser with the number that was just verified in it.

    A trusted browser has cooldowns and quotas of its own, so strangers who use up those of the
    number do not lock out its owner.
    """
    others = [device for device in devices_of(request) if device.phone_id != phone_id]
    latest = [*others, Device(phone_id=phone_id, issued_at=timezone.now())][-MAX_TRUSTED_NUMBERS:]
    stored = [(device.phone_id, device.issued_at.isoformat()) for device in latest]
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps(stored, salt=DEVICE_COOKIE),
        max_age=TRUSTED_FOR,
        **get_cookie_options(),
        httponly=True,
        samesite="Lax",
    )
