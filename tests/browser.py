"""A visitor's browser without JavaScript: it reads pages, fills in forms and goes where it is sent.

It posts what the page holds and nothing else, and the site enforces CSRF, so that a form that
lacks a field fails here as it would at the visitor's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.contrib.auth import get_user
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.constants import Outbox
from tests.logins import wrong

Attributes = dict[str, str]

VOID = {"input", "link", "meta", "br", "hr", "img"}
NOT_READ = {"title", "script", "style"}

#: What nobody sees of a text: marks of direction, and that a hyphen does not break.
UNSEEN = {0x2066: None, 0x2069: None, 0x2011: "-"}


@dataclass
class Form:
    """What a form would send, and the buttons that send it."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)


class Page(HTMLParser):
    """What can be seen on a page, and what a browser knows of it beside that."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.title = ""
        self.forms: list[Form] = []
        self.tags: list[tuple[str, Attributes]] = []
        self._open: list[tuple[str, Attributes]] = []
        self._words: list[str] = []
        self.feed(html)
        self.close()
        self.title = " ".join(self.title.split())
        self.text = " ".join("".join(self._words).translate(UNSEEN).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element, and what a form gains by it."""
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag == "form":
            self.forms.append(Form(action=attributes.get("action", "")))
        if tag == "input" and self.forms:
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        if tag not in VOID:
            self._open.append((tag, attributes))
            self._words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """Leave the element; whatever is not closed properly is a mistake of the template."""
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"
        self._words.append(" ")

    def handle_data(self, data: str) -> None:
        """Read a text, unless it is hidden."""
        inside = [tag for tag, _ in self._open]
        if "title" in inside:
            self.title += data
        if not NOT_READ & {*inside} and not any("hidden" in attrs for _, attrs in self._open):
            self._words.append(data)
        if inside and inside[-1] == "button":
            self._add_button(data.strip(), self._open[-1][1])

    def _add_button(self, text: str, attributes: Attributes) -> None:
        sent = {attributes["name"]: attributes["value"]} if "name" in attributes else {}
        self.forms[-1].buttons[text] = sent

    @property
    def buttons(self) -> list[str]:
        """What is written on the buttons."""
        return [text for form in self.forms for text in form.buttons]

    @property
    def ids(self) -> list[str]:
        """The ids of all elements."""
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def elements(self, tag: str, **wanted: str) -> list[Attributes]:
        """Return the attributes of each ``tag`` that has the ``wanted`` ones."""
        return [
            attributes for name, attributes in self.tags if name == tag and has(attributes, wanted)
        ]

    def input(self, name: str) -> Attributes:
        """Return the attributes of the one input of that name."""
        [attributes] = self.elements("input", name=name)
        return attributes


def has(attributes: Attributes, wanted: Attributes) -> bool:
    """Return whether ``attributes`` has all that is ``wanted``."""
    return attributes.items() >= wanted.items()


class Browser:
    """Holds the cookies, and the page that it shows."""

    def __init__(self, client: Client | None = None) -> None:
        self.client = client or Client(enforce_csrf_checks=True)
        self.url = ""
        self.response = HttpResponse()

    @property
    def page(self) -> Page:
        """The page that is shown."""
        return Page(self.response.content.decode())

    def open(self, url: str, **headers: str) -> Page:
        """Type an address."""
        return self._show(url, self.client.get(url, follow=True, headers=headers))

    def press(self, button: str, **typed: str) -> Page:
        """Type into the form that has this button, and press it."""
        [form] = [form for form in self.page.forms if button in form.buttons]
        assert typed.keys() <= form.fields.keys(), f"{form} has no place for {typed}"
        url = form.action or self.url
        return self._show(url, self.client.post(url, self.data(button, **typed), follow=True))

    def data(self, button: str, **typed: str) -> dict[str, str]:
        """Return what pressing the button would send."""
        [form] = [form for form in self.page.forms if button in form.buttons]
        return {**form.fields, **typed, **form.buttons[button]}

    def ask(self, number: str, *, next_url: str = "") -> Page:
        """Open the login page, type a number and have it called."""
        query = {"next": next_url} if next_url else None
        self.open(reverse("django_flashcall:login", query=query))
        return self.press("Call me", number=number)

    def answer(self, code: str) -> Page:
        """Type the digits."""
        return self.press("Continue", code=code)

    def second_tab(self) -> Browser:
        """Open another tab, on the same page and with the same cookies."""
        tab = Browser(self.client)
        tab.url, tab.response = self.url, self.response
        return tab

    def _show(self, url: str, response: Any) -> Page:
        self.url = response.redirect_chain[-1][0] if response.redirect_chain else url
        self.response = response
        return self.page


def fail_three_times(browser: Browser, code: str) -> Page:
    """Type three wrong codes."""
    for _ in range(3):
        browser.answer(wrong(code))
    return browser.page


def user_of(browser: Browser) -> Any:
    """Return who is logged in."""
    request = RequestFactory().get("/")
    request.session = browser.client.session
    return get_user(request)


def is_logged_in(browser: Browser) -> bool:
    """Return whether the site knows who this is."""
    return bool(user_of(browser).is_authenticated)


def request_from(address: str = "203.0.113.7", **meta: Any) -> HttpRequest:
    """Return a request from ``address``, with an empty session."""
    request = RequestFactory().post("/", REMOTE_ADDR=address, **meta)
    request.session = SessionStore()
    return request


def prove(browser: Browser, url: str, number: str, outbox: Outbox) -> Page:
    """Type a number on the page at ``url``, and the digits on the next."""
    browser.open(url)
    browser.press("Call me", number=number)
    return browser.answer(outbox[-1].code)


def prove_own(browser: Browser, url: str, outbox: Outbox) -> Page:
    """Call the user's own number, and type the digits."""
    browser.open(url)
    browser.press("Call me")
    return browser.answer(outbox[-1].code)
