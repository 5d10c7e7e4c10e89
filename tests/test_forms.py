"""The two forms, as fields, and in views that a site writes itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect
from django.template import engines
from django.test import Client, RequestFactory
from django.urls import include, path

from django_flashcall.choices import Purpose, VerificationStatus
from django_flashcall.forms import CodeField, CodeForm, NumberField, PhoneForm
from django_flashcall.models import Verification
from django_flashcall.visitors import browsers
from tests.browser import Browser, Page
from tests.constants import NOON, NUMBER, Outbox
from tests.factories import AttemptFactory, UserFactory, VerificationFactory

PAGE = """<html><body><h1>A site of its own</h1>
<form method="post">{% csrf_token %}{{ form.as_p }}<button>Go on</button></form>
</body></html>"""


INCLUDING = """<html><body><h1>Log in</h1>
{% include "django_flashcall/phone_form.html" %}
</body></html>"""


def page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    """Render a template of the site."""
    return HttpResponse(engines["django"].from_string(template).render(context, request))


@login_not_required
@non_atomic_requests
def own_login(request: HttpRequest) -> HttpResponseBase:
    """Take the number, in the site's own way."""
    form = PhoneForm(request, request.POST or None)
    if form.is_valid():
        return redirect("own-code", form.verification.key)
    return page(request, PAGE, form=form)


@login_not_required
@non_atomic_requests
def own_code(request: HttpRequest, key: UUID) -> HttpResponseBase:
    """Take the code, in the site's own way."""
    verification = get_object_or_404(Verification, key=key)
    form = CodeForm(request, request.POST or None, verification=verification)
    if form.is_valid():
        login(request, form.get_user())  # type: ignore[arg-type]  # of a valid form
        return redirect("/welcome/")
    return page(request, PAGE, form=form)


@login_not_required
def front_page(request: HttpRequest) -> HttpResponse:
    """Hold the package's form among other things."""
    return page(request, INCLUDING, form=PhoneForm(request))


class ConfirmForm(PhoneForm):
    """Proves a number without a login."""

    purpose = Purpose.CONFIRM


@non_atomic_requests
def own_confirmation(request: HttpRequest) -> HttpResponseBase:
    """Prove a number of who is logged in."""
    form = ConfirmForm(request, request.POST or None)
    if form.is_valid():
        return redirect("own-proof", form.verification.key)
    return page(request, PAGE, form=form)


@non_atomic_requests
def own_proof(request: HttpRequest, key: UUID) -> HttpResponseBase:
    """Take the code that proves a number."""
    verification = Verification.objects.get(key=key)
    form = CodeForm(request, request.POST or None, verification=verification)
    if form.is_valid():
        return HttpResponse(f"<p>proved {verification.number} for {form.get_user()}</p>")
    return page(request, PAGE, form=form)


@login_not_required
def welcome(request: HttpRequest) -> HttpResponse:
    """Say who is in."""
    return HttpResponse(f"<p>welcome {request.user}</p>")


urlpatterns = [
    path("", front_page),
    path("own/", own_login),
    path("own/<uuid:key>/", own_code, name="own-code"),
    path("confirm/", own_confirmation),
    path("confirm/<uuid:key>/", own_proof, name="own-proof"),
    path("phone/", include("django_flashcall.urls")),
    path("welcome/", welcome),
]


@pytest.fixture
def request_with_session(db: None) -> HttpRequest:
    """Return a request of somebody who was not here before."""
    request = RequestFactory().post("/")
    request.session = Client().session
    get_token(request)
    return request


def ask(request: HttpRequest, **data: Any) -> PhoneForm:
    """Return a form for a number, validated."""
    form = PhoneForm(request, {"number": NUMBER, "key": str(uuid4()), **data})
    form.full_clean()
    return form


def called(**kwargs: Any) -> Verification:
    """Return a verification whose call carries 1234."""
    attempt: Any = AttemptFactory(verification=VerificationFactory(**kwargs), code="1234")
    verification: Verification = attempt.verification
    return verification


def answer(request: HttpRequest, verification: Verification, code: str) -> CodeForm:
    """Return a form for a code, validated, in the browser that asked for the call."""
    verification.browser = browsers.identify(request)
    form = CodeForm(request, {"code": code}, verification=verification)
    form.full_clean()
    return form


