"""What a visitor's session remembers.

It remembers when the visitor logged in or proved their number, and which user is at the second step
of a login. Nothing is written to it by a request that waits for the provider.

What it holds is checked when it is read. It may come from another version of this package, or from
a site that uses the same names. What cannot be read counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import urlencode

from django.contrib.auth import get_user_model, load_backend
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.encoding import iri_to_uri
from django.utils.http import url_has_allowed_host_and_scheme

from ..clock import is_timestamp, moment_of, timestamp
from ..conf import get_backend_paths, get_session_cookie
from ..databases import written_user

EVENTS_KEY = "flashcall_events"
HELD_KEY = "flashcall_held"

#: Longer URLs are not kept. The visitor is then redirected to the default page.
MAX_URL_LENGTH = 500

#: The events that a session records: its first login, the latest login, and the latest proof of a
#: number that was the user's before the first login.
BEGAN, LOGIN, PROOF = "began", "login", "proof"

SURROGATES = re.compile("[\ud800-\udfff]")

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
    request.session[EVENTS_KEY] = {**_stored(request, EVENTS_KEY), event: timestamp()}


def has_event(request: HttpRequest, event: str, *, max_age: timedelta | None = None) -> bool:
    """Return whether ``event`` happened in this session, within ``max_age`` if it is given."""
    happened_at = _stored(request, EVENTS_KEY).get(event)
    if not is_timestamp(happened_at):
        return False
    return max_age is None or timestamp() - happened_at < max_age.total_seconds()


def began_at(request: HttpRequest) -> datetime:
    """Return when the user first logged in in this session; a distant time if that is not known."""
    # Another login of the same user does not begin a new session, as a logout does.
    # SECURITY: a number that was added later proves nothing. The time can live in a session, unlike
    # a list of those numbers, which a visitor with a signed cookie could take back.
    began = _stored(request, EVENTS_KEY).get(BEGAN)
    return moment_of(began if is_timestamp(began) else 0)


def is_recent(request: HttpRequest, *, max_age: timedelta) -> bool:
    """Return whether the user logged in, or proved a number, within ``max_age``."""
    return any(has_event(request, event, max_age=max_age) for event in (LOGIN, PROOF))


def mark_proof(request: HttpRequest, *, added_at: datetime | None) -> None:
    """Mark ``request``, so that the following login also counts as a proof of the number.

    If the user is already logged in, and added the number in this session, neither the proof nor
    the login counts.
    """
    request.flashcall_proof = added_at  # type: ignore[attr-defined]


def record_login(
    sender: Any, request: HttpRequest | None = None, user: Any = None, **kwargs: Any
) -> None:
    """Record any login; a receiver for Django's ``user_logged_in``."""
    if request is None or not hasattr(request, "session"):
        return
    knew_password = _held(request).get("user") == str(getattr(user, "pk", ""))
    request.session.pop(HELD_KEY, None)
    counts = _begin(request) or _has_old_number(request)
    # SECURITY: a number that was added in this session must not extend the session's rights.
    if counts or knew_password:
        record_event(request, LOGIN)
    if counts and hasattr(request, "flashcall_proof"):
        record_event(request, PROOF)


def _begin(request: HttpRequest) -> bool:
    """Record the first login of the session; return whether this is it."""
    if has_event(request, BEGAN):
        return False
    record_event(request, BEGAN)
    return True


def _has_old_number(request: HttpRequest) -> bool:
    """Return whether the user has logged in by other means than a number that is too new."""
    added_at = getattr(request, "flashcall_proof", None)
    return added_at is None or added_at < began_at(request)


def hold_user(request: HttpRequest, user: Any) -> None:
    """Remember ``user``, whose password was right, until the second step of the login."""
    request.session.cycle_key()  # prevents session fixation, as a login does
    request.session[HELD_KEY] = {
        "user": str(user.pk),
        "backend": getattr(user, "backend", ""),
        "hash": user.get_session_auth_hash(),
        "page": bounded_url(request.get_full_path()),
        "at": timestamp(),
    }


def held_user(request: HttpRequest) -> Any:
    """Return the user awaiting the second step in this session, or ``None``.

    Their ``backend`` is set, as ``authenticate()`` sets it.
    """
    held = _held(request)
    backend, proof = held.get("backend"), held.get("hash")
    if backend not in get_backend_paths() or not _is_text(proof):
        return None
    user: Any = _find_user(held.get("user"), backend=backend)
    # SECURITY: after a change of the password, the old one must not count.
    if user is None or not constant_time_compare(proof, user.get_session_auth_hash()):
        return None
    user.backend = backend
    return user


def _held(request: HttpRequest) -> dict[str, Any]:
    """Return what ``hold_user()`` has stored within ``HELD_FOR``; empty if there is nothing."""
    held = _stored(request, HELD_KEY)
    at = held.get("at")
    is_fresh = is_timestamp(at) and timestamp() - at < HELD_FOR.total_seconds()
    return held if is_fresh else {}


def password_page(request: HttpRequest) -> str:
    """Return the URL at which this session asked for the password, however long ago."""
    page = _stored(request, HELD_KEY).get("page")
    return page if _is_text(page) and page.startswith("/") else ""


def _stored(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return the dict that the session holds under ``name``; empty if it holds anything else."""
    stored = request.session.get(name)
    return stored if isinstance(stored, dict) else {}


def _is_text(value: object) -> TypeGuard[str]:
    """Return whether ``value`` is a string that can be sent; JSON also holds half characters."""
    return isinstance(value, str) and not SURROGATES.search(value)


def _find_user(key: object, *, backend: str) -> Any:
    """Return the user of this key whom ``backend`` accepts, as they are where they are written."""
    found = _load_user(key, backend=backend)
    user = found and written_user(found)
    if user is found:
        return user
    # SECURITY: the backend judged the user in a replica, where they may still be active.
    may_log_in = getattr(load_backend(backend), "user_can_authenticate", bool)
    return user if may_log_in(user) else None


def _load_user(pk: object, *, backend: str) -> Any:
    """Return the user that ``backend`` finds by ``pk``, ``None`` if it is no primary key."""
    if not isinstance(pk, str) or not pk.isprintable():
        return None
    try:
        return load_backend(backend).get_user(get_user_model()._meta.pk.to_python(pk))
    except ValidationError:
        return None


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
