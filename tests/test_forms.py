"""The forms, used in a view of a site's own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import login
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.test import RequestFactory

from django_flashcall.forms import CodeForm, PhoneForm
from django_flashcall.models import Verification
from django_flashcall.providers.locmem import Delivery

pytestmark = pytest.mark.django_db

NUMBER = "8 999 123-45-67"


@pytest.fixture
def request_(rf: RequestFactory) -> HttpRequest:
    request = rf.post("/own-login/")
    SessionMiddleware(lambda request: None).process_request(request)  # type: ignore[arg-type, return-value]
    return request


def test_the_two_forms_log_in_without_our_pages(
    request_: HttpRequest, outbox: list[Delivery]
) -> None:
    phone_form = PhoneForm(request_, {"number": NUMBER})
    assert phone_form.is_valid()
    code_form = CodeForm(request_, {"code": outbox[0].code}, verification=phone_form.verification)
    assert code_form.get_user() is None
    assert code_form.is_valid()
    user = code_form.get_user()
    assert user is not None
    login(request_, user)  # type: ignore[arg-type]
    assert request_.session["_auth_user_id"] == str(user.pk)


def test_a_form_is_validated_once_however_often_it_is_asked(
    request_: HttpRequest, outbox: list[Delivery]
) -> None:
    form = PhoneForm(request_, {"number": NUMBER})
    assert form.is_valid()
    assert form.is_valid()
    assert not form.errors
    assert len(outbox) == 1


def test_forms_take_a_prefix(request_: HttpRequest, outbox: list[Delivery]) -> None:
    form = PhoneForm(request_, {"phone-number": NUMBER}, prefix="phone")
    assert form.is_valid()
    assert len(outbox) == 1


def test_the_inputs_say_what_belongs_into_them(request_: HttpRequest) -> None:
    number = str(PhoneForm(request_)["number"])
    assert 'type="tel"' in number
    assert 'autocomplete="tel"' in number
    assert "+7 912 345-67-89" in number
    code = str(CodeForm(request_, verification=Verification())["code"])
    assert 'inputmode="numeric"' in code
    assert 'autocomplete="one-time-code"' in code
    assert 'type="text"' in code


def test_each_form_has_a_key_of_its_own(request_: HttpRequest) -> None:
    keys = {PhoneForm(request_)["key"].value() for _ in range(3)}
    assert len(keys) == 3


@pytest.mark.parametrize("form_number", ["", " ", None])
def test_an_empty_number_is_asked_for(request_: HttpRequest, form_number: Any) -> None:
    form = PhoneForm(request_, {"number": form_number})
    assert not form.is_valid()
    assert form.errors["number"] == ["Enter a phone number."]


def test_a_code_for_another_purpose_logs_nobody_in(
    request_: HttpRequest, outbox: list[Delivery]
) -> None:
    class ConfirmForm(PhoneForm):
        purpose = "confirm"

    form = ConfirmForm(request_, {"number": NUMBER})
    assert form.is_valid()
    code_form = CodeForm(request_, {"code": outbox[0].code}, verification=form.verification)
    assert code_form.is_valid()
    assert code_form.get_user() is None
