"""The visitor: what services need to know about a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from ..conf import get_address
from .addresses import read_address
from .browsers import browser_of
from .devices import Device, devices_of


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """The person who asks for a call or enters a code.

    ``address`` is empty if it is not known. ``browser`` is the only one in which a verification
    can be finished, and ``devices`` are the numbers that were verified in it. ``next_url`` is the
    page to visit after the verification. ``request`` is passed on to Django's own signals.
    """

    address: str = ""
    user: AbstractBaseUser | None = None
    browser: UUID | None = field(default=None, repr=False)
    devices: tuple[Device, ...] = ()
    next_url: str = field(default="", repr=False)
    request: HttpRequest | None = field(default=None, repr=False, compare=False)

    @property
    def user_id(self) -> Any:
        """The primary key of the user, ``None`` if no user is logged in."""
        return self.user.pk if self.user else None


def visitor_of(request: HttpRequest) -> Visitor:
    """Return the visitor who sent ``request``."""
    user = getattr(request, "user", None)
    known = user if user is not None and user.is_authenticated else None
    return Visitor(
        address=client_address(request),
        user=known,
        browser=browser_of(request),
        devices=devices_of(request),
        request=request,
    )


def client_address(request: HttpRequest) -> str:
    """Return the client address that django-ratelimit is set to use, empty if it is not known."""
    return read_address(get_address(request))
