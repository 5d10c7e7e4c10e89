"""GET, HEAD and OPTIONS change nothing, whatever is in their query, on every page.

Browsers load pages in advance, and other sites link to them. The pages are read from the URL
patterns, so a new page is tried as soon as it has one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import URLPattern, reverse

import django_flashcall
from django_flashcall.choices import AttemptStatus, Purpose, VerificationStatus
from django_flashcall.models import Phone, Verification, VerificationAttempt
from django_flashcall.simulator.exchange import exchange
from django_flashcall.visitors import messages
from django_flashcall.visitors.browsers import BROWSER_COOKIE, browser_of
from tests.browser import Browser, request_from
from tests.constants import (
    DISTANT,
    LOGIN,
    MODEL_BACKEND,
    NOON,
    NUMBER,
    OTHER,
    PASSWORD,
    Clock,
    Outbox,
)
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    PriceFactory,
    UsageFactory,
    UserFactory,
    VerificationFactory,
)

pytestmark = pytest.mark.django_db

METHODS = ["get", "head", "options"]

#: What the forms and buttons of the pages send, in a link.
QUERY = {
    "number": OTHER,
    "phone": "1",
    "code": "1234",
    "channel": "voice",
    "cancel": "1",
    "login_again": "1",
    "fault": "http_500",
    "next": "/welcome/",
}


def pages() -> Iterator[tuple[str, URLPattern]]:
    """Yield the namespace and the pattern of each page that the package has."""
    modules = pkgutil.walk_packages(django_flashcall.__path__, "django_flashcall.")
    for module in modules:
        if module.name.endswith(".urls"):
            urls = importlib.import_module(module.name)
            yield from ((urls.app_name, pattern) for pattern in urls.urlpatterns)


def admin_pages() -> Iterator[tuple[str, URLPattern]]:
    """Yield the same for each page of the admin."""
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == "django_flashcall":
            yield from (("admin", pattern) for pattern in model_admin.urls if pattern.name)


PAGES = {f"{namespace}:{pattern.name}": pattern for namespace, pattern in pages()}
ADMIN_PAGES = {f"{namespace}:{pattern.name}": pattern for namespace, pattern in admin_pages()}

#: The pages, and the states of the verification for those that have its key.
KINDS = ["pending", "approved", "killed"]
CASES = [
    (name, kind)
    for name, pattern in PAGES.items()
    for kind in (KINDS if pattern.pattern.converters else KINDS[:1])
]


@dataclass
class State:
    """A browser, and what must still be the same after it looked at a page."""

    client: Client
    outbox: Outbox

    def __call__(self) -> dict[str, Any]:
        """Return all calls and cookies."""
        cookies = {name: self.client.cookies[name].value for name in self.kept_cookies()}
        exchanged = (exchange.calls, exchange.requests, list(map(vars, exchange.arranged)))
        return {"calls": list(self.outbox), "cookies": cookies, "exchange": exchanged}

    def kept_cookies(self) -> list[str]:
        """Return the names of the cookies, except those that every page renews."""
        return [name for name in self.client.cookies if name not in ("csrftoken", BROWSER_COOKIE)]


def begin(client: Client) -> None:
    """Let all verifications belong to the browser."""
    client.get(LOGIN)
    request = request_from()
    request.COOKIES = {name: cookie.value for name, cookie in client.cookies.items()}
    Verification.objects.update(browser=browser_of(request), next_url="/welcome/")


def verifications_of(user: Any, phone: Phone, *, kind: str) -> list[Verification]:
    """Return a verification of each purpose, in the state ``kind``."""
    fields = {"approved": {"status": VerificationStatus.APPROVED, "approved_at": NOON, "checks": 1}}
    attempts = {"killed": {"status": AttemptStatus.REQUESTED, "created_at": NOON, "code": ""}}
    made = []
    for purpose in Purpose.values:
        owner = None if purpose == Purpose.LOGIN else user
        verification = VerificationFactory(
            phone=phone, user=owner, purpose=purpose, created_at=NOON, **fields.get(kind, {})
        )
        AttemptFactory(verification=verification, **attempts.get(kind, {"created_at": NOON}))
        made.append(verification)
    return made


def hold(client: Client, user: Any) -> None:
    """Let the session hold a user whose password was right."""
    client.post("/password/", {"username": user.username, "password": PASSWORD})


@pytest.fixture(
    params=["stranger", "user", "old login", "old login without a number", "new number", "held"]
)
def visitor_client(request: Any, user: Any, clock: Clock) -> Client:
    """Return the browser of a visitor of each kind."""
    client = Client()
    added_at = NOON + timedelta(seconds=1) if request.param == "new number" else None
    PhoneFactory(number=NUMBER, user=user, added_at=added_at)
    if request.param == "held":
        hold(client, user)
    elif request.param != "stranger":
        client.force_login(user, backend=MODEL_BACKEND)
    if request.param.startswith("old login"):
        clock.shift(timedelta(hours=1))
    if request.param == "old login without a number":
        Phone.objects.update(user=None, verified_at=None)
    return client


def changes_of(client: Client, url: str, outbox: Outbox) -> list[str]:
    """Return the methods and queries that changed something."""
    state = State(client, outbox)
    before = state()
    changing = []
    for method, query in [("get", {}), *((method, QUERY) for method in METHODS)]:
        with statements() as executed:
            response = getattr(client, method)(url, query_params=query)
        assert response.status_code < 500
        if state() != before or any(map(is_write, executed)):
            changing.append(f"{method} {query}")
            before = state()
    return changing


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that the block executes."""
    executed: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        executed.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(note):
        yield executed


