"""Pages for users who are known: confirm a number, change it, prove it again, take a second step.

Each is a pair, as the login is: one page has somebody called, the other takes the code. What a
site may want to do afterwards are methods of their own.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from . import door, notes, proofs
from .account_forms import (
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
from .forms import StartForm
from .models import Phone
from .views import CodeView, LoginView, guarded, public
from .words import Purpose


@guarded
class ConfirmView(LoginRequiredMixin, LoginView):
    """Asks a user for a number that is to be his, and has it called; asks for a recent login."""

    form_class: type[ConfirmForm] = ConfirmForm
    template_name = "django_flashcall/confirm.html"
    code_url_name = "django_flashcall:confirm_code"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask who is back after a while to prove again who it is."""
        form: Any = self.get_form()
        return super().get(request, *args, **kwargs) if form.is_recent else self.ask_again()

    def ask_again(self) -> HttpResponse:
        """Send the user to prove his number, or to log in again where he has none."""
        here = self.request.get_full_path()
        if proofs.numbers_of(self.request.user):  # type: ignore[arg-type]
            return redirect(door.way_to("django_flashcall:reauthenticate", next_url=here))
        # A login page may send back at once who is logged in.
        logout(self.request)
        return redirect_to_login(here, self.get_login_url())


@guarded
class ConfirmCodeView(LoginRequiredMixin, CodeView):
    """Takes the code, and makes the number one of the user's."""

    form_class: type[ProofForm] = ConfirmCodeForm
    start_form_class: type[StartForm] = ConfirmForm
    purpose = Purpose.CONFIRM
    start_url_name = "django_flashcall:confirm"
    code_url_name = "django_flashcall:confirm_code"

    def form_valid(self, form: Any) -> HttpResponse:
        """Go where the user wanted to."""
        success_url = self.get_success_url()
        self.proved(form.phone)
        return self.trusting(HttpResponseRedirect(success_url))

    def proved(self, phone: Phone) -> None:
        """Do what else the site wants, once the user has proved ``phone``."""


@guarded
class ChangeView(ConfirmView):
    """The same for a number that is to replace the user's others."""

    form_class = ChangeForm
    template_name = "django_flashcall/change.html"
    code_url_name = "django_flashcall:change_code"


@guarded
class ChangeCodeView(ConfirmCodeView):
    """Takes the code, and makes the number the user's only one."""

    form_class = ChangeCodeForm
    start_form_class = ChangeForm
    purpose = Purpose.CHANGE
    start_url_name = "django_flashcall:change"
    code_url_name = "django_flashcall:change_code"
    #: Log the user out everywhere else? Only possible for users without a password.
    ends_other_sessions = False

    def proved(self, phone: Phone) -> None:
        """End the other sessions, where the site wants that."""
        user: Any = self.request.user
        if self.ends_other_sessions and not user.has_usable_password():
            # Sessions are bound to the password's hash: another unusable one ends them.
            user.set_unusable_password()
            user.save(update_fields=["password"])
        update_session_auth_hash(self.request, user)


@guarded
class ReauthenticateView(LoginRequiredMixin, LoginView):
    """Has the user's own number called, before something sensitive."""

    form_class: Any = ReauthenticateForm
    template_name = "django_flashcall/reauthenticate.html"
    code_url_name = "django_flashcall:reauthenticate_code"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show whom we will call; who has no number confirms one first."""
        if not self.get_form().phones:
            next_url = self.get_redirect_url()
            return redirect(door.way_to("django_flashcall:confirm", next_url=next_url))
        return super().get(request, *args, **kwargs)

    def get_initial(self) -> dict[str, Any]:
        """Leave the choice to the form."""
        return {}


@guarded
class ReauthenticateCodeView(ConfirmCodeView):
    """Takes the code, and notes that the number was proved."""

    form_class = ReauthenticateCodeForm
    start_form_class = ReauthenticateForm
    purpose = Purpose.REAUTHENTICATE
    start_url_name = "django_flashcall:reauthenticate"
    code_url_name = "django_flashcall:reauthenticate_code"
    shows_number = False


class SecondStepMixin:
    """Makes Django's ``LoginView`` ask for the number after the password; stands first.

    Nobody is logged in before the second step is taken. Who has proved no number yet needs none,
    unless ``needs_second_step`` says otherwise.
    """

    request: HttpRequest

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Keep the user in mind, and go to the second step."""
        user = form.get_user()
        if not self.needs_second_step(user):
            return super().form_valid(form)  # type: ignore[misc,no-any-return]
        if not proofs.numbers_of(user):
            return self.no_second_step(form)
        notes.hold(self.request, user)
        next_url = self.get_success_url()  # type: ignore[attr-defined]
        return redirect(door.way_to("django_flashcall:second_step", next_url=next_url))

    def needs_second_step(self, user: AbstractBaseUser) -> bool:
        """Tell whether the password is not enough for ``user``."""
        return bool(proofs.numbers_of(user))

    def no_second_step(self, form: AuthenticationForm) -> HttpResponse:
        """Refuse who needs a second step, and has no number to take it with."""
        form.add_error(None, _("This account has no confirmed number for the second step."))
        return self.form_invalid(form)  # type: ignore[attr-defined,no-any-return]


@public
@guarded
class SecondStepView(ReauthenticateView):
    """Has a number called of whoever gave the right password."""

    form_class: Any = SecondStepForm
    template_name = "django_flashcall/second_step.html"
    code_url_name = "django_flashcall:second_step_code"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send away who gave no password here, or too long ago."""
        if notes.held_user(request) is None:
            return self.start_over()
        return LoginView.dispatch(self, request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show whom we will call, if there is still somebody."""
        if not self.get_form().phones:
            return self.start_over()
        return super().get(request, *args, **kwargs)

    def start_over(self) -> HttpResponse:
        """Send the visitor back to where the password was asked for."""
        page = notes.held_page(self.request)
        next_url = self.get_redirect_url() or self.get_default_redirect_url()
        return redirect(page) if page else redirect_to_login(next_url)


@public
@guarded
class SecondStepCodeView(CodeView):
    """Takes the code, and logs in."""

    form_class = SecondStepCodeForm
    start_form_class = SecondStepForm
    purpose = Purpose.SECOND_STEP
    start_url_name = "django_flashcall:second_step"
    code_url_name = "django_flashcall:second_step_code"
    # SECURITY: who only knows the password must not learn the number.
    shows_number = False
