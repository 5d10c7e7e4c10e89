from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import user_logged_in
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from django_flashcall import notes

from .factories import UserFactory

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


@pytest.fixture
def request_with_session() -> HttpRequest:
    request = RequestFactory().get("/")
    request.session = SessionStore()
    return request


def test_what_was_not_noted_never_was(request_with_session: HttpRequest) -> None:
    assert not notes.was_noted(request_with_session, notes.PROOF)
    assert not notes.was_noted(request_with_session, notes.PROOF, max_age=timedelta(days=1))


def test_what_was_noted_grows_old(
    request_with_session: HttpRequest, clock: time_machine.Traveller
) -> None:
    notes.note(request_with_session, notes.PROOF)
    clock.shift(timedelta(minutes=5))
    age = timedelta(minutes=5)
    assert notes.was_noted(request_with_session, notes.PROOF)
    assert not notes.was_noted(request_with_session, notes.PROOF, max_age=age)
    assert notes.was_noted(request_with_session, notes.PROOF, max_age=age + timedelta(seconds=1))


def test_notes_do_not_replace_each_other(request_with_session: HttpRequest) -> None:
    notes.note(request_with_session, notes.LOGIN)
    notes.note(request_with_session, notes.PROOF)
    assert notes.was_noted(request_with_session, notes.LOGIN)


@pytest.mark.django_db
def test_djangos_signal_of_a_login_is_noted(request_with_session: HttpRequest) -> None:
    user: Any = UserFactory()
    user_logged_in.send(type(user), request=request_with_session, user=user)
    assert notes.was_noted(request_with_session, notes.LOGIN)


@pytest.mark.django_db
def test_a_login_without_a_session_or_a_request_is_nobodys_business() -> None:
    user: Any = UserFactory()
    user_logged_in.send(type(user), request=RequestFactory().get("/"), user=user)
    user_logged_in.send(type(user), request=None, user=user)


@pytest.mark.django_db
def test_who_is_held_is_found_for_ten_minutes(
    request_with_session: HttpRequest, clock: time_machine.Traveller
) -> None:
    user: Any = UserFactory()
    user.backend = MODEL_BACKEND
    notes.hold(request_with_session, user)
    assert notes.held_user(request_with_session) == user
    assert notes.held_user(request_with_session).backend == MODEL_BACKEND
    clock.shift(notes.HELD_FOR)
    assert notes.held_user(request_with_session) is None


def test_nobody_is_held_in_a_fresh_session(request_with_session: HttpRequest) -> None:
    assert notes.held_user(request_with_session) is None
