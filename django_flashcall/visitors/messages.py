"""A message for the next view of a page, in a cookie of that page."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .cookies import delete_cookie, read_cookie, set_cookie

MESSAGE_COOKIE = "flashcall_message_"

#: A message is not forgotten when it is shown: a browser may load a page in advance, and show it
#: later. It is shown for this long, or until the visitor does something else.
KEPT_FOR = timedelta(seconds=30)

#: Longer messages are cut. In any script, this many characters fit into a cookie.
MAX_MESSAGE_LENGTH = 150


def keep_message(response: HttpResponseBase, text: str, *, key: UUID) -> None:
    """Keep ``text`` for the page of the verification ``key``, so a reload does not post again."""
    set_cookie(response, _name(key), text[:MAX_MESSAGE_LENGTH], max_age=KEPT_FOR)


def read_message(request: HttpRequest, *, key: UUID) -> str:
    """Return the message kept for the page of the verification ``key``; empty if there is none."""
    stored = read_cookie(request, _name(key), max_age=KEPT_FOR)
    return stored if isinstance(stored, str) else ""


def forget_message(request: HttpRequest, response: HttpResponseBase, *, key: UUID) -> None:
    """Delete an old message from the browser, unless ``response`` keeps a new one."""
    if _name(key) in request.COOKIES and _name(key) not in response.cookies:
        delete_cookie(response, _name(key))


def _name(key: UUID) -> str:
    return f"{MESSAGE_COOKIE}{key.hex}"
