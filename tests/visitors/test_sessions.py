"""What a session keeps about a visitor."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib import auth
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, user_logged_in
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.crypto import get_random_string

from django_flashcall.visitors import sessions
from tests.constants import MODEL_BACKEND, Clock
from tests.factories import UserFactory

AUTH_KEYS = (BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY)


@pytest.fixture
def request_with_session() -> HttpRequest:
    request = RequestFactory().get("/")
    request.session = SessionStore()
    return request


class TestUrls:
    def test_a_url_is_stored_up_to_the_limit_and_no_further(self) -> None:
        longest = "/" + "x" * (sessions.MAX_URL_LENGTH - 1)
        assert sessions.bounded_url(longest) == longest
        assert sessions.bounded_url(longest + "x") == ""

    def test_a_url_is_measured_as_it_is_sent(self) -> None:
        assert sessions.bounded_url("/привет/\0") == "/%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82/%00"
        assert sessions.bounded_url("/" + "я" * (sessions.MAX_URL_LENGTH // 6 + 1)) == ""

    @pytest.mark.parametrize("letter", ["x", "/", "я", "😀"])
    def test_a_redirect_that_names_the_longest_url_is_short_enough_for_django(
        self, letter: str
    ) -> None:
        for length in range(sessions.MAX_URL_LENGTH + 2):
            url = sessions.url_with_next("django_flashcall:login", next_url="/" + letter * length)
            assert len(url) < 2048

    def test_a_url_of_another_site_is_not_requested(self) -> None:
        request = RequestFactory().post("/", {"next": "https://example.com/"})
        assert sessions.requested_url(request) == ""


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


@pytest.mark.django_db
class TestSize:
    def test_the_fullest_session_fits_into_a_signed_cookie(self, settings: Any) -> None:
        url = "/" + get_random_string(sessions.MAX_URL_LENGTH - 1)
        request = RequestFactory().get(url)
        request.session = SessionStore()
        user: Any = UserFactory()
        user.backend = MODEL_BACKEND
        request.user = user
        sessions.mark_proof(request, added_at=None)
        auth.login(request, user)
        sessions.hold_user(request, user)
        ours = {*request.session.keys()} - {*AUTH_KEYS}
        assert ours == {sessions.EVENTS_KEY, sessions.HELD_KEY}
        assert request.session[sessions.HELD_KEY]["page"] == url
        request.session["site"] = get_random_string(800)

        request.session.save()

        cookie = SimpleCookie({settings.SESSION_COOKIE_NAME: request.session.session_key})
        assert len(cookie.output(header="")) < 4096

    def test_a_longer_url_of_the_page_of_the_password_is_not_kept(self) -> None:
        request = RequestFactory().get("/", {"next": "x" * sessions.MAX_URL_LENGTH})
        request.session = SessionStore()
        sessions.hold_user(request, UserFactory())
        assert sessions.password_page(request) == ""
