"""Pages to log in with: one asks for a phone number, the other for the code.

``StartView`` and ``CheckView`` are their bases, which ``account_views`` shares. Views contain no
rules. ``services`` decides what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth import login
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView

from . import services
from .calls.channels import expected_channel
from .calls.progress import progress_of
from .choices import Purpose, VerificationStatus
from .clock import clock_time, end_time
from .conf import get_login_redirect, get_settings
from .decorators import PhoneLoginMixin
from .exceptions import FlashCallError, LoginRefused
from .forms import CodeForm, PhoneForm, StartForm
from .limits.rates import enforce_rate
from .models import Verification, VerificationAttempt
from .text import Secret
from .visitors import devices, sessions
from .visitors.browsers import browser_of
from .visitors.messages import forget_message, keep_message, read_message


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Explain to the visitor what to do after a failed CSRF check, for ``CSRF_FAILURE_VIEW``.

    Usually the visitor has logged in in another tab, or the browser does not accept cookies.
    """
    template, path = "django_flashcall/csrf_failure.html", request.get_full_path()
    return render(request, template, {"path": path}, status=403)


class RedirectMixin(RedirectURLMixin):
    """Redirects to ``next_page``, or to the URL that Django redirects to after a login."""

    def get_default_redirect_url(self) -> str:
        """Return the URL for visitors who did not request one."""
        return resolve_url(self.next_page or get_login_redirect())


class StartView(RedirectMixin, FormView):
    """Base of the pages that call a number."""

    form_class: type[StartForm]
    code_url_name: str
    http_method_names: Sequence[str] = ["get", "head", "post", "options"]

    def get_form_kwargs(self) -> dict[str, Any]:
        """Add what the form needs to call the number."""
        kwargs = super().get_form_kwargs()
        return {**kwargs, "request": self.request, "next_url": self.get_redirect_url()}

    def form_valid(self, form: StartForm) -> HttpResponse:
        """Redirect to the page that takes the code."""
        return redirect(self.code_url_name, form.verification.key)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the URL to visit afterwards, and how the code will arrive."""
        return super().get_context_data(
            **kwargs,
            **{self.redirect_field_name: self.get_redirect_url()},
            is_lost="lost" in self.request.GET,
            channel=expected_channel(now=timezone.now()),
            code_length=get_settings().CODE_LENGTH,
        )


class NumberView(StartView):
    """Base of the pages on which a number is entered."""

    def get_initial(self) -> dict[str, Any]:
        """Fill in the number of the latest pending verification, so asking again is one click."""
        if self.request.method == "POST":
            return super().get_initial()
        browser, user = browser_of(self.request), self.request.user
        begun = Verification.objects.begun_by(browser=browser, user_id=user.pk)
        latest = begun.select_related("phone").order_by("-pk").first()
        wanted = (self.form_class.purpose, VerificationStatus.PENDING)
        if latest is None or (latest.purpose, latest.status) != wanted:
            return super().get_initial()
        return {**super().get_initial(), **self.form_class.initial_for(latest.phone)}


class LoginView(PhoneLoginMixin, NumberView):
    """Asks for a number, and calls it."""

    form_class: type[StartForm] = PhoneForm
    code_url_name = "django_flashcall:code"
    template_name = "django_flashcall/login.html"
    redirect_authenticated_user = False

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, or redirect a logged-in user if ``redirect_authenticated_user`` is on."""
        if self.redirect_authenticated_user and request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().get(request, *args, **kwargs)


