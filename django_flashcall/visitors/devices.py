"""Trusted browsers: signed cookies remember which numbers were verified in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from .cookies import delete_cookie, read_cookie, set_cookie

#: Each number has a cookie, so that two tabs do not overwrite each other's.
DEVICE_COOKIE = "flashcall_device_"
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

    A cookie that was changed or cannot be read does not count.
    """
    return tuple(_stored(request)[-MAX_TRUSTED_NUMBERS:])


def trust(request: HttpRequest, response: HttpResponseBase, *, phone_id: int) -> None:
    """Trust this browser with the number that was just verified in it.

    A trusted browser has cooldowns and quotas of its own, so strangers who use up those of the
    number do not lock out its owner.
    """
    others = [device for device in _stored(request) if device.phone_id != phone_id]
    for device in others[: 1 - MAX_TRUSTED_NUMBERS]:
        delete_cookie(response, _name(device.phone_id))
    issued_at = timezone.now().isoformat()
    set_cookie(response, _name(phone_id), [phone_id, issued_at], max_age=TRUSTED_FOR)


def _stored(request: HttpRequest) -> list[Device]:
    names = [name for name in request.COOKIES if name.startswith(DEVICE_COOKIE)]
    # This site leaves at most a few too many, after two tabs. To read any number would be slow.
    devices = [_device(request, name) for name in names[: 2 * MAX_TRUSTED_NUMBERS]]
    return sorted(filter(None, devices), key=attrgetter("issued_at"))


def _device(request: HttpRequest, name: str) -> Device | None:
    try:
        phone_id, issued_at = read_cookie(request, name, max_age=TRUSTED_FOR)
        return Device(phone_id=phone_id, issued_at=datetime.fromisoformat(issued_at))
    except (ValueError, TypeError):
        return None


def _name(phone_id: int) -> str:
    return f"{DEVICE_COOKIE}{phone_id}"
