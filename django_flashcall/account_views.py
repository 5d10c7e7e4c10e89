"""Pages for known users: confirm a number, change it, prove it again, take the second step.

They come in pairs, like the login: one page calls a number, the other takes the code. Some methods
are hooks for sites to override.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from . import accounts
from .account_forms import (
    TOO_LONG_AGO,
    ChangeCodeForm,
    ChangeForm,
    ConfirmCodeForm,
    ConfirmForm,
    ProofForm,
    ReauthenticateCodeForm,
    ReauthenticateForm,
    SecondStepCodeForm,
    SecondStepForm,
)
from .choices import Purpose
from .decorators import GuardedMixin, PrivateResponse, PublicMixin
from .exceptions import NumberTooNew
from .forms import StartForm
from .models import Phone, Verification
from .views import CheckView, CodeView, NumberView, StartView
from .visitors import sessions


class LoginAgainMixin(LoginRequiredMixin):
    """Offers the user a button to log out and log in again. Only the button ends the session."""

    request: HttpRequest

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Log the user out if they asked for that."""
        if "login_again" in request.POST:
            return self.log_in_again()
        response: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[misc]
        return response

    def offer_login(self, reason: str) -> HttpResponse:
        """Show ``reason``, and the button."""
        return PrivateResponse(
            self.request, "django_flashcall/login_again.html", {"reason": reason}
        )

    def log_in_again(self) -> HttpResponse:
        """Log the user out, and redirect to the login page."""
        # A login page may redirect users who are logged in.
        logout(self.request)
        next_url = sessions.bounded_url(self.page_after_login())
        return redirect_to_login(next_url, self.get_login_url())

    def page_after_login(self) -> str:
        """Return the URL to visit after the login."""
        return self.request.get_full_path()


class ConfirmView(GuardedMixin, LoginAgainMixin, NumberView):
    """Asks a user for a number to confirm, and calls it; requires a recent login."""

    form_class: type[ConfirmForm] = ConfirmForm
    template_name = "django_flashcall/confirm.html"
    code_url_name = "django_flashcall:confirm_code"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for a fresh proof if the login is not recent."""
        form: Any = self.get_form()
        return super().get(request, *args, **kwargs) if form.is_recent else self.ask_for_proof()

    def form_invalid(self, form: Any) -> HttpResponse:
        """Ask for a fresh proof if the login is not recent any longer."""
        return super().form_invalid(form) if form.is_recent else self.ask_for_proof()

    def ask_for_proof(self) -> HttpResponse:
        """Redirect the user to prove their number, or offer a login if they have none."""
        if not accounts.numbers_of(self.request.user):  # type: ignore[arg-type]
            return self.offer_login(str(TOO_LONG_AGO))
        here = self.request.get_full_path()
        return redirect(sessions.url_with_next("django_flashcall:reauthenticate", next_url=here))


class AccountCodeView(GuardedMixin, LoginRequiredMixin, CheckView):
    """Base of the pages that take a code of a user's own verification."""

    form_class: type[ProofForm]

    def code_accepted(self, form: Any) -> None:
        """Call ``proved()``."""
        self.proved(form.phone)

    def proved(self, phone: Phone) -> None:
        """Do nothing more; a hook for sites after the user has proved ``phone``."""


class ConfirmCodeView(AccountCodeView):
    """Takes the code, and makes the number one of the user's numbers."""

    form_class: type[ProofForm] = ConfirmCodeForm
    start_form_class: type[StartForm] = ConfirmForm
    purpose = Purpose.CONFIRM
    start_url_name = "django_flashcall:confirm"
    code_url_name = "django_flashcall:confirm_code"


class ChangeView(ConfirmView):
    """Asks for the number that will replace the user's other numbers, and calls it."""

    form_class = ChangeForm
    template_name = "django_flashcall/change.html"
    code_url_name = "django_flashcall:change_code"


class ChangeCodeView(AccountCodeView):
    """Takes the code, and makes the number the user's only number."""

    form_class = ChangeCodeForm
    start_form_class = ChangeForm
    purpose = Purpose.CHANGE
    start_url_name = "django_flashcall:change"
    code_url_name = "django_flashcall:change_code"
    #: Whether to log the user out everywhere else. This only works for users without a password.
    ends_other_sessions = False

    def proved(self, phone: Phone) -> None:
        """End the other sessions if ``ends_other_sessions`` is on."""
        user: Any = self.request.user
        if self.ends_other_sessions and not user.has_usable_password():
            # Sessions are bound to the password hash. Another unusable password ends them.
            user.set_unusable_password()
            user.save(update_fields=["password"])
        update_session_auth_hash(self.request, user)


