"""Which database is read, and which views have no transaction; the rest is in promises."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.views import View

from django_flashcall.databases import non_atomic, written_user, written_users
from django_flashcall.decorators import NonAtomicMixin
from django_flashcall.panel.phones import PhoneAdmin
from django_flashcall.simulator.decorators import only_in_debug
from tests.factories import UserFactory


def plain(request: HttpRequest) -> HttpResponse:
    """Be there."""
    return HttpResponse("here")


class Safe(NonAtomicMixin, View):
    """A view with the mixin."""


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrap every request into transactions on two databases."""
    for alias in ("default", "archive"):
        database = {**connections.settings["default"], "ATOMIC_REQUESTS": True}
        monkeypatch.setitem(connections.settings, alias, database)


class TestNonAtomic:
    @pytest.mark.usefixtures("several")
    def test_a_request_has_no_transaction_on_any_database(self) -> None:
        handler: Any = BaseHandler()
        assert handler.make_view_atomic(plain) is not plain
        for view in (non_atomic(lambda request: None), only_in_debug(plain), Safe.as_view()):
            assert handler.make_view_atomic(view) is view

    def test_the_actions_on_numbers_have_none_either(self) -> None:
        view: Any = PhoneAdmin.changelist_view
        assert view._non_atomic_requests >= set(connections)


@pytest.mark.django_db
class TestUsers:
    def test_are_those_of_the_database_that_is_written(self, settings: Any) -> None:
        settings.DATABASE_ROUTERS = ["tests.routers.StrictRouter"]
        user = UserFactory()
        assert written_users().get() == user

    def test_who_was_read_there_is_not_read_again(
        self, django_assert_num_queries: Any, settings: Any
    ) -> None:
        user = UserFactory()
        with django_assert_num_queries(0):
            assert written_user(user) is user

    def test_who_was_read_elsewhere_is_read_again(self) -> None:
        user: Any = UserFactory()
        user._state.db, user.is_active = "replica", False
        assert written_user(user).is_active
        written_users().all().delete()
        assert written_user(user) is None
