"""Browsers: which browser sent a request, so that only it can finish what it began.

Nothing is written when a verification begins, neither to the session nor to a cookie. The id of
the browser is known before, and the verification's own row stores it. So an answer that arrives
late overwrites nothing, whatever the session engine is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.template.response import SimpleTemplateResponse
from django.utils.crypto import salted_hmac

from .cookies import read_cookie, set_cookie

BROWSER_COOKIE = "flashcall_browser"

#: Each view of a page renews the cookie. A verification ends much earlier.
REMEMBERED_FOR = timedelta(days=1)


def browser_of(request: HttpRequest) -> UUID | None:
    """Return the id of the browser that sent ``request``, ``None`` if it has none yet.

    It stays the same during the request, even if a login rotates the CSRF token.
    """
    if getattr(request, "flashcall_browser", None) is None:
        request.flashcall_browser = _from_cookie(request) or _from_csrf(request)  # type: ignore[attr-defined]
    browser: UUID | None = request.flashcall_browser  # type: ignore[attr-defined]
    return browser


def identify(request: HttpRequest) -> UUID:
    """Return the id of the browser that sent ``request``; give it one if it has none."""
    browser = browser_of(request)
    if browser is not None:
        return browser
    # Only here: to use the token of a browser is to send it again, and a late answer would undo
    # the new token of a login.
    get_token(request)
    return identify(request)


def keep_browser(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a view so that its browser keeps its id, even after a login.

    Only views of a page set the cookie. The answer to a POST may be late.
    """

    @wraps(view)
    def keeping(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        browser_of(request)  # before a login changes the CSRF token
        response: HttpResponseBase = view(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD"):
            return response
        keep = partial(_set_cookie, request)
        if isinstance(response, SimpleTemplateResponse):
            # The first page of a browser makes its CSRF token, when the template is rendered.
            response.add_post_render_callback(keep)
        else:
            keep(response)
        return response

    return keeping


def _set_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    browser = browser_of(request)
    if browser is not None:
        set_cookie(response, BROWSER_COOKIE, str(browser), max_age=REMEMBERED_FOR)


def _from_cookie(request: HttpRequest) -> UUID | None:
    # SECURITY: the id itself is stored in the database, where it must be of no use to a reader.
    # So a browser proves it by a signature.
    stored = read_cookie(request, BROWSER_COOKIE, max_age=REMEMBERED_FOR)
    try:
        return UUID(stored) if isinstance(stored, str) else None
    except ValueError:
        return None


def _from_csrf(request: HttpRequest) -> UUID | None:
    """Return an id that follows from the CSRF secret, which every browser with a form has.

    So two clicks in a browser without our cookie still come from the same browser.
    """
    secret = request.META.get("CSRF_COOKIE")
    if not secret:
        return None
    digest = salted_hmac(BROWSER_COOKIE, secret, algorithm="sha256").digest()
    return UUID(bytes=digest[:16], version=4)