class CheckView(RedirectMixin, FormView):
    """Base of the pages that take a code, and offer to call again or to start again.

    Such a page only exists in the browser that began the verification. Any other browser is sent
    to the first page. Besides the code it accepts ``channel`` (call again) and ``cancel``.
    """

    form_class: type[CodeForm]
    #: Calls the same number again once this verification is over.
    start_form_class: type[StartForm]
    template_name = "django_flashcall/code.html"
    start_url_name: str
    code_url_name: str
    http_method_names: Sequence[str] = ["get", "head", "post", "options"]
    purpose: str
    #: Show the number in full, as to a visitor who has entered it; otherwise masked.
    shows_number = True
    verification: Verification
    attempts: list[VerificationAttempt]
    message = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Find the verification and its attempts; without them, start again."""
        verification = self.find_verification(kwargs["key"])
        if verification is None:
            return self.start_again(request)
        self.verification = verification
        self.attempts = self.find_attempts(verification)
        if not self.attempts:
            return self.start_again(request)  # purged in the meantime
        is_used = verification.state(now=timezone.now()) == "used"
        if is_used and request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def find_verification(self, key: UUID) -> Verification | None:
        """Return the verification with this key, if this browser began it."""
        browser = browser_of(self.request)
        if browser is None:
            return None
        verifications = Verification.objects.select_related("phone")
        found = verifications.filter(key=key, browser=browser, purpose=self.purpose).first()
        return found if found and self.may_see(found) else None

    def may_see(self, verification: Verification) -> bool:
        """Return whether the user may see the page; the browser may have had another user."""
        is_used = verification.consumed_at is not None
        return is_used or verification.belongs_to(self.request.user.pk)

    def find_attempts(self, verification: Verification) -> list[VerificationAttempt]:
        """Return the attempts, the latest last. If their process was killed, they are unknown."""
        # A browser may load a page in advance, so to look at it writes nothing.
        is_click = self.request.method == "POST"
        find = services.current_attempts if is_click else services.read_attempts
        return find(verification)

    def start_again(self, request: HttpRequest) -> HttpResponse:
        """Redirect to the first page, or after a double click to the page of the first click."""
        if request.method != "POST":
            return redirect(f"{reverse(self.start_url_name)}?lost")
        return redirect(request.path)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page, with the message that was kept for it."""
        self.message = read_message(request, key=self.verification.key)
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check a code, call again, or cancel; a repeated click has no effect."""
        response = self.respond(request, *args, **kwargs)
        forget_message(request, response, key=self.verification.key)
        return response

    def respond(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do what the pressed button says."""
        if "cancel" in request.POST:
            return self.cancel()
        if self._is_outdated():
            return self.show_again()
        if "channel" in request.POST:
            return self.resend(request.POST["channel"])
        return super().post(request, *args, **kwargs)

    def show_again(self) -> HttpResponse:
        """Redirect to this page, so that a reload does not post again."""
        return redirect(self.code_url_name, self.verification.key)

    def resend(self, channel: str) -> HttpResponse:
        """Call the number again, or show on the page why no call is placed."""
        try:
            enforce_rate(self.request, action="start")
            services.resend(
                self.verification, visitor=self.unbound_form().visitor(), channel=channel
            )
        except FlashCallError as error:
            return self.resend_refused(error)
        return self.show_again()

    def resend_refused(self, error: FlashCallError) -> HttpResponse:
        """Show on the page why no call was placed, unless another click has placed one."""
        self.verification.refresh_from_db(fields=["attempt_count"])
        response = self.show_again()
        if not self._is_outdated():
            keep_message(response, str(error), key=self.verification.key)
        return response

    def cancel(self) -> HttpResponse:
        """Cancel the verification, and ask for a number again."""
        if self.verification.state(now=timezone.now()) == "pending":
            services.cancel(self.verification)
        url = sessions.url_with_next(self.start_url_name, next_url=self.get_redirect_url())
        return redirect(url)

    def unbound_form(self) -> CodeForm:
        """Return the form without the data that was posted to another button."""
        return self.form_class(**self.about_the_call())

    def get_form_kwargs(self) -> dict[str, Any]:
        """Add what the form needs to check the code."""
        return {**super().get_form_kwargs(), **self.about_the_call()}

    def about_the_call(self) -> dict[str, Any]:
        """Return the arguments of the form that are not posted."""
        latest = self.attempts[-1]
        return {"request": self.request, "verification": self.verification, "attempt": latest}

    def form_valid(self, form: Any) -> HttpResponse:
        """Do what the code was for, trust this browser, and redirect to the requested page."""
        success_url = self.get_success_url()
        self.code_accepted(form)
        response = HttpResponseRedirect(success_url)
        devices.trust(self.request, response, phone_id=self.verification.phone_id)
        return response

    def code_accepted(self, form: Any) -> None:
        """Do what the code was for."""
        raise NotImplementedError

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Return the URL that was requested when the number was entered, and validated then."""
        return self.verification.next_url

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what is known about the call, and what can be done next."""
        phone, now = self.verification.phone, timezone.now()
        # A number that was used is of no more use here, and its user may have logged out.
        shows_number = self.shows_number and not self.verification.consumed_at
        progress = progress_of(self.verification, attempts=self.attempts, now=now)
        return super().get_context_data(
            **kwargs,
            **(self._restart() if progress.can_restart else {}),
            verification=self.verification,
            progress=progress,
            refusal=self.message,
            number=Secret(phone.display) if shows_number else phone.masked,
            shows_number=shows_number,
            code_time=end_time(progress.code_until) if progress.code_until else "",
            retry_time=clock_time(progress.retry_at),
        )

    def _restart(self) -> dict[str, Any]:
        """Return the form for a new verification of the same number."""
        initial = self.start_form_class.initial_for(self.verification.phone)
        form = self.start_form_class(self.request, next_url=self.get_redirect_url())
        return {
            "again_form": form,
            "again_fields": {name: Secret(value) for name, value in initial.items()},
            "again_url": reverse(self.start_url_name),
            "channel": expected_channel(now=timezone.now()),
            "code_length": get_settings().CODE_LENGTH,
        }

    def _is_outdated(self) -> bool:
        """Return whether the page was sent with fewer attempts or checks than there are now."""
        counts = {
            "attempt_count": str(self.verification.attempt_count),
            "checks": str(self.verification.checks),
        }
        return any(self.request.POST.get(name, count) != count for name, count in counts.items())


class CodeView(PhoneLoginMixin, CheckView):
    """Takes the code, and logs in."""

    form_class: type[CodeForm] = CodeForm
    start_form_class: type[StartForm] = PhoneForm
    start_url_name = "django_flashcall:login"
    code_url_name = "django_flashcall:code"
    purpose: str = Purpose.LOGIN

    def code_accepted(self, form: CodeForm) -> None:
        """Log in the user of the number."""
        if user := form.get_user():
            login(self.request, user)  # type: ignore[arg-type]  # any user model

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        """Show the errors; a right code that does not log in has its own hook."""
        if self.verification.refusal:
            return self.login_refused(form, self.verification.refusal)
        if form.finishes and "code" not in form.errors:
            return self.show_again()  # another click has used the approval
        return super().form_invalid(form)

    def login_refused(self, form: CodeForm, refusal: LoginRefused) -> HttpResponse:
        """Show why the login is refused. A site may ask for a second proof here instead."""
        return super().form_invalid(form)
