"""django-two-factor-auth: a password, then a code by SMS."""

from __future__ import annotations

from typing import Any

import harness

TOKENS: list[str] = []

harness.configure(
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "two_factor",
    "two_factor.plugins.phonenumber",
    MIDDLEWARE=["django_otp.middleware.OTPMiddleware"],
    LOGIN_URL="two_factor:login",
    TWO_FACTOR_SMS_GATEWAY="__main__.Outbox",
)

from django.contrib.auth import get_user_model
from django.urls import include, path
from two_factor.plugins.phonenumber.models import PhoneDevice
from two_factor.urls import urlpatterns as two_factor_urls

User = get_user_model()
urlpatterns = [path("", include(two_factor_urls))]
LOGIN = "/account/login/"


class Outbox:
    """Keeps codes instead of sending them."""

    def send_sms(self, device: Any, token: str) -> None:
        """Keep a code."""
        TOKENS.append(token)


def prepare(logins: int) -> None:
    """Create users with a password and a phone."""
    for login in range(logins):
        user = User.objects.create_user(f"user-{login}", password="secret")  # noqa: S106
        PhoneDevice.objects.create(
            user=user, name="default", number=f"+7999{login:07}", method="sms", confirmed=True
        )


def log_in(browser: harness.Browser, login: int) -> None:
    """Give the password, then the code."""
    browser.get(LOGIN)
    step = "login_view-current_step"
    browser.post(
        LOGIN,
        {step: "auth", "auth-username": f"user-{login}", "auth-password": "secret"},
    )
    browser.post(LOGIN, {step: "token", "token-otp_token": TOKENS[-1]})
    assert "_auth_user_id" in browser.client.session


if __name__ == "__main__":
    harness.run(log_in, prepare=prepare)
