"""Signed cookies, each small, and each with a name of its own so that none overwrites another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..conf import get_cookie_options

#: Browsers drop cookies above 4,096 bytes without an error, and servers refuse long headers.
MAX_COOKIE_LENGTH = 1500


def read_cookie(request: HttpRequest, name: str, *, max_age: timedelta) -> Any:
    """Return the value of the cookie; ``None`` if there is none, or it was changed or is old."""
    try:
        return signing.loads(request.COOKIES.get(name, ""), salt=name, max_age=max_age)
    except (signing.BadSignature, ValueError):
        return None


def set_cookie(response: HttpResponseBase, name: str, value: Any, *, max_age: timedelta) -> None:
    """Set the cookie, out of reach of scripts; raise ``ValueError`` if ``value`` is too long."""
    text = signing.dumps(value, salt=name, compress=True)
    if len(text) > MAX_COOKIE_LENGTH:
        raise ValueError(f"The cookie {name} has {len(text)} bytes. Store less in it.")
    response.set_cookie(name, text, max_age=max_age, httponly=True, **get_cookie_options())


def delete_cookie(response: HttpResponseBase, name: str) -> None:
    """Delete the cookie from the browser."""
    options = get_cookie_options()
    options.pop("secure")
    response.delete_cookie(name, **options)
