"""The least that Django can do: a row per attempt, one conditional UPDATE, and ``login()``."""

from __future__ import annotations

import harness

harness.configure()

from django.contrib.auth import get_user_model, login
from django.db import connection, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import path

User = get_user_model()


class Attempt(models.Model):
    """One attempt to log in."""

    number = models.CharField(max_length=16)
    used = models.BooleanField(default=False)

    class Meta:
        app_label = "baseline"

    def __str__(self) -> str:
        return self.number


def start(request: HttpRequest) -> HttpResponse:
    """Record an attempt, and remember it in the session."""
    if request.method != "POST":
        return HttpResponse(get_token(request))
    request.session["attempt"] = Attempt.objects.create(number=request.POST["number"]).pk
    return HttpResponseRedirect("/check/")


def check(request: HttpRequest) -> HttpResponse:
    """Use the attempt up, and log in."""
    these = Attempt.objects.filter(pk=request.session["attempt"], used=False)
    if these.update(used=True):
        user = User.objects.get(username=request.POST["number"])
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect("/done/")


urlpatterns = [path("start/", start), path("check/", check)]


def prepare(logins: int) -> None:
    """Create the table and the users."""
    with connection.schema_editor() as editor:
        editor.create_model(Attempt)
    User.objects.bulk_create(User(username=f"{number}") for number in range(logins))


def log_in(browser: harness.Browser, number: int) -> None:
    """Post the number twice."""
    browser.get("/start/")
    browser.post("/start/", {"number": f"{number}"})
    browser.post("/check/", {"number": f"{number}"})
    assert "_auth_user_id" in browser.client.session


if __name__ == "__main__":
    harness.run(log_in, prepare=prepare)
