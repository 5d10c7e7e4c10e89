"""The pages of the site that the tests run in."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views import View

from django_flashcall.account_views import ChangeCodeView, SecondStepMixin
from django_flashcall.decorators import PhoneRequiredMixin, phone_required


def welcome(request: HttpRequest) -> HttpResponse:
    """Say who is logged in; LoginRequiredMiddleware keeps others out."""
    return HttpResponse(f"welcome {request.user}")


@login_not_required
def home(request: HttpRequest) -> HttpResponse:
    """Greet everybody."""
    return HttpResponse("home")


@phone_required(max_age=timedelta(minutes=5))
def sensitive(request: HttpRequest) -> HttpResponse:
    """Show what needs a fresh proof of the number."""
    return HttpResponse("sensitive")


class SensitiveView(PhoneRequiredMixin, View):
    """Shows what needs a proof of the number in this session."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        return HttpResponse("sensitive class")


class PasswordView(SecondStepMixin, LoginView):
    """Asks for the password first."""

    template_name = "admin/login.html"


class StrictChangeView(ChangeCodeView):
    """Logs the user out everywhere else."""

    ends_other_sessions = True


urlpatterns = [
    path("", home),
    path("sensitive/", sensitive),
    path("sensitive/class/", SensitiveView.as_view()),
    path("password/", PasswordView.as_view()),
    path("phone/change/<uuid:key>/strictly/", StrictChangeView.as_view()),
    path("welcome/", welcome),
    path("admin/", admin.site.urls),
    path("phone/", include("django_flashcall.urls")),
    path("simulator/", include("django_flashcall.simulator.urls")),
]