class TestPhoneField:
    def test_the_field_of_a_number_reads_any_spelling(self) -> None:
        assert NumberField().clean(" 8 (999) 123-45-67 ") == NUMBER

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("1230", "number_malformed"),
            ("999 FLOWERS", "number_malformed"),
            ("+44 7912 345678", "number_region"),
            ("+7 495 123-45-67", "number_type"),
        ],
    )
    def test_the_field_of_a_number_says_what_is_wrong(self, text: str, code: str) -> None:
        with pytest.raises(ValidationError) as raised:
            NumberField().clean(text)

        assert raised.value.code == code
        assert text not in str(raised.value)

    def test_an_optional_number_may_be_left_out(self) -> None:
        assert NumberField(required=False).clean("") == ""

    def test_the_field_of_a_number_asks_for_the_telephone_keyboard(self) -> None:
        attributes = Page(str(PhoneForm(RequestFactory().get("/"))["number"])).input("number")

        assert attributes["type"] == "tel"
        assert attributes["autocomplete"] == "tel"
        assert attributes["placeholder"] == "+7 912 345-67-89"


class TestCodeField:
    def test_the_field_of_a_code_asks_for_digits_and_takes_them_from_the_phone(self) -> None:
        attributes = Page(CodeField().widget.render("code", None)).input("code")

        assert attributes["type"] == "text"
        assert attributes["inputmode"] == "numeric"
        assert attributes["autocomplete"] == "one-time-code"

    def test_the_field_of_a_code_has_room_for_a_whole_number(self) -> None:
        assert CodeField().clean("+7 (495) 000-12-34") == "+7 (495) 000-12-34"
        assert int(CodeField().widget.attrs["maxlength"]) >= len("+7 (495) 000 - 12 - 34")

    def test_the_field_of_a_code_never_echoes_what_was_typed(self) -> None:
        assert "value" not in Page(CodeField().widget.render("code", "1234")).input("code")


class TestPhoneForm:
    @pytest.mark.django_db
    def test_each_empty_form_has_a_key_of_its_own(self) -> None:
        request = RequestFactory().get("/")

        keys = {Page(str(PhoneForm(request)["key"])).input("key")["value"] for _ in range(3)}

        assert len(keys) == 3

    def test_a_form_that_is_shown_calls_nobody(
        self, request_with_session: HttpRequest, outbox: Outbox
    ) -> None:
        str(PhoneForm(request_with_session))

        assert not outbox

    def test_a_valid_form_has_the_number_called_and_keeps_the_verification(
        self, request_with_session: HttpRequest, outbox: Outbox
    ) -> None:
        form = ask(request_with_session)

        assert form.is_valid()
        assert form.verification.number == NUMBER
        assert form.verification.browser == browsers.browser_of(request_with_session)
        assert [call.number for call in outbox] == [NUMBER]

    def test_a_form_validated_twice_calls_once(
        self, request_with_session: HttpRequest, outbox: Outbox
    ) -> None:
        form = ask(request_with_session)

        form.full_clean()

        assert len(outbox) == 1

    def test_a_form_without_a_key_works_and_calls_once(
        self, request_with_session: HttpRequest, outbox: Outbox
    ) -> None:
        first = ask(request_with_session, key="")
        second = ask(request_with_session, key="")

        assert first.verification == second.verification
        assert len(outbox) == 1

    @pytest.mark.parametrize("number", ["", " ", None])
    def test_an_empty_number_is_asked_for(
        self, number: str | None, request_with_session: HttpRequest
    ) -> None:
        assert ask(request_with_session, number=number).errors["number"] == [
            "Enter a phone number."
        ]

    @pytest.mark.parametrize("data", [{"number": ""}, {"number": "12"}, {"key": "mangled"}])
    def test_a_form_with_a_mistake_calls_nobody(
        self, data: dict[str, str], request_with_session: HttpRequest, outbox: Outbox
    ) -> None:
        assert not ask(request_with_session, **data).is_valid()
        assert not outbox

    def test_a_refused_call_is_an_error_of_the_form_with_its_code(
        self, request_with_session: HttpRequest, flashcall: Any
    ) -> None:
        flashcall(CHANNELS=["sms"])

        form = ask(request_with_session)

        assert form.has_error("__all__", "channel")
        assert not hasattr(form, "verification")

    def test_a_pending_call_for_another_purpose_does_not_answer_for_this_one(
        self, request_with_session: HttpRequest, outbox: Outbox
    ) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            first = ask(request_with_session)
            clock.shift(timedelta(minutes=2))
            form = ConfirmForm(request_with_session, {"number": NUMBER, "key": str(uuid4())})
            assert form.is_valid()

        assert form.verification != first.verification
        assert len(outbox) == 2

    def test_two_forms_stand_on_one_page_under_prefixes(
        self, request_with_session: HttpRequest, outbox: Outbox
    ) -> None:
        data = {"a-number": NUMBER, "a-key": str(uuid4())}

        form = PhoneForm(request_with_session, data, prefix="a")

        assert form.is_valid()
        assert len(outbox) == 1