def is_write(sql: str) -> bool:
    """Return whether the statement may have changed a row."""
    return sql.startswith(("INSERT", "UPDATE", "DELETE", "REPLACE"))


class TestSafeMethods:
    @pytest.mark.parametrize(("name", "kind"), CASES)
    def test_change_nothing_on_any_page(
        self,
        name: str,
        kind: str,
        visitor_client: Client,
        user: Any,
        outbox: Outbox,
        settings: Any,
        clock: Clock,
    ) -> None:
        settings.DEBUG = True  # for the simulator
        phone = Phone.objects.get()
        made = verifications_of(user, phone, kind=kind)
        begin(visitor_client)
        if kind == "killed":
            clock.shift(timedelta(minutes=4))
        url = self.url_of(name, made)

        assert changes_of(visitor_client, url, outbox) == []

    def url_of(self, name: str, made: list[Verification]) -> str:
        """Return the URL of a page; a page with a new kind of argument needs a value here."""
        pattern = PAGES[name]
        view_class = getattr(pattern.callback, "view_class", None)
        keys = {one.purpose: one.key for one in made}
        values = {"key": keys.get(getattr(view_class, "purpose", None))}
        return reverse(name, kwargs={key: values[key] for key in pattern.pattern.converters})

    @pytest.mark.parametrize("name", ADMIN_PAGES)
    def test_change_nothing_in_the_admin(
        self, name: str, outbox: Outbox, clock: Clock, settings: Any
    ) -> None:
        client = Client()
        client.force_login(UserFactory(is_staff=True, is_superuser=True), backend=MODEL_BACKEND)
        phone = PhoneFactory(number=DISTANT)
        AttemptFactory(
            verification__phone=phone, status=AttemptStatus.REQUESTED, created_at=NOON, code=""
        )
        rows = {"phone": phone, "price": PriceFactory(), "usage": UsageFactory()}
        rows["verification"] = Verification.objects.get()
        clock.shift(timedelta(minutes=9))
        pattern = ADMIN_PAGES[name]
        model = name.removeprefix("admin:django_flashcall_").partition("_")[0]
        values = {"object_id": rows[model].pk}
        url = reverse(name, kwargs={key: values[key] for key in pattern.pattern.converters})

        assert changes_of(client, url, outbox) == []

    def test_are_noticed_if_they_change_a_row(self) -> None:
        with statements() as executed:
            Phone.objects.update(blocked_at=None)
            PhoneFactory()
        assert [is_write(sql) for sql in executed] == [True, True]

    def test_are_tried_on_every_page(self) -> None:
        assert {"django_flashcall:login", "flashcall_simulator:send"} <= PAGES.keys()
        assert "admin:django_flashcall_price_changelist" in ADMIN_PAGES


class TestAMessage:
    def test_stays_for_a_visitor_whose_browser_loaded_the_page_in_advance(
        self, own_browser: Browser, clock: Clock
    ) -> None:
        own_browser.ask(NUMBER)
        own_browser.client.post(own_browser.url, own_browser.data("Call again"))
        for method in METHODS:
            getattr(own_browser.client, method)(own_browser.url)

        assert "We have just called this number." in own_browser.open(own_browser.url).text

    def test_goes_with_the_next_click(self, own_browser: Browser, clock: Clock) -> None:
        own_browser.ask(NUMBER)
        own_browser.press("Call again")

        page = own_browser.answer("12")

        assert "We have just called this number." not in page.text

    def test_grows_old(self, own_browser: Browser, clock: Clock) -> None:
        own_browser.ask(NUMBER)
        own_browser.press("Call again")
        clock.shift(messages.KEPT_FOR + timedelta(seconds=1))

        page = own_browser.open(own_browser.url)

        assert "We have just called this number." not in page.text


class TestAKilledCall:
    def test_is_shown_as_unknown_and_recorded_with_the_next_click(
        self, own_browser: Browser, clock: Clock
    ) -> None:
        own_browser.ask(NUMBER)
        VerificationAttempt.objects.update(
            status=AttemptStatus.REQUESTED, code_digest="", answered_at=None
        )
        clock.shift(timedelta(minutes=4))
        page = own_browser.open(own_browser.url)
        assert "We do not know whether the call" in page.text
        assert VerificationAttempt.objects.get().status == AttemptStatus.REQUESTED

        own_browser.press("Call again")

        assert VerificationAttempt.objects.earliest("pk").status == AttemptStatus.UNKNOWN
