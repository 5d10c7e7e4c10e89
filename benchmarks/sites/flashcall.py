"""This package, with every limit and a spend cap; ``sign-up`` uses numbers without a user."""

from __future__ import annotations

import sys
from decimal import Decimal

import harness

harness.configure(
    "django_flashcall",
    AUTHENTICATION_BACKENDS=["django_flashcall.backends.PhoneBackend"],
    FLASHCALL={
        "PROVIDER": "django_flashcall.providers.locmem.LocMemProvider",
        "DAILY_SPEND": Decimal(1_000_000),
        "SITE_DAILY_ATTEMPTS": 1_000_000,
    },
)

from django.contrib.auth import get_user_model
from django.urls import include, path
from django.utils import timezone

from django_flashcall.models import Phone, Price
from django_flashcall.providers import locmem

User = get_user_model()
urlpatterns = [path("phone/", include("django_flashcall.urls"))]


def number_of(login: int) -> str:
    """Return a number whose block no login nearby uses."""
    return f"+7999{login % 1000:03}{login // 1000:04}"


def prepare(logins: int) -> None:
    """Create a price, and a user for each number unless the visitors sign up."""
    Price.objects.create(prefix="+7", amount=Decimal("0.35"))
    if "sign-up" in sys.argv:
        return
    users = User.objects.bulk_create(User(username=f"user-{login}") for login in range(logins))
    Phone.objects.bulk_create(
        Phone(number=number_of(login), user=user, verified_at=timezone.now())
        for login, user in enumerate(users)
    )


def log_in(browser: harness.Browser, login: int) -> None:
    """Ask for a call, and enter its code."""
    page = browser.get("/phone/login/")
    key = str(page.context["form"]["key"].value())
    page = browser.post("/phone/login/", {"number": number_of(login), "key": key})
    browser.post(page["Location"], {"code": locmem.outbox[-1].code})
    assert "_auth_user_id" in browser.client.session


if __name__ == "__main__":
    harness.run(log_in, prepare=prepare)
