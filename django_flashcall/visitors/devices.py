"""Trusted browsers: signed cookies remember which numbers were verified in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..clock import is_timestamp, moment_of, timestamp
from .cookies import delete_cookie, read_cookie, set_cookie

#: Each number has a cookie, so that two tabs do not overwrite each other's.
DEVICE_COOKIE = "flashcall_device_"
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

    A cookie that was changed or cannot be read does not count. A signed cookie may come from other
    settings or from another version of this package.
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
    set_cookie(response, _name(phone_id), [phone_id, timestamp()], max_age=TRUSTED_FOR)


def _stored(request: HttpRequest) -> list[Device]:
    names = [name for name in request.COOKIES if name.startswith(DEVICE_COOKIE)]
    # This site leaves at most a few too many, after two tabs. To read any number would be slow.
    devices = [_device(request, name) for name in names[: 2 * MAX_TRUSTED_NUMBERS]]
    return sorted(filter(None, devices), key=attrgetter("stamp"))


def _device(request: HttpRequest, name: str) -> Device | None:
    stored = read_cookie(request, name, max_age=TRUSTED_FOR)
    return Device(phone_id=stored[0], stamp=stored[1]) if _is_device(stored) else None


def _is_device(pair: Any) -> bool:
    """Return whether ``pair`` is the id of a number and a time; True is not the number 1."""
    is_pair = isinstance(pair, list) and len(pair) == 2
    return is_pair and type(pair[0]) is int and is_timestamp(pair[1])


def _name(phone_id: int) -> str:
    return f"{DEVICE_COOKIE}{phone_id}"