class TestCodeForm:
    def test_a_right_code_brings_the_user(self, request_with_session: HttpRequest) -> None:
        user = UserFactory()

        form = answer(request_with_session, called(phone__user=user), "1234")

        assert form.is_valid()
        assert form.get_user() == user

    @pytest.mark.parametrize(
        ("code", "error", "checks"),
        [("", "required", 0), ("12", "code_malformed", 0), ("4321", "wrong_code", 1)],
    )
    def test_a_code_that_opens_nothing_brings_nobody(
        self, code: str, error: str, checks: int, request_with_session: HttpRequest
    ) -> None:
        verification = called()

        form = answer(request_with_session, verification, code)

        verification.refresh_from_db()
        assert form.has_error("code", error)
        assert form.get_user() is None
        assert verification.checks == checks

    def test_a_code_form_validated_twice_logs_in_once(
        self, request_with_session: HttpRequest
    ) -> None:
        form = answer(request_with_session, called(), "1234")

        form.full_clean()

        assert form.has_error("code", "used")

    def test_a_right_code_for_another_purpose_brings_nobody_but_is_valid(
        self,
        request_with_session: HttpRequest,
    ) -> None:
        verification = called(purpose=Purpose.CONFIRM)

        form = answer(request_with_session, verification, "1234")

        verification.refresh_from_db()
        assert form.is_valid()
        assert form.get_user() is None
        assert verification.status == VerificationStatus.APPROVED
        assert verification.consumed_at is None

    def test_a_code_typed_in_another_browser_is_worth_nothing_and_costs_nothing(
        self,
        request_with_session: HttpRequest,
    ) -> None:
        verification = called()

        form = CodeForm(request_with_session, {"code": "1234"}, verification=verification)

        verification.refresh_from_db()
        assert form.has_error("code", "expired")
        assert (verification.checks, verification.status) == (0, VerificationStatus.PENDING)

    def test_a_number_that_may_not_log_in_is_an_error_of_the_form(
        self,
        request_with_session: HttpRequest,
    ) -> None:
        verification = called(phone__user=UserFactory(is_staff=True))

        form = answer(request_with_session, verification, "1234")

        assert form.has_error("__all__", "staff")
        assert form.get_user() is None


class TestOwnViews:
    @pytest.mark.urls(__name__)
    @pytest.mark.django_db
    def test_a_site_logs_in_with_two_short_views_of_its_own(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.open("/own/")
        browser.press("Go on", number="12")
        browser.press("Go on", number=NUMBER)
        browser.press("Go on", code="12")

        seen = browser.press("Go on", code=outbox[0].code)

        assert seen.text.startswith("welcome phone-")
        assert len(outbox) == 1

    @pytest.mark.urls(__name__)
    @pytest.mark.django_db
    def test_a_code_page_of_a_sites_own_is_bound_to_the_browser_too(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.open("/own/")
        browser.press("Go on", number=NUMBER)
        stranger = Browser()
        stranger.open(browser.url)

        seen = stranger.press("Go on", code=outbox[0].code)

        assert "welcome" not in seen.text
        assert Verification.objects.get().checks == 0

    @pytest.mark.urls(__name__)
    @pytest.mark.django_db
    def test_a_form_on_the_front_page_keeps_where_to_go(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.open("/?next=/welcome/%3Fa=1")
        browser.press("Call me", number=NUMBER)

        browser.press("Continue", code=outbox[0].code)

        assert browser.url == "/welcome/?a=1"

    @pytest.mark.urls(__name__)
    @pytest.mark.django_db
    def test_a_site_puts_the_form_on_its_front_page(self, browser: Browser, outbox: Outbox) -> None:
        browser.open("/")
        browser.press("Call me", number=NUMBER)

        seen = browser.press("Continue", code=outbox[0].code)

        assert seen.text.startswith("welcome phone-")

    @pytest.mark.urls(__name__)
    @pytest.mark.django_db
    def test_a_site_proves_a_number_of_who_is_logged_in(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        user = UserFactory()
        browser.client.force_login(user, backend="django_flashcall.backends.PhoneBackend")
        browser.open("/confirm/")
        browser.press("Go on", number=NUMBER)

        seen = browser.press("Go on", code=outbox[0].code)

        assert seen.text == f"proved {NUMBER} for None"
        assert Verification.objects.get().user == user
