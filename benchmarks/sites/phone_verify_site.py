"""django-phone-verify: a code by SMS, with a view of the site that logs in."""

from __future__ import annotations

import re
from typing import Any

import harness

OUTBOX: list[str] = []

harness.configure(
    "rest_framework",
    "phone_verify",
    PHONE_VERIFICATION={
        "BACKEND": "__main__.Outbox",
        "OPTIONS": {"FROM": "site"},
        "TOKEN_LENGTH": 6,
        "MESSAGE": "Your code is {security_code}.",
        "APP_NAME": "site",
        "SECURITY_CODE_EXPIRATION_SECONDS": 300,
        "VERIFY_SECURITY_CODE_ONLY_ONCE": True,
    },
)

from django.contrib.auth import get_user_model, login
from django.urls import include, path
from phone_verify.api import VerificationViewSet
from phone_verify.backends.base import BaseBackend
from phone_verify.serializers import SMSVerificationSerializer
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter

User = get_user_model()


class Outbox(BaseBackend):  # type: ignore[misc]  # without types
    """Keeps messages instead of sending them."""

    def send_sms(self, number: str, message: str) -> None:
        """Keep a message."""
        OUTBOX.append(message)

    def send_bulk_sms(self, numbers: Any, message: str) -> None:
        """Keep a message."""
        OUTBOX.append(message)


@api_view(["POST"])
def check(request: Request) -> Response:
    """Check the code, and log in, as the package's documentation suggests."""
    serializer = SMSVerificationSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    user = User.objects.get(username=request.data["phone_number"])
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return Response()


router = DefaultRouter()
router.register("phone", VerificationViewSet, basename="phone")
urlpatterns = [path("check/", check), path("", include(router.urls))]


def number_of(number: int) -> str:
    """Return the number of a login."""
    return f"+7999{number:07}"


def prepare(logins: int) -> None:
    """Create the users."""
    User.objects.bulk_create(User(username=number_of(number)) for number in range(logins))


def log_in(browser: harness.Browser, number: int) -> None:
    """Ask for a code, and check it."""
    data = {"phone_number": number_of(number)}
    reply = browser.post("/phone/register/", data, content_type="application/json")
    [code] = re.findall(r"\d{6}", OUTBOX[-1])
    data |= {"security_code": code, "session_token": reply.json()["session_token"]}
    browser.post("/check/", data, content_type="application/json")
    assert "_auth_user_id" in browser.client.session


if __name__ == "__main__":
    harness.run(log_in, prepare=prepare)
