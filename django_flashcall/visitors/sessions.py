"""What a visitor's session remembers.

It remembers the verifications that this browser began, when the visitor logged in or proved their
number, which user is at the second step of a login, and a message for the next page.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth import load_backend
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme

from ..conf import get_backend_paths
from ..databases import written_user

VERIFICATIONS_KEY = "flashcall"
EVENTS_KEY = "flashcall_events"
HELD_KEY = "flashcall_held"
MESSAGE_KEY = "flashcall_message"

#: A session remembers at most this many verifications, the latest ones.
MAX_OPEN_VERIFICATIONS = 5

#: With longer URLs, five of them would not fit into the 4 KB of a signed session cookie.
MAX_URL_LENGTH = 500

#: The events that a session records: any login, and a proof of the number.
LOGIN, PROOF = "login", "proof"

#: The second step must follow the password within this time.
HELD_FOR = timedelta(minutes=10)


def remember(request: HttpRequest, key: UUID, *, next_url: str = "") -> None:
    """Bind the verification ``key`` to this browser, with the URL to visit after it."""
    kept = {other: url for other, url in _remembered(request).items() if other != str(key)}
    while len(kept) >= MAX_OPEN_VERIFICATIONS:
        kept.pop(next(iter(kept)))  # the oldest
    request.session[VERIFICATIONS_KEY] = {**kept, str(key): next_url}


def remembers(request: HttpRequest, key: UUID) -> bool:
    """Return whether this browser began the verification ``key``."""
    return str(key) in _remembered(request)


def remembered_keys(request: HttpRequest) -> list[str]:
    """Return the keys of this browser's verifications, the oldest first."""
    return list(_remembered(request))


def next_url_of(request: HttpRequest, key: UUID) -> str:
    """Return the URL to visit after the verification ``key``; empty if there is none."""
    return _remembered(request).get(str(key), "")


def requested_url(request: HttpRequest) -> str:
    """Return the URL in ``next`` if it is on this site, or an empty string."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    # SECURITY: otherwise a link to the login page could redirect the visitor to any site.
    is_safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_safe and len(url) <= MAX_URL_LENGTH else ""


def url_with_next(url_name: str, *, next_url: str) -> str:
    """Return the URL of a page of this package, with ``next_url`` as its ``next``."""
    query = f"?{urlencode({'next': next_url})}" if next_url else ""
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
        "page": request.get_full_path(),
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
    user = _find_user(held["user"], backend=load_backend(held["backend"]))
    # SECURITY: after a change of the password, the old one must not count.
    if user is None or not constant_time_compare(held["hash"], user.get_session_auth_hash()):
        return None
    user.backend = held["backend"]
    return user


def _find_user(key: str, *, backend: Any) -> Any:
    """Return the user of this key whom ``backend`` accepts, as they are where they are written."""
    found = backend.get_user(key)
    user = found and written_user(found)
    if user is found:
        return user
    # SECURITY: the backend judged the user in a replica, where they may still be active.
    may_log_in = getattr(backend, "user_can_authenticate", bool)
    return user if may_log_in(user) else None


def password_page(request: HttpRequest) -> str:
    """Return the URL at which this session asked for the password, however long ago."""
    page: str = request.session.get(HELD_KEY, {}).get("page", "")
    return page


def keep_message(request: HttpRequest, text: str, *, page: str) -> None:
    """Keep ``text`` for the next view of ``page``, so that a reload does not post again."""
    request.session[MESSAGE_KEY] = {"page": page, "text": text}


def pop_message(request: HttpRequest, *, page: str) -> str:
    """Return the message kept for ``page`` and forget it; empty if there is none."""
    if request.session.get(MESSAGE_KEY, {}).get("page") != page:
        return ""
    text: str = request.session.pop(MESSAGE_KEY)["text"]
    return text


def _remembered(request: HttpRequest) -> dict[str, str]:
    remembered: dict[str, str] = request.session.get(VERIFICATIONS_KEY, {})
    return remembered