class OwnNumberView(StartView):
    """Base of the pages that call one of the user's own numbers."""

    form_class: Any

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show which number will be called."""
        form = self.get_form()
        return super().get(request, *args, **kwargs) if form.phones else self.start_over()

    def start_over(self) -> HttpResponse:
        """Redirect a visitor who has no number to call."""
        raise NotImplementedError


class ReauthenticateView(GuardedMixin, LoginAgainMixin, OwnNumberView):
    """Calls the user's own number, before a sensitive action."""

    form_class = ReauthenticateForm
    template_name = "django_flashcall/reauthenticate.html"
    code_url_name = "django_flashcall:reauthenticate_code"

    def start_over(self) -> HttpResponse:
        """Redirect the user to confirm a number first, or offer a login if all are too new."""
        if self.get_form().has_only_new_numbers:
            return self.offer_login(str(NumberTooNew()))
        next_url = self.get_redirect_url()
        return redirect(sessions.url_with_next("django_flashcall:confirm", next_url=next_url))

    def form_invalid(self, form: Any) -> HttpResponse:
        """Offer a login if all numbers are too new."""
        return self.start_over() if form.has_only_new_numbers else super().form_invalid(form)

    def page_after_login(self) -> str:
        """Return the page that asked for a proof, since a login by phone is one."""
        return str(self.get_success_url())


class ReauthenticateCodeView(AccountCodeView):
    """Takes the code, and records that the number was proved."""

    form_class = ReauthenticateCodeForm
    start_form_class = ReauthenticateForm
    purpose = Purpose.REAUTHENTICATE
    start_url_name = "django_flashcall:reauthenticate"
    code_url_name = "django_flashcall:reauthenticate_code"
    shows_number = False


class SecondStepMixin:
    """Makes Django's ``LoginView`` call the user's number after the password; the first base class.

    The user is not logged in before the second step. Users without a proved number need none,
    unless ``needs_second_step()`` says otherwise.
    """

    request: HttpRequest

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Remember the user, and redirect to the second step."""
        user = form.get_user()
        if not self.needs_second_step(user):
            return super().form_valid(form)  # type: ignore[misc,no-any-return]
        if not accounts.numbers_of(user):
            return self.no_second_step(form)
        sessions.hold_user(self.request, user)
        next_url = self.get_success_url()  # type: ignore[attr-defined]
        return redirect(sessions.url_with_next("django_flashcall:second_step", next_url=next_url))

    def needs_second_step(self, user: AbstractBaseUser) -> bool:
        """Return whether the password alone is not enough for ``user``."""
        return bool(accounts.numbers_of(user))

    def no_second_step(self, form: AuthenticationForm) -> HttpResponse:
        """Refuse a user who needs a second step and has no number for it."""
        form.add_error(None, _("This account has no confirmed number for the second step."))
        return self.form_invalid(form)  # type: ignore[attr-defined,no-any-return]


class SecondStepView(PublicMixin, OwnNumberView):
    """Calls a number of the user whose password was right."""

    form_class = SecondStepForm
    template_name = "django_flashcall/second_step.html"
    code_url_name = "django_flashcall:second_step_code"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect visitors who have not entered a password recently."""
        if sessions.held_user(request) is None:
            return self.start_over()
        return super().dispatch(request, *args, **kwargs)

    def start_over(self) -> HttpResponse:
        """Redirect the visitor to the page that asked for the password."""
        page = sessions.password_page(self.request)
        next_url = self.get_redirect_url() or self.get_default_redirect_url()
        return redirect(page) if page else redirect_to_login(sessions.bounded_url(next_url))


class SecondStepCodeView(CodeView):
    """Takes the code, and logs in."""

    form_class = SecondStepCodeForm
    start_form_class = SecondStepForm
    purpose = Purpose.SECOND_STEP
    start_url_name = "django_flashcall:second_step"
    code_url_name = "django_flashcall:second_step_code"
    # SECURITY: an attacker who only knows the password must not learn the number.
    shows_number = False

    def may_see(self, verification: Verification) -> bool:
        """Allow it: the page shows no number, and the form refuses other users."""
        return True
