"""Small signed cookies."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse

from django_flashcall.clock import DAY
from django_flashcall.visitors import cookies


class TestCookies:
    def test_a_cookie_that_a_browser_may_drop_is_not_set(self) -> None:
        response = HttpResponse()
        with pytest.raises(ValueError, match="Store less in it"):
            cookies.set_cookie(response, "x", [str(uuid4()) for _ in range(100)], max_age=DAY)
        assert not response.cookies

    @pytest.mark.parametrize(
        ("of_session", "ours"), [("Lax", "Lax"), ("Strict", "Lax"), ("None", "None")]
    )
    def test_a_cookie_goes_along_where_the_session_goes(
        self, of_session: str, ours: str, settings: Any
    ) -> None:
        settings.SESSION_COOKIE_SAMESITE = of_session
        settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_SECURE = "/site/", True
        response = HttpResponse()
        cookies.set_cookie(response, "x", 1, max_age=DAY)
        cookie = response.cookies["x"]
        assert (cookie["samesite"], cookie["path"], cookie["secure"]) == (ours, "/site/", True)

    def test_a_cookie_is_deleted_where_it_was_set(self, settings: Any) -> None:
        settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN = "/site/", "example.com"
        response = HttpResponse()
        cookies.delete_cookie(response, "x")
        cookie = response.cookies["x"]
        assert (cookie["max-age"], cookie["path"]) == (0, "/site/")
        assert cookie["domain"] == "example.com"
