"""For the tests of a site: calls end in an outbox, and each test begins with nothing counted.

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
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse

from . import lines
from .providers.locmem import Delivery, outbox

CACHE = "flashcall-tests"

#: Whatever the site does with calls, a test places none and waits for no queue.
STAND_INS: dict[str, Any] = {
    "PROVIDER": "django_flashcall.providers.locmem.LocMemProvider",
    "OPTIONS": {},
    "DIALER": "django_flashcall.dialing.dial",
}


def testing_settings() -> dict[str, Any]:
    """Return the settings of a test: calls go to the outbox, rates into a cache of their own.

    So nothing is cleared in a cache that may be the site's.
    """
    cache = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": CACHE}
    return {
        "FLASHCALL": {**getattr(settings, "FLASHCALL", {}), **STAND_INS},
        "CACHES": {**settings.CACHES, CACHE: cache},
        "RATELIMIT_USE_CACHE": CACHE,
    }


@contextmanager
def fresh_outbox() -> Iterator[list[Delivery]]:
    """Give the outbox, empty; no address has knocked yet, and no provider has failed."""
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
    """Log ``client`` in as a visitor does, by the pages, and return where that leads.

    Raises ``AssertionError`` with what the page says where it does not work.
    """
    start: Any = client.post(
        reverse("django_flashcall:login"), {"number": number, "next": next_url}
    )
    _follow(start)
    page: Any = client.post(start.url, {"code": outbox[-1].code if outbox else "0"})
    _follow(page)
    response: HttpResponse = page
    return response


class PhoneTestMixin:
    """Stands before ``TestCase``: ``outbox`` has the calls of the test, the latest last."""

    client: Client
    outbox: list[Delivery]

    def setUp(self) -> None:
        """Begin with nothing called and nothing counted."""
        super().setUp()  # type: ignore[misc]
        self.outbox = self.enterContext(recorded_calls())  # type: ignore[attr-defined]

    def log_in_by_phone(self, number: str, *, next_url: str = "") -> HttpResponse:
        """Log ``self.client`` in, and return where that leads."""
        return log_in_by_phone(self.client, number, next_url=next_url)


def _forget() -> None:
    outbox.clear()
    lines.forget()
    if CACHE in settings.CACHES:
        caches[CACHE].clear()


def _follow(response: Any) -> None:
    if response.status_code == 302:
        return
    form = (response.context or {}).get("form")
    raise AssertionError(
        f"The login stopped at {response.status_code}: {getattr(form, 'errors', '')}"
    )
