"""Notes in the visitor's session: when he logged in or proved his number, who he may become."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import load_backend
from django.http import HttpRequest
from django.utils import timezone

NOTES_KEY = "flashcall_notes"
HELD_KEY = "flashcall_held"

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


def note_login(sender: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Note a login by whatever means; receives Django's ``user_logged_in``."""
    if request is not None and hasattr(request, "session"):
        note(request, LOGIN)


def hold(request: HttpRequest, user: Any) -> None:
    """Keep ``user``, who gave the right password, until the second step is taken."""
    held = {"user": str(user.pk), "backend": getattr(user, "backend", "")}
    request.session[HELD_KEY] = held | {"at": timezone.now().timestamp()}


def held_user(request: HttpRequest) -> Any:
    """Return who is to take the second step in this session, if anybody, with his ``backend``."""
    held = request.session.get(HELD_KEY)
    if not held or timezone.now().timestamp() - held["at"] >= HELD_FOR.total_seconds():
        return None
    user = load_backend(held["backend"]).get_user(held["user"])
    if user is not None:
        user.backend = held["backend"]
    return user
