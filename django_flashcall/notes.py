"""Notes in the visitor's session: when he logged in or proved his number, who he may become, and
what the next page has to tell him."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import load_backend
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

NOTES_KEY = "flashcall_notes"
HELD_KEY = "flashcall_held"
TOLD_KEY = "flashcall_told"

#: What is noted: any login, and a proof of the number.
LOGIN, PROOF = "login", "proof"

#: A right password counts for so long.
HELD_FOR = timedelta(minutes=10)


def note(request: HttpRequest, what: str) -> None:
    """Note in the session that the visitor did ``what`` just now."""
    noted = request.session.get(NOTES_KEY, {})
    request.session[NOTES_KEY] = {**noted, what: timezone.now().timestamp()}


def was_noted(request: HttpRequest, what: str, *, max_age: timedelta | None = None) -> bool:
    """Tell whether the visitor did ``what`` in this session, and not longer than that ago."""
    noted = request.session.get(NOTES_KEY, {}).get(what)
    if noted is None or max_age is None:
        return noted is not None
    return bool(timezone.now().timestamp() - noted < max_age.total_seconds())


def is_recent(request: HttpRequest, *, max_age: timedelta) -> bool:
    """Tell whether the visitor logged in, or proved a number again, not longer ago than that."""
    return any(was_noted(request, what, max_age=max_age) for what in (LOGIN, PROOF))


def mark_proof(request: HttpRequest) -> None:
    """Say that whoever is logged in by this request has proved a number."""
    request.flashcall_proof = True  # type: ignore[attr-defined]


def note_login(sender: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Note a login by whatever means; receives Django's ``user_logged_in``."""
    if request is None or not hasattr(request, "session"):
        return
    note(request, LOGIN)
    request.session.pop(HELD_KEY, None)
    if hasattr(request, "flashcall_proof"):
        note(request, PROOF)


def hold(request: HttpRequest, user: Any) -> None:
    """Keep ``user``, who gave the right password on this page, until the second step is taken."""
    request.session.cycle_key()  # as a login does: nobody knows the session who planted it
    request.session[HELD_KEY] = {
        "user": str(user.pk),
        "backend": getattr(user, "backend", ""),
        "hash": user.get_session_auth_hash(),
        "page": request.get_full_path(),
        "at": timezone.now().timestamp(),
    }


def held_user(request: HttpRequest) -> Any:
    """Return who is to take the second step in this session, if anybody, with his ``backend``."""
    held = request.session.get(HELD_KEY)
    if not held or timezone.now().timestamp() - held["at"] >= HELD_FOR.total_seconds():
        return None
    if held["backend"] not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: Any = load_backend(held["backend"]).get_user(held["user"])
    # SECURITY: who has changed the password meanwhile did not give this one.
    if user is None or not constant_time_compare(held["hash"], user.get_session_auth_hash()):
        return None
    user.backend = held["backend"]
    return user


def held_page(request: HttpRequest) -> str:
    """Return where the password was asked for in this session, even if it is long ago."""
    page: str = request.session.get(HELD_KEY, {}).get("page", "")
    return page


def tell(request: HttpRequest, text: str, *, page: str) -> None:
    """Keep ``text`` for the next look at ``page``, so that looking again repeats nothing."""
    request.session[TOLD_KEY] = {"page": page, "text": text}


def told(request: HttpRequest, *, page: str) -> str:
    """Return what is to be told on ``page``, once; empty if nothing is."""
    if request.session.get(TOLD_KEY, {}).get("page") != page:
        return ""
    text: str = request.session.pop(TOLD_KEY)["text"]
    return text
