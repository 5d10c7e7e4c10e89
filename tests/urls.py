"""The pages of the site that the tests run in."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def welcome(request: HttpRequest) -> HttpResponse:
    """Say who is logged in; LoginRequiredMiddleware keeps others out."""
    return HttpResponse(f"welcome {request.user}")


@login_not_required
def home(request: HttpRequest) -> HttpResponse:
    """Greet everybody."""
    return HttpResponse("home")


urlpatterns = [
    path("", home),
    path("welcome/", welcome),
    path("admin/", admin.site.urls),
    path("phone/", include("django_flashcall.urls")),
    path("simulator/", include("django_flashcall.simulator.urls")),
]
