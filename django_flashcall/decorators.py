"""For a site's own views: ask for a fresh proof of the number, and keep our record ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from . import door, notes

View = Callable[..., Any]  # of an async one, what is awaited


def phone_required(*, max_age: timedelta | None = None) -> Callable[[View], View]:
    """Decorate a view for those only who are logged in and have proved a number in this session.

    With ``max_age`` the proof must be younger. Others are called, and come back afterwards.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        async def waiting(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refusal = await sync_to_async(ask_for_proof)(request, max_age=max_age)
            return refusal or await view(request, *args, **kwargs)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return ask_for_proof(request, max_age=max_age) or view(request, *args, **kwargs)

        return waiting if iscoroutinefunction(view) else guarded

    return decorate


class PhoneRequiredMixin:
    """The same for a class-based view; stands first among its bases."""

    max_age: timedelta | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Ask for the proof first."""
        refusal = ask_for_proof(request, max_age=self.max_age)
        return refusal or super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


class NonAtomicMixin:
    """Makes a class-based view with our forms safe where ``ATOMIC_REQUESTS`` is on.

    Unlike a decorated ``dispatch()`` it survives being overridden.
    """

    @classmethod
    def as_view(cls, **initkwargs: Any) -> View:
        """Return the view, outside of the transaction of its request."""
        # SECURITY: a later error must not undo a counted check, nor a call that was billed.
        return transaction.non_atomic_requests(super().as_view(**initkwargs))  # type: ignore[misc, no-any-return]


def ask_for_proof(
    request: HttpRequest, *, max_age: timedelta | None
) -> HttpResponseRedirect | None:
    """Return where to prove the number; ``None`` if that was done."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if notes.was_noted(request, notes.PROOF, max_age=max_age):
        return None
    here = request.get_full_path()
    return redirect(door.way_to("django_flashcall:reauthenticate", next_url=here))
