"""Tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from django_flashcall.account_forms import (
    ChangeCodeForm,
    ChangeForm,
    ConfirmCodeForm,
    ConfirmForm,
    ReauthenticateCodeForm,
    ReauthenticateForm,
    SecondStepCodeForm,
    SecondStepForm,
)
from django_flashcall.forms import CodeForm, StartForm
from django_flashcall.models import Phone
from django_flashcall.visitors import sessions
from tests.constants import DISTANT, MODEL_BACKEND, NUMBER, Outbox
from tests.factories import PhoneFactory, UserFactory

pytestmark = pytest.mark.django_db


PAIRS: list[tuple[type[StartForm], type[CodeForm]]] = [
    (ConfirmForm, ConfirmCodeForm),
    (ChangeForm, ChangeCodeForm),
    (ReauthenticateForm, ReauthenticateCodeForm),
    (SecondStepForm, SecondStepCodeForm),
]


@pytest.fixture
def user() -> Any:
    user = UserFactory()
    PhoneFactory(number=DISTANT, user=user)
    return user


def request_of(user: Any) -> HttpRequest:
    """Return a request in a session of its own."""
    request = RequestFactory().post("/")
    request.session, request.user = SessionStore(), user
    if user.is_authenticated:
        sessions.record_event(request, sessions.LOGIN)
    return request


def request_for(start: type[StartForm], user: Any) -> HttpRequest:
    """Return the request in which ``user`` fills in this form."""
    if start is not SecondStepForm:
        return request_of(user)
    request = request_of(AnonymousUser())
    user.backend = MODEL_BACKEND
    sessions.hold_user(request, user)
    return request


def begin(start: type[StartForm], request: HttpRequest, **data: str) -> StartForm:
    """Fill the first form in; it must be valid."""
    form = start(request, {"number": NUMBER, **data})
    assert form.is_valid(), form.errors
    return form


class TestProvingWithAPairOfForms:
    @pytest.mark.parametrize(("start", "take"), PAIRS)
    def test_a_pair_of_forms_proves_the_number_in_any_view(
        self, start: type[StartForm], take: type[CodeForm], user: Any, outbox: Outbox
    ) -> None:
        request = request_for(start, user)
        verification = begin(start, request).verification
        form = take(request, {"code": outbox[-1].code}, verification=verification)
        assert form.is_valid(), form.errors
        if take is SecondStepCodeForm:
            assert form.get_user() == user
        else:
            again = start is ReauthenticateForm
            assert (
                sessions.has_event(request, sessions.PROOF, max_age=timedelta(minutes=1)) is again
            )
            assert Phone.objects.get(number=outbox[-1].number) == form.phone  # type: ignore[attr-defined]
            assert form.phone.user == user  # type: ignore[attr-defined]

    @pytest.mark.parametrize(("start", "take"), PAIRS)
    def test_a_wrong_code_proves_nothing(
        self, start: type[StartForm], take: type[CodeForm], user: Any, outbox: Outbox
    ) -> None:
        request = request_for(start, user)
        verification = begin(start, request).verification
        wrong = f"{(int(outbox[-1].code) + 1) % 10_000:04}"
        form = take(request, {"code": wrong}, verification=verification)
        assert form.errors["code"] == ["The digits did not match. You have 2 tries left."]
        assert form.get_user() is None
        assert not sessions.has_event(request, sessions.PROOF)
        assert not Phone.objects.filter(number=NUMBER, user=user).exists()

    @pytest.mark.parametrize(("start", "take"), PAIRS)
    def test_a_code_is_worth_nothing_in_another_browser(
        self, start: type[StartForm], take: type[CodeForm], user: Any, outbox: Outbox
    ) -> None:
        verification = begin(start, request_for(start, user)).verification
        form = take(request_for(start, user), {"code": outbox[-1].code}, verification=verification)
        assert form.errors["code"] == ["The code has expired. Ask for a new one."]


class TestChoosingANumber:
    @pytest.mark.parametrize("start", [ReauthenticateForm, SecondStepForm])
    def test_the_latest_number_is_called_if_none_is_chosen(
        self, start: type[ReauthenticateForm], user: Any, outbox: Outbox
    ) -> None:
        begin(start, request_for(start, user))
        assert outbox[-1].number == DISTANT

    @pytest.mark.parametrize("start", [ReauthenticateForm, SecondStepForm])
    def test_numbers_to_choose_from_are_shown_masked(
        self, start: type[ReauthenticateForm], user: Any
    ) -> None:
        PhoneFactory(number=NUMBER, user=user, verified_at=timezone.now() - timedelta(days=1))
        html = str(start(request_for(start, user)))
        assert "43-21" not in html
        assert DISTANT not in html
        assert NUMBER not in html
        assert html.count('type="radio"') == 2


class TestPreconditions:
    @pytest.mark.parametrize(("start", "take"), PAIRS[:2])
    def test_a_first_number_is_a_proof(
        self, start: type[StartForm], take: type[CodeForm], outbox: Outbox
    ) -> None:
        request = request_of(UserFactory())
        verification = begin(start, request).verification
        assert take(request, {"code": outbox[-1].code}, verification=verification).is_valid()
        assert sessions.has_event(request, sessions.PROOF)

    @pytest.mark.parametrize("start", [ConfirmForm, ChangeForm])
    def test_a_new_number_needs_a_recent_login(
        self, start: type[StartForm], user: Any, outbox: Outbox
    ) -> None:
        request = request_of(user)
        request.session.clear()
        form = start(request, {"number": NUMBER})
        assert form.non_field_errors() == ["You logged in a while ago. Log in again first."]
        assert not outbox

    def test_who_has_no_number_is_called_nowhere(self, outbox: Outbox) -> None:
        form = ReauthenticateForm(request_of(UserFactory()), {})
        assert form.non_field_errors() == ["You have no number yet. Confirm one first."]
        assert not outbox

    def test_a_second_step_without_a_password_before_it_calls_nobody(self, outbox: Outbox) -> None:
        form = SecondStepForm(request_of(AnonymousUser()), {})
        assert not form.is_valid()
        assert not outbox
