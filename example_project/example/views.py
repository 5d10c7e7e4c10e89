"""The site's own views: one behind the login, and one that is a login page with our form in it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from django_flashcall.forms import PhoneForm


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show who is logged in."""
    return render(request, "example/account.html")


@never_cache
@non_atomic_requests
def own_login(request: HttpRequest) -> HttpResponse:
    """Ask for the number on a page of the site's own; the code is typed on the package's page."""
    form = PhoneForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("django_flashcall:code", form.verification.key)
    return render(request, "example/own_login.html", {"form": form})
