"""drfpasswordless: a code by e-mail, exchanged for a token of Django REST framework."""

from __future__ import annotations

import re

import harness

harness.configure(
    "rest_framework",
    "rest_framework.authtoken",
    "drfpasswordless",
    PASSWORDLESS_AUTH={
        "PASSWORDLESS_AUTH_TYPES": ["EMAIL"],
        "PASSWORDLESS_EMAIL_NOREPLY_ADDRESS": "noreply@example.org",
        "PASSWORDLESS_REGISTER_NEW_USERS": False,
    },
)

from django.contrib.auth import get_user_model
from django.core import mail
from django.urls import include, path

User = get_user_model()
urlpatterns = [path("", include("drfpasswordless.urls"))]


def prepare(logins: int) -> None:
    """Create the users."""
    User.objects.bulk_create(
        User(username=f"user-{login}", email=f"user-{login}@example.org") for login in range(logins)
    )


def log_in(browser: harness.Browser, login: int) -> None:
    """Ask for a code, and exchange it for a token."""
    data = {"email": f"user-{login}@example.org"}
    browser.post("/auth/email/", data, content_type="application/json")
    [code] = re.findall(r"\b\d{6}\b", mail.outbox[-1].body)
    reply = browser.post("/auth/token/", {**data, "token": code}, content_type="application/json")
    assert reply.json()["token"]


if __name__ == "__main__":
    harness.run(log_in, prepare=prepare)
