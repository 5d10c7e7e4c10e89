"""The site's own views, which use the package's forms on the site's own pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from django_flashcall.account_forms import (
    ChangeCodeForm,
    ChangeForm,
    ConfirmCodeForm,
    ConfirmForm,
    ReauthenticateCodeForm,
    ReauthenticateForm,
    SecondStepCodeForm,
    SecondStepForm,
)
from django_flashcall.account_views import SecondStepMixin
from django_flashcall.decorators import phone_required
from django_flashcall.forms import PhoneForm
from django_flashcall.models import Verification


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show the user who is logged in."""
    return render(request, "example/account.html")


@never_cache
@non_atomic_requests
def own_login(request: HttpRequest) -> HttpResponse:
    """Ask for the number on the site's own page. The package's page takes the code."""
    form = PhoneForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("django_flashcall:code", form.verification.key)
    return render(request, "example/own_login.html", {"form": form})


@login_required
@never_cache
@non_atomic_requests
def own_confirm(request: HttpRequest) -> HttpResponse:
    """Ask the user for another number."""
    form = ConfirmForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("own_confirm_code", form.verification.key)
    return render(request, "example/own_confirm.html", {"form": form})


@login_required
@never_cache
@non_atomic_requests
def own_confirm_code(request: HttpRequest, key: UUID) -> HttpResponse:
    """Take the code, and make the number one of the user's numbers."""
    verification = get_object_or_404(Verification, key=key, user=request.user)
    form = ConfirmCodeForm(request, request.POST or None, verification=verification)
    if request.method == "POST" and form.is_valid():
        return redirect("account")
    return render(request, "example/own_confirm.html", {"form": form})


@login_required
@never_cache
@non_atomic_requests
def own_change(request: HttpRequest) -> HttpResponse:
    """Ask the user for the number that will replace the others."""
    form = ChangeForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("own_change_code", form.verification.key)
    return render(request, "example/own_change.html", {"form": form})


@login_required
@never_cache
@non_atomic_requests
def own_change_code(request: HttpRequest, key: UUID) -> HttpResponse:
    """Take the code, and make the number the user's only number."""
    verification = get_object_or_404(Verification, key=key, user=request.user)
    form = ChangeCodeForm(request, request.POST or None, verification=verification)
    if request.method == "POST" and form.is_valid():
        return redirect("account")
    return render(request, "example/own_change.html", {"form": form})


@login_required
@never_cache
@non_atomic_requests
def own_again(request: HttpRequest) -> HttpResponse:
    """Call the user's own number before a sensitive action."""
    form = ReauthenticateForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("own_again_code", form.verification.key)
    return render(request, "example/own_again.html", {"form": form})


@login_required
@never_cache
@non_atomic_requests
def own_again_code(request: HttpRequest, key: UUID) -> HttpResponse:
    """Take the code, and record that the number was proved."""
    verification = get_object_or_404(Verification, key=key, user=request.user)
    form = ReauthenticateCodeForm(request, request.POST or None, verification=verification)
    if request.method == "POST" and form.is_valid():
        return redirect("secret")
    return render(request, "example/own_again.html", {"form": form})


@never_cache
@non_atomic_requests
def own_second_step(request: HttpRequest) -> HttpResponse:
    """Call a number of the user whose password was right."""
    form = SecondStepForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("own_second_step_code", form.verification.key)
    return render(request, "example/own_again.html", {"form": form})


@never_cache
@non_atomic_requests
def own_second_step_code(request: HttpRequest, key: UUID) -> HttpResponse:
    """Take the code, and log in."""
    verification = get_object_or_404(Verification, key=key)
    form = SecondStepCodeForm(request, request.POST or None, verification=verification)
    if request.method == "POST" and form.is_valid():
        login(request, form.get_user())  # type: ignore[arg-type]  # any user model
        return redirect("account")
    return render(request, "example/own_again.html", {"form": form})


@phone_required(max_age=timedelta(minutes=5))
def secret(request: HttpRequest) -> HttpResponse:
    """Show a page that requires a fresh proof of the number."""
    return render(request, "example/secret.html")


class PasswordView(SecondStepMixin, LoginView):
    """Asks for a password and then calls the user's number; also offers a login by phone."""

    template_name = "example/password.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the form to log in by phone."""
        return super().get_context_data(**kwargs, phone_form=PhoneForm(self.request))
