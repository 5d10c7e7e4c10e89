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

from django_flashcall.visitors import sessions

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
    assert not sessions.has_event(request_with_session, sessions.PROOF)
    assert not sessions.has_event(request_with_session, sessions.PROOF, max_age=timedelta(days=1))


def test_what_was_noted_grows_old(
    request_with_session: HttpRequest, clock: time_machine.Traveller
) -> None:
    sessions.record_event(request_with_session, sessions.PROOF)
    clock.shift(timedelta(minutes=5))
    age = timedelta(minutes=5)
    assert sessions.has_event(request_with_session, sessions.PROOF)
    assert not sessions.has_event(request_with_session, sessions.PROOF, max_age=age)
    assert sessions.has_event(
        request_with_session, sessions.PROOF, max_age=age + timedelta(seconds=1)
    )


def test_notes_do_not_replace_each_other(request_with_session: HttpRequest) -> None:
    sessions.record_event(request_with_session, sessions.LOGIN)
    sessions.record_event(request_with_session, sessions.PROOF)
    assert sessions.has_event(request_with_session, sessions.LOGIN)


@pytest.mark.django_db
def test_djangos_signal_of_a_login_is_noted(request_with_session: HttpRequest) -> None:
    user: Any = UserFactory()
    user_logged_in.send(type(user), request=request_with_session, user=user)
    assert sessions.has_event(request_with_session, sessions.LOGIN)


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
    sessions.hold_user(request_with_session, user)
    assert sessions.held_user(request_with_session) == user
    assert sessions.held_user(request_with_session).backend == MODEL_BACKEND
    clock.shift(sessions.HELD_FOR)
    assert sessions.held_user(request_with_session) is None


def test_nobody_is_held_in_a_fresh_session(request_with_session: HttpRequest) -> None:
    assert sessions.held_user(request_with_session) is None
