"""Where a call is the second step, a number alone logs nobody in, by no way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.http import Http404
from django.test import Client

from django_flashcall import services
from django_flashcall.choices import Purpose
from django_flashcall.exceptions import PhoneLoginOff
from django_flashcall.forms import CodeForm, PhoneForm
from django_flashcall.models import Verification
from django_flashcall.views import CodeView, LoginView
from django_flashcall.visitors import browsers
from tests.browser import Browser, is_logged_in, prove, request_from, user_of
from tests.constants import (
    CONFIRM,
    LOGIN,
    MODEL_BACKEND,
    NUMBER,
    OTHER,
    PASSWORD,
    VISITOR,
    Clock,
    Outbox,
)
from tests.factories import PhoneFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def phone(user: Any) -> Any:
    return PhoneFactory(number=NUMBER, user=user)


@pytest.fixture
def begun(phone: Any, browser: Browser) -> Verification:
    """Return a login that began in the browser before the site decided."""
    browser.ask(NUMBER)
    return Verification.objects.get()


@pytest.fixture
def phone_login_off(begun: Verification, flashcall: Any, settings: Any) -> None:
    settings.LOGIN_URL = "/password/"
    flashcall(PHONE_LOGIN=False)


@pytest.mark.usefixtures("phone_login_off")
class TestPhoneLoginOff:
    @pytest.mark.parametrize("method", ["get", "head", "post", "options"])
    def test_the_pages_of_a_login_by_phone_do_not_exist(
        self, method: str, begun: Verification, browser: Browser, outbox: Outbox
    ) -> None:
        client = Client()
        client.cookies = browser.client.cookies
        data = {"number": OTHER, "code": outbox[0].code} if method == "post" else None

        for url in (LOGIN, f"/phone/code/{begun.key}/"):
            assert getattr(client, method)(url, data).status_code == 404
        assert len(outbox) == 1
        assert not is_logged_in(browser)

    @pytest.mark.parametrize(("view", "kwargs"), [(LoginView, {}), (CodeView, {"key": "x"})])
    def test_they_do_not_exist_under_an_address_of_the_site_either(
        self, view: Any, kwargs: dict[str, str], rf: Any
    ) -> None:
        class SiteView(view):  # type: ignore[misc]
            """A page that the site has changed."""

        with pytest.raises(Http404):
            SiteView.as_view()(rf.get("/"), **kwargs)

    def test_the_backend_refuses(self, begun: Verification, outbox: Outbox) -> None:
        services.check_code(begun, outbox[0].code, visitor=VISITOR)

        assert authenticate(None, verification=begun) is None
        assert begun.refusal is not None
        assert begun.refusal.code == "phone_login_off"

    def test_the_form_of_a_site_that_takes_the_code_logs_nobody_in(
        self, begun: Verification, outbox: Outbox
    ) -> None:
        request = request_from()
        begun.browser = browsers.identify(request)
        form = CodeForm(request, {"code": outbox[0].code}, verification=begun)

        assert form.non_field_errors() == [
            "You cannot log in with this number. Log in another way."
        ]
        assert form.get_user() is None

    def test_nobody_is_called_for_such_a_login(
        self, begun: Verification, outbox: Outbox, clock: Clock
    ) -> None:
        form = PhoneForm(request_from(), {"number": OTHER})

        assert form.non_field_errors() == [
            "You cannot log in by phone alone here. Log in another way."
        ]
        with pytest.raises(PhoneLoginOff):
            services.start_verification(OTHER, purpose=Purpose.LOGIN, visitor=VISITOR)
        clock.shift(timedelta(minutes=2))
        with pytest.raises(PhoneLoginOff):
            services.resend(begun, visitor=VISITOR)
        assert len(outbox) == 1

    def test_the_second_step_works(
        self, user: Any, begun: Verification, outbox: Outbox, settings: Any
    ) -> None:
        settings.AUTHENTICATION_BACKENDS = [MODEL_BACKEND]
        Verification.objects.all().delete()
        type(begun.phone).objects.update(last_attempt_at=None)
        own_browser = Browser(Client())
        password = {"username": user.username, "password": PASSWORD}
        own_browser.open(own_browser.client.post("/password/", password).url)
        own_browser.press("Call me")

        own_browser.answer(outbox[-1].code)

        assert user_of(own_browser) == user

    def test_users_confirm_numbers_as_before(
        self, own_browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        assert prove(own_browser, CONFIRM, OTHER, outbox).text == f"welcome {user}"


class TestPhoneLoginUndecidedOrOn:
    @pytest.mark.parametrize("phone_login", [None, True])
    def test_a_number_alone_logs_in(
        self, phone_login: bool | None, browser: Browser, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(PHONE_LOGIN=phone_login)
        browser.ask(NUMBER)
        browser.answer(outbox[0].code)

        assert is_logged_in(browser)
