"""django-allauth: login by a code that an e-mail carries; ``sign-up`` confirms a new address."""

from __future__ import annotations

import re
import sys

import harness

harness.configure(
    "allauth",
    "allauth.account",
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
    ACCOUNT_LOGIN_METHODS={"email"},
    ACCOUNT_SIGNUP_FIELDS=["email*"],
    ACCOUNT_LOGIN_BY_CODE_ENABLED=True,
    ACCOUNT_EMAIL_VERIFICATION="mandatory",
    ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED=True,
)

from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.http import HttpResponse
from django.urls import include, path

User = get_user_model()
urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("done/", lambda request: HttpResponse()),
]


def address_of(login: int) -> str:
    """Return the e-mail address of a login."""
    return f"user-{login}@example.org"


def prepare(logins: int) -> None:
    """Create users with a confirmed address, unless the visitors sign up."""
    if "sign-up" in sys.argv:
        return
    users = User.objects.bulk_create(
        User(username=f"user-{login}", email=address_of(login)) for login in range(logins)
    )
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in users
    )


def log_in(browser: harness.Browser, login: int) -> None:
    """Ask for a code, and enter it."""
    url = "/accounts/signup/" if "sign-up" in sys.argv else "/accounts/login/code/"
    browser.get(url)
    page = browser.post(url, {"email": address_of(login)})
    [code] = re.findall(r"^[A-Z0-9]{3,4}-?[A-Z0-9]{3,4}$", mail.outbox[-1].body, re.MULTILINE)
    browser.post(page["Location"], {"code": code})
    assert "_auth_user_id" in browser.client.session


if __name__ == "__main__":
    harness.run(log_in, prepare=prepare)
