"""What a site's own views ask for; how a proof is given is in test_account_views."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.views import View

from django_flashcall.decorators import NonAtomicMixin, phone_required
from django_flashcall.forms import PhoneForm
from django_flashcall.models import Phone
from django_flashcall.visitors import sessions
from tests.factories import UserFactory


def start(request: HttpRequest) -> HttpResponse:
    """Call a number."""
    form = PhoneForm(request, request.POST)
    return HttpResponse(str(form.is_valid()))


class Plain(View):
    """A view that its site forgot to take out of the transaction of its request."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do something of the site's own first, as overridden methods do."""
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Call a number."""
        return start(request)


class Safe(NonAtomicMixin, Plain):
    """The same with the mixin."""


@phone_required()
@transaction.non_atomic_requests
def decorated(request: HttpRequest) -> HttpResponse:
    """Be there."""
    return HttpResponse("here")


@phone_required()
async def waiting(request: HttpRequest) -> HttpResponse:
    """Be there, after a while."""
    return HttpResponse("here")


urlpatterns = [path("plain/", Plain.as_view()), path("safe/", Safe.as_view())]


@pytest.fixture
def atomic_requests(settings: Any) -> Any:
    settings.ROOT_URLCONF = "tests.test_decorators"
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("atomic_requests")
class TestNonAtomicMixin:
    def test_makes_a_view_safe_whose_dispatch_is_overridden(self) -> None:
        assert Client().post("/safe/", {"number": "+79991234567"}).text == "True"

    def test_without_it_the_error_names_it(self) -> None:
        client = Client(raise_request_exception=False)
        response = client.post("/plain/", {"number": "+79991234567"})
        _, error, _ = response.exc_info
        assert "NonAtomicMixin" in str(error)
        assert not Phone.objects.exists()


class TestGuardedViews:
    def test_a_guarded_view_keeps_its_marks(self) -> None:
        view: Any = decorated
        assert view.__name__ == "decorated"
        assert "default" in view._non_atomic_requests

    @pytest.mark.django_db(transaction=True)
    def test_an_async_view_is_guarded_too(self) -> None:
        request = RequestFactory().get("/")
        request.session, request.user = SessionStore(), UserFactory()
        refused = async_to_sync(waiting)(request)
        assert refused["Location"] == "/phone/again/?next=%2F"
        sessions.record_event(request, sessions.PROOF)
        assert async_to_sync(waiting)(request).content == b"here"
