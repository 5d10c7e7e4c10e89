"""The pages of the site, and one that forgot ``non_atomic_requests``."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from django_flashcall.forms import PhoneForm
from tests.urls import urlpatterns as pages


@login_not_required
def atomic(request: HttpRequest) -> HttpResponse:
    """Call a number inside the transaction of the request."""
    return HttpResponse(str(PhoneForm(request, request.POST).is_valid()))


urlpatterns = [path("atomic/", atomic), *pages]
