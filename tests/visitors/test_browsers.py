"""Which browser sent a request."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.test import RequestFactory

from django_flashcall.visitors import browsers
from tests.constants import Clock


def request_with(*, method: str = "get", secret: str = "", cookie: str = "") -> HttpRequest:
    """Return a request from a browser with this CSRF secret and this cookie."""
    request: HttpRequest = getattr(RequestFactory(), method)("/")
    if secret:
        request.META["CSRF_COOKIE"] = secret
    request.COOKIES[browsers.BROWSER_COOKIE] = cookie
    return request


def cookie_of(request: HttpRequest) -> str:
    """Return the cookie with which a page is answered; empty if there is none."""
    response = browsers.keep_browser(lambda request: HttpResponse())(request)
    return response.cookies[browsers.BROWSER_COOKIE].value if response.cookies else ""


class TestBrowsers:
    def test_a_browser_without_any_cookie_is_unknown_until_it_needs_an_id(self) -> None:
        request = request_with()
        assert browsers.browser_of(request) is None
        assert browsers.identify(request) == browsers.browser_of(request)

    def test_two_browsers_without_any_cookie_are_two(self) -> None:
        assert browsers.identify(request_with()) != browsers.identify(request_with())

    def test_two_clicks_before_the_first_answer_come_from_one_browser(self) -> None:
        first, second = (request_with(method="post", secret="a" * 32) for _ in range(2))
        assert browsers.identify(first) == browsers.identify(second)

    def test_another_csrf_secret_is_another_browser(self) -> None:
        first, second = (request_with(secret=letter * 32) for letter in "ab")
        assert browsers.identify(first) != browsers.identify(second)

    def test_a_browser_stays_the_same_while_a_login_rotates_the_csrf_token(self) -> None:
        request = request_with(secret="a" * 32)
        before = browsers.browser_of(request)
        rotate_token(request)
        assert browsers.browser_of(request) == before

    def test_a_browser_stays_the_same_after_a_login(self) -> None:
        before = request_with(secret="a" * 32)
        after = request_with(secret="b" * 32, cookie=cookie_of(before))
        assert browsers.browser_of(after) == browsers.browser_of(before)

    def test_to_know_a_browser_does_not_send_its_csrf_token_again(self) -> None:
        """A late answer would replace the token that a login in another tab has brought."""
        request = request_with(method="post", secret="a" * 32)
        browsers.identify(request)
        assert "CSRF_COOKIE_NEEDS_UPDATE" not in request.META


class TestCookies:
    @pytest.mark.parametrize("method", ["get", "head"])
    def test_a_page_that_is_viewed_keeps_the_browser(self, method: str) -> None:
        request = request_with(method=method, secret="a" * 32)
        known = request_with(cookie=cookie_of(request))
        assert browsers.browser_of(known) == browsers.browser_of(request)

    def test_an_answer_to_a_post_sets_no_cookie(self) -> None:
        assert not cookie_of(request_with(method="post", secret="a" * 32))

    def test_a_page_without_a_csrf_token_sets_no_cookie(self) -> None:
        assert not cookie_of(request_with())

    @pytest.mark.parametrize(
        "forged",
        [
            str(uuid4()),
            signing.dumps(str(uuid4())),
            signing.dumps("seven", salt=browsers.BROWSER_COOKIE, key="guessed"),
        ],
        ids=["the id itself", "another salt", "another key"],
    )
    def test_a_cookie_that_was_not_signed_here_is_nobodys(self, forged: str) -> None:
        assert browsers.browser_of(request_with(cookie=forged)) is None

    def test_a_cookie_grows_old(self, clock: Clock) -> None:
        cookie = cookie_of(request_with(secret="a" * 32))
        clock.shift(browsers.REMEMBERED_FOR + timedelta(seconds=1))
        assert browsers.browser_of(request_with(cookie=cookie)) is None

    def test_the_id_does_not_reveal_the_csrf_secret(self) -> None:
        browser = browsers.identify(request_with(secret="a" * 32))
        assert isinstance(browser, UUID)
        assert "a" * 8 not in browser.hex
