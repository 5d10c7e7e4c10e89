"""Decorators and mixins for views: require a fresh proof of a number, and guard a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from .choices import Purpose
from .conf import get_settings
from .databases import non_atomic
from .visitors import sessions
from .visitors.browsers import keep_browser

View = Callable[..., Any]  # returns a response, or a coroutine if the view is async


def phone_required(*, max_age: timedelta | None = None) -> Callable[[View], View]:
    """Decorate a view so that it requires a login and a proof of a number in this session.

    With ``max_age``, the proof must be more recent than that. Other visitors are redirected to
    prove their number, and return afterwards.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded_async(
            request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            refusal = await sync_to_async(ask_for_proof)(request, max_age=max_age)
            return refusal or await view(request, *args, **kwargs)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return ask_for_proof(request, max_age=max_age) or view(request, *args, **kwargs)

        return guarded_async if iscoroutinefunction(view) else guarded

    return decorate


class PhoneRequiredMixin:
    """``phone_required()`` for class-based views; it must be the first base class."""

    max_age: timedelta | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Require the proof before anything else."""
        refusal = ask_for_proof(request, max_age=self.max_age)
        return refusal or super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


class NonAtomicMixin:
    """Excludes a class-based view with our forms from ``ATOMIC_REQUESTS`` of every database.

    Unlike a decorated ``dispatch()``, it still works if ``dispatch()`` is overridden.
    """

    @classmethod
    def as_view(cls, **initkwargs: Any) -> View:
        """Return the view function, without a transaction for the request."""
        return non_atomic(super().as_view(**initkwargs))  # type: ignore[misc]


class PrivateResponse(TemplateResponse):
    """A page whose context, which may contain a number, is hidden from error reports."""

    @sensitive_variables()
    def render(self) -> Any:
        """Render the page."""
        return super().render()


def keep_session(view: View) -> View:
    """Decorate a view so that the answer to a POST saves the session only if it was changed.

    Otherwise the answer to a double click could undo the login of the first click.
    """

    @wraps(view)
    def keeping(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            sessions.save_only_changes(request)
        response: HttpResponseBase = view(request, *args, **kwargs)
        return response

    return keeping


class GuardedMixin(NonAtomicMixin):
    """Guards a page of this package. The guards still work if ``dispatch()`` is overridden.

    The page requires a CSRF token and is never cached. It is excluded from
    ``ATOMIC_REQUESTS``. Numbers and codes are hidden from error reports. The page is bound to its
    browser.
    """

    response_class: Any = PrivateResponse

    @classmethod
    def as_view(cls, **initkwargs: Any) -> View:
        """Return the guarded view function."""
        view: View = sensitive_variables()(super().as_view(**initkwargs))
        # From the innermost to the outermost: the browser is known after the CSRF check.
        guards = (keep_browser, keep_session, never_cache, csrf_protect)
        for guard in (*guards, sensitive_post_parameters()):
            view = guard(view)
        return view


class PublicMixin(GuardedMixin):
    """Guards a page that visitors see before they are logged in."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> View:
        """Return the guarded view function, open to visitors who are not logged in."""
        view: View = login_not_required(super().as_view(**initkwargs))
        return view


class PhoneLoginMixin(PublicMixin):
    """Guards a page that logs in by phone alone. It does not exist while ``PHONE_LOGIN`` is off."""

    purpose: str = Purpose.LOGIN

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Respond with 404 if the site does not allow this login."""
        if self.purpose == Purpose.LOGIN and not get_settings().allows_phone_login:
            raise Http404("FLASHCALL['PHONE_LOGIN'] is off.")
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response


def ask_for_proof(
    request: HttpRequest, *, max_age: timedelta | None
) -> HttpResponseRedirect | None:
    """Return a redirect to the page that proves the number; ``None`` if it is proved."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if sessions.has_event(request, sessions.PROOF, max_age=max_age):
        return None
    here = request.get_full_path()
    return redirect(sessions.url_with_next("django_flashcall:reauthenticate", next_url=here))
