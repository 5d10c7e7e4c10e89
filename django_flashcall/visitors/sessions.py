"""What a visitor's session remembers.

It remembers when the visitor logged in or proved their number, and which user is at the second step
of a login. Nothing is written to it by a request that waits for the provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import load_backend
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.encoding import iri_to_uri
from django.utils.http import url_has_allowed_host_and_scheme

from ..conf import get_backend_paths, get_session_cookie

EVENTS_KEY = "flashcall_events"
HELD_KEY = "flashcall_held"

#: Longer URLs are not kept. The visitor is then redirected to the default page.
MAX_URL_LENGTH = 500

#: The events that a session records: any login, and a proof of the number.
LOGIN, PROOF = "login", "proof"

#: The second step must follow the password within this time.
HELD_FOR = timedelta(minutes=10)


@contextmanager
def saved_before_wait(request: HttpRequest | None) -> Iterator[None]:
    """Save the session before the provider is asked, so that the late answer does not save it.

    Meanwhile another tab may log in, and its session must not be replaced by this older one.
    """
    session = getattr(request, "session", None)
    if session is None or request is None:
        yield
        return
    if session.modified and session.session_key:
        _save(session)
    yield
    save_only_changes(request)


def save_only_changes(request: HttpRequest) -> None:
    """Let the answer save the session only if it was changed, and never delete its cookie.

    With ``SESSION_SAVE_EVERY_REQUEST``, Django would write the session as this request read it. It
    would also delete the cookie if a login in another tab has ended that session.
    """
    # SECURITY: Django ignores a session that looks empty to it and came without a cookie.
    session: Any = request.session
    session.is_empty = lambda: not session.modified
    request.COOKIES.pop(get_session_cookie(), None)


def bounded_url(url: str) -> str:
    """Return ``url`` in ASCII, or an empty string if it is too long to be kept.

    This is the only limit for URLs that a visitor chooses. It holds for the session, the database
    and the ``next`` of a redirect, whose length Django limits too.
    """
    uri: str = iri_to_uri(url)
    return uri if len(uri) <= MAX_URL_LENGTH else ""


def requested_url(request: HttpRequest) -> str:
    """Return the URL in ``next`` if it is on this site, or an empty string."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    # SECURITY: otherwise a link to the login page could redirect the visitor to any site.
    is_safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_safe else ""


def url_with_next(url_name: str, *, next_url: str) -> str:
    """Return the URL of a page of this package, with ``next_url`` as its ``next``."""
    kept = bounded_url(next_url)
    query = f"?{urlencode({'next': kept})}" if kept else ""
    return f"{reverse(url_name)}{query}"


def record_event(request: HttpRequest, event: str) -> None:
    """Record in the session that ``event`` happened just now."""
    events = request.session.get(EVENTS_KEY, {})
    request.session[EVENTS_KEY] = {**events, event: timezone.now().timestamp()}


def has_event(request: HttpRequest, event: str, *, max_age: timedelta | None = None) -> bool:
    """Return whether ``event`` happened in this session, within ``max_age`` if it is given."""
    happened_at = request.session.get(EVENTS_KEY, {}).get(event)
    if happened_at is None or max_age is None:
        return happened_at is not None
    return bool(timezone.now().timestamp() - happened_at < max_age.total_seconds())


def is_recent(request: HttpRequest, *, max_age: timedelta) -> bool:
    """Return whether the user logged in, or proved a number, within ``max_age``."""
    return any(has_event(request, event, max_age=max_age) for event in (LOGIN, PROOF))


def mark_proof(request: HttpRequest) -> None:
    """Mark ``request``, so that the following login also counts as a proof of the number."""
    request.flashcall_proof = True  # type: ignore[attr-defined]


def record_login(sender: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Record any login; a receiver for Django's ``user_logged_in``."""
    if request is None or not hasattr(request, "session"):
        return
    record_event(request, LOGIN)
    request.session.pop(HELD_KEY, None)
    if hasattr(request, "flashcall_proof"):
        record_event(request, PROOF)


def hold_user(request: HttpRequest, user: Any) -> None:
    """Remember ``user``, whose password was right, until the second step of the login."""
    request.session.cycle_key()  # prevents session fixation, as a login does
    request.session[HELD_KEY] = {
        "user": str(user.pk),
        "backend": getattr(user, "backend", ""),
        "hash": user.get_session_auth_hash(),
        "page": bounded_url(request.get_full_path()),
        "at": timezone.now().timestamp(),
    }


def held_user(request: HttpRequest) -> Any:
    """Return the user awaiting the second step in this session, or ``None``.

    Their ``backend`` is set, as ``authenticate()`` sets it.
    """
    held = request.session.get(HELD_KEY)
    if not held or timezone.now().timestamp() - held["at"] >= HELD_FOR.total_seconds():
        return None
    if held["backend"] not in get_backend_paths():
        return None
    user: Any = load_backend(held["backend"]).get_user(held["user"])
    # SECURITY: after a change of the password, the old one must not count.
    if user is None or not constant_time_compare(held["hash"], user.get_session_auth_hash()):
        return None
    user.backend = held["backend"]
    return user


def password_page(request: HttpRequest) -> str:
    """Return the URL at which this session asked for the password, however long ago."""
    page: str = request.session.get(HELD_KEY, {}).get("page", "")
    return page


def _save(session: Any) -> None:
    key = session.session_key
    try:
        session.save()
    except UpdateError as error:
        raise SessionInterrupted(
            "The session was deleted before the request completed. The user may have logged out in "
            "another tab."
        ) from error
    # A session in a cookie has another key now. Only the answer can send it, if it must.
    is_in_cookie = session.session_key != key
    session.modified = is_in_cookie and type(session)(key).load() != dict(session.items())
