"""For the tests of a site: calls are kept in an outbox, and no test affects another's limits.

::

    class LoginTest(PhoneTestMixin, TestCase):
        def test_a_visitor_logs_in_by_phone(self):
            self.log_in_by_phone("+7 999 123-45-67")
            self.assertEqual(self.outbox[-1].channel, "flash_call")

The fixture for pytest is in ``contrib.pytest``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.cache import caches
from django.dispatch import receiver
from django.http import HttpResponse
from django.test import Client, TestCase, override_settings
from django.test.signals import setting_changed
from django.urls import reverse

from .limits import breaker
from .phone import parse_number
from .providers.base import load_provider
from .providers.locmem import Delivery, LocMemProvider, outbox

CACHE = "flashcall-tests"

#: A test places no calls and uses no queue, whatever the settings of the site.
STAND_INS: dict[str, Any] = {
    "PROVIDER": "django_flashcall.providers.locmem.LocMemProvider",
    "OPTIONS": {},
    "DIALER": "django_flashcall.calls.dialing.dial",
}


def testing_settings() -> dict[str, Any]:
    """Return the settings of a test: calls go to the outbox, rates are counted in a separate cache.

    The site's own cache is not cleared, except for failures of the provider. ``DAILY_SPEND`` is
    off, since a test database has no price list.
    """
    cache = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": CACHE}
    return {
        "FLASHCALL": {**getattr(settings, "FLASHCALL", {}), **STAND_INS, "DAILY_SPEND": None},
        "CACHES": {**settings.CACHES, CACHE: cache},
        "RATELIMIT_USE_CACHE": CACHE,
    }


@receiver(setting_changed)
def keep_stand_ins(*, setting: str, enter: bool, **kwargs: Any) -> None:
    """Keep the stand-ins when a test changes other keys, so that no test places a call."""
    if setting == "FLASHCALL" and enter and getattr(settings, "RATELIMIT_USE_CACHE", "") == CACHE:
        changed: dict[str, Any] = settings.FLASHCALL
        is_ours = changed.get("PROVIDER") == STAND_INS["PROVIDER"]
        options: Any = changed.get("OPTIONS", {}) if is_ours else {}
        settings.FLASHCALL = {**changed, **STAND_INS, "OPTIONS": options}


@contextmanager
def fresh_outbox() -> Iterator[list[Delivery]]:
    """Yield the empty outbox, with no requests counted and no failures of the provider."""
    _forget()
    try:
        yield outbox
    finally:
        _forget()


@contextmanager
def recorded_calls() -> Iterator[list[Delivery]]:
    """Keep calls in the outbox instead of placing them, until the block ends."""
    with override_settings(**testing_settings()), fresh_outbox() as calls:
        yield calls


def log_in_by_phone(client: Client, number: str, *, next_url: str = "") -> HttpResponse:
    """Log ``client`` in on the pages, like a visitor, and return the final response.

    Raises ``AssertionError`` with the errors of the page if that fails.
    """
    if not isinstance(load_provider(), LocMemProvider):
        raise AssertionError("Calls are not recorded: use PhoneTestMixin or phone_outbox.")
    start: Any = client.post(
        reverse("django_flashcall:login"), {"number": number, "next": next_url}
    )
    _refuse_errors(start)
    page: Any = client.post(start.url, {"code": _code_for(number)})
    _refuse_errors(page)
    if SESSION_KEY not in client.session:
        raise AssertionError(f"The client is not logged in; the site redirects to {page.url}.")
    response: HttpResponse = page
    return response


class PhoneTestMixin:
    """Adds ``outbox`` to a ``TestCase``: the calls of the test, the latest last."""

    client: Client
    outbox: list[Delivery]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raise ``TypeError`` after ``TestCase``, whose ``setUp()`` would not call this one."""
        super().__init_subclass__(**kwargs)
        bases = cls.__mro__
        if TestCase in bases and bases.index(TestCase) < bases.index(PhoneTestMixin):
            raise TypeError(f"{cls.__name__}: list PhoneTestMixin before TestCase.")

    def setUp(self) -> None:
        """Begin with an empty outbox and empty limits."""
        super().setUp()  # type: ignore[misc]
        self.outbox = self.enterContext(recorded_calls())  # type: ignore[attr-defined]

    def log_in_by_phone(self, number: str, *, next_url: str = "") -> HttpResponse:
        """Log ``self.client`` in, and return the final response."""
        return log_in_by_phone(self.client, number, next_url=next_url)


def _forget() -> None:
    outbox.clear()
    breaker.forget()
    if CACHE in settings.CACHES:
        caches[CACHE].clear()


def _code_for(number: str) -> str:
    wanted = parse_number(number)
    codes = [call.code for call in outbox if call.number == wanted]
    if not codes:
        raise AssertionError("No call was placed. Is SIGN_UP off, or the number forbidden?")
    return codes[-1]


def _refuse_errors(response: Any) -> None:
    if response.status_code == 302:
        return
    errors = getattr((response.context or {}).get("form"), "errors", "")
    raise AssertionError(f"The login failed with status {response.status_code}: {errors}")
