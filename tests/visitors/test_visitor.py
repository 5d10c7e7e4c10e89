"""Who the visitor of a request is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from django_flashcall.visitors import visitor as visitor_module
from tests.browser import request_from
from tests.factories import UserFactory


def address_of_header(request: HttpRequest) -> str:
    """Read the header of a proxy, as a site's own function does."""
    return str(request.META["HTTP_X_CLIENT"])


class TestAddress:
    @pytest.mark.parametrize(
        ("given", "read"),
        [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:50001", "203.0.113.7"),
            ("", ""),
            ("203.0.113.7, 10.0.0.1", ""),
        ],
    )
    def test_an_address_is_read_or_is_none(self, given: str, read: str) -> None:
        assert visitor_module.client_address(request_from(given)) == read

    @pytest.mark.parametrize(
        "source",
        ["HTTP_X_CLIENT", address_of_header, "tests.visitors.test_visitor.address_of_header"],
        ids=["key", "callable", "dotted-path"],
    )
    def test_the_address_is_where_django_ratelimit_looks(
        self, source: str | Callable[[HttpRequest], str], settings: Any
    ) -> None:
        settings.RATELIMIT_IP_META_KEY = source
        request = request_from("10.0.0.1", HTTP_X_CLIENT="203.0.113.9")
        assert visitor_module.client_address(request) == "203.0.113.9"

    def test_a_header_that_is_missing_is_no_address(self, settings: Any) -> None:
        settings.RATELIMIT_IP_META_KEY = "HTTP_X_CLIENT"
        assert visitor_module.client_address(request_from()) == ""

    def test_without_the_setting_a_header_means_nothing(self) -> None:
        request = request_from("203.0.113.7", HTTP_X_FORWARDED_FOR="198.51.100.1")
        assert visitor_module.client_address(request) == "203.0.113.7"


class TestVisitor:
    def test_a_visitor_is_nobody_without_authentication(self) -> None:
        request = request_from()
        visitor = visitor_module.visitor_of(request)
        assert (visitor.address, visitor.user, visitor.request) == ("203.0.113.7", None, request)

    def test_an_anonymous_user_is_nobody(self) -> None:
        request = request_from()
        request.user = AnonymousUser()
        assert visitor_module.visitor_of(request).user is None

    def test_a_visitor_is_who_is_logged_in(self) -> None:
        request = request_from()
        request.user = UserFactory.build()
        assert visitor_module.visitor_of(request).user == request.user
