"""The addresses of the pages, which sites link to and must not move."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path, reverse

KEY = UUID("5f0f3f4e-8d3c-4c9b-9a53-0d7a5c1f2b60")


def welcome(request: object) -> HttpResponse:
    """Greet whoever is in."""
    return HttpResponse("welcome")


urlpatterns = [
    path("konto/telefon/", include("django_flashcall.urls")),
    path("welcome/", welcome),
]


class TestUrls:
    def test_the_pages_have_names_and_addresses_that_stay(self) -> None:
        assert reverse("django_flashcall:login") == "/phone/login/"
        assert reverse("django_flashcall:code", args=[KEY]) == f"/phone/code/{KEY}/"

    @pytest.mark.urls(__name__)
    @pytest.mark.django_db
    def test_a_site_puts_the_pages_where_it_likes(self) -> None:
        response = Client().get("/konto/telefon/login/")

        assert response.status_code == 200
        start = Client().post("/konto/telefon/login/", {"number": "+79991234567"})
        assert start["Location"].startswith("/konto/telefon/code/")

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "key", ["1", "verification", "5f0f3f4e8d3c4c9b9a530d7a5c1f2b60", "%00"]
    )
    def test_an_address_that_is_no_key_is_not_found(self, key: str) -> None:
        assert Client().get(f"/phone/code/{key}/").status_code == 404
