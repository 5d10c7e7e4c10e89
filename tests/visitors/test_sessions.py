"""What a session keeps about a visitor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import user_logged_in
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory

from django_flashcall.visitors import sessions
from tests.browser import request_from
from tests.constants import MODEL_BACKEND, Clock
from tests.factories import UserFactory


@pytest.fixture
def request_with_session() -> HttpRequest:
    request = RequestFactory().get("/")
    request.session = SessionStore()
    return request


class TestVerifications:
    def test_a_browser_remembers_what_it_began_and_where_to_go(self) -> None:
        request, key = request_from(), uuid4()
        sessions.remember(request, key, next_url="/basket/")
        assert sessions.remembers(request, key)
        assert sessions.next_url_of(request, key) == "/basket/"
        assert not sessions.remembers(request_from(), key)
        assert sessions.next_url_of(request, uuid4()) == ""

    def test_a_browser_keeps_a_few_and_forgets_the_oldest(self) -> None:
        request = request_from()
        keys = [uuid4() for _ in range(sessions.MAX_OPEN_VERIFICATIONS + 2)]
        for key in keys:
            sessions.remember(request, key)
        assert list(map(UUID, sessions.remembered_keys(request))) == keys[2:]

    def test_what_is_begun_again_is_the_latest(self) -> None:
        request = request_from()
        keys = [uuid4() for _ in range(sessions.MAX_OPEN_VERIFICATIONS)]
        for key in [*keys, keys[0]]:
            sessions.remember(request, key)
        assert list(map(UUID, sessions.remembered_keys(request))) == [*keys[1:], keys[0]]

    def test_what_is_remembered_survives_a_session_in_a_cookie(self) -> None:
        request, key = request_from(), uuid4()
        sessions.remember(request, key, next_url="/basket/")
        request.session.save()
        later = request_from()
        later.session = SessionStore(request.session.session_key)
        assert sessions.remembers(later, key)


class TestEvents:
    def test_an_event_that_was_not_recorded_is_absent(
        self, request_with_session: HttpRequest
    ) -> None:
        assert not sessions.has_event(request_with_session, sessions.PROOF)
        assert not sessions.has_event(
            request_with_session, sessions.PROOF, max_age=timedelta(days=1)
        )

    def test_an_event_grows_old(self, request_with_session: HttpRequest, clock: Clock) -> None:
        sessions.record_event(request_with_session, sessions.PROOF)
        clock.shift(timedelta(minutes=5))
        age = timedelta(minutes=5)
        assert sessions.has_event(request_with_session, sessions.PROOF)
        assert not sessions.has_event(request_with_session, sessions.PROOF, max_age=age)
        assert sessions.has_event(
            request_with_session, sessions.PROOF, max_age=age + timedelta(seconds=1)
        )

    def test_events_do_not_replace_each_other(self, request_with_session: HttpRequest) -> None:
        sessions.record_event(request_with_session, sessions.LOGIN)
        sessions.record_event(request_with_session, sessions.PROOF)
        assert sessions.has_event(request_with_session, sessions.LOGIN)

    @pytest.mark.django_db
    def test_djangos_signal_of_a_login_is_recorded(self, request_with_session: HttpRequest) -> None:
        user: Any = UserFactory()
        user_logged_in.send(type(user), request=request_with_session, user=user)
        assert sessions.has_event(request_with_session, sessions.LOGIN)

    @pytest.mark.django_db
    def test_a_login_without_a_session_or_a_request_is_ignored(self) -> None:
        user: Any = UserFactory()
        user_logged_in.send(type(user), request=RequestFactory().get("/"), user=user)
        user_logged_in.send(type(user), request=None, user=user)


class TestHeldUsers:
    @pytest.mark.django_db
    def test_who_is_held_is_found_for_ten_minutes(
        self, request_with_session: HttpRequest, clock: Clock
    ) -> None:
        user: Any = UserFactory()
        user.backend = MODEL_BACKEND
        sessions.hold_user(request_with_session, user)
        assert sessions.held_user(request_with_session) == user
        assert sessions.held_user(request_with_session).backend == MODEL_BACKEND
        clock.shift(sessions.HELD_FOR)
        assert sessions.held_user(request_with_session) is None

    def test_nobody_is_held_in_a_fresh_session(self, request_with_session: HttpRequest) -> None:
        assert sessions.held_user(request_with_session) is None
