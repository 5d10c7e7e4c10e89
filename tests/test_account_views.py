"""The pages for users who are known, used without JavaScript, and by those who should not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user
from django.db import connection
from django.dispatch import Signal
from django.test import Client, RequestFactory

from django_flashcall import signals
from django_flashcall.account_views import SecondStepMixin
from django_flashcall.choices import Purpose
from django_flashcall.models import Phone, Verification
from django_flashcall.providers.locmem import Delivery
from django_flashcall.urls import urlpatterns

from .browser import Browser, Page
from .factories import PhoneFactory, UserFactory

pytestmark = pytest.mark.django_db

NUMBER, OTHER = "+79991234567", "+79991234568"
NOON = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
CONFIRM, CHANGE, AGAIN = "/phone/confirm/", "/phone/change/", "/phone/again/"
PASSWORD = "correct horse"

Outbox = list[Delivery]
Clock = time_machine.Traveller


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def user() -> Any:
    user = UserFactory()
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def browser(user: Any) -> Browser:
    """Return the browser of ``user``, who has just logged in by password."""
    browser = Browser()
    browser.client.login(username=user.username, password=PASSWORD)
    return browser


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """Return what the signals tell."""
    told: list[dict[str, Any]] = []

    def listen(signal: Signal, sender: Any, **kwargs: Any) -> None:
        told.append(kwargs)

    for signal in (signals.number_confirmed, signals.number_changed):
        signal.connect(listen)
    yield told
    for signal in (signals.number_confirmed, signals.number_changed):
        signal.disconnect(listen)


def user_of(browser: Browser) -> Any:
    request = RequestFactory().get("/")
    request.session = browser.client.session
    return get_user(request)


def post(browser: Browser, url: str, **data: str) -> Any:
    """Post what no page offers, as somebody would who tries."""
    token = browser.client.cookies["csrftoken"].value
    return browser.client.post(url, data | {"csrfmiddlewaretoken": token})


def prove(browser: Browser, url: str, number: str, outbox: Outbox) -> Page:
    """Type a number on the page at ``url``, and the digits on the next."""
    browser.open(url)
    browser.press("Call me", number=number)
    return browser.answer(outbox[-1].code)


def prove_own(browser: Browser, url: str, outbox: Outbox) -> Page:
    """Have the user's own number called, and type the digits."""
    browser.open(url)
    browser.press("Call me")
    return browser.answer(outbox[-1].code)


class TestConfirming:
    def test_makes_the_number_the_users(
        self, browser: Browser, user: Any, outbox: Outbox, heard: list[dict[str, Any]]
    ) -> None:
        page = prove(browser, CONFIRM, NUMBER, outbox)

        assert page.text == f"welcome {user}"
        phone = Phone.objects.get()
        assert (phone.user, phone.verified_at) == (user, NOON)
        assert heard == [{"user": user, "phone": phone}]

    def test_lets_the_user_log_in_by_it_afterwards(
        self, browser: Browser, user: Any, outbox: Outbox, clock: Clock
    ) -> None:
        prove(browser, CONFIRM, NUMBER, outbox)
        clock.shift(timedelta(minutes=5))
        other = Browser()
        other.ask(NUMBER)
        other.answer(outbox[-1].code)

        assert user_of(other) == user

    def test_says_what_it_is_about(self, browser: Browser) -> None:
        page = browser.open(CONFIRM)

        assert page.title == "Confirm your number"
        assert "We will call this number." in page.text

    def test_goes_where_the_user_wanted_to(self, browser: Browser, outbox: Outbox) -> None:
        page = prove(browser, f"{CONFIRM}?next=/", NUMBER, outbox)

        assert page.text == "home"

    def test_does_not_offer_the_number_that_is_confirmed_already(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        prove(browser, CONFIRM, NUMBER, outbox)

        for url in (CONFIRM, CHANGE):
            assert "value" not in browser.open(url).input("number")

    def test_is_not_for_strangers(self) -> None:
        assert Browser().open(CONFIRM).title == "Log in by phone"

    def test_is_refused_for_a_number_of_another_user(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        phone = PhoneFactory(number=NUMBER, user=UserFactory())

        page = prove(browser, CONFIRM, NUMBER, outbox)

        assert "This number belongs to another account." in page.text
        owner = phone.user
        phone.refresh_from_db()
        assert phone.user == owner

    def test_takes_a_number_from_who_never_proved_it(
        self, browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        phone = PhoneFactory(number=NUMBER, user=UserFactory(), verified_at=None)

        prove(browser, CONFIRM, NUMBER, outbox)

        phone.refresh_from_db()
        assert phone.user == user

    def test_takes_a_number_from_who_is_long_gone(
        self, browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(MAX_DORMANCY=timedelta(days=180))
        long_ago = NOON - timedelta(days=181)
        phone = PhoneFactory(number=NUMBER, user=UserFactory(), verified_at=long_ago)

        prove(browser, CONFIRM, NUMBER, outbox)

        phone.refresh_from_db()
        assert phone.user == user

    def test_writes_the_number_into_the_sites_own_field(
        self, browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name")

        prove(browser, CONFIRM, NUMBER, outbox)

        user.refresh_from_db()
        assert user.last_name == NUMBER

    def test_is_refused_where_the_sites_own_field_has_it_already(
        self, browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="username")
        UserFactory(username=NUMBER)

        page = prove(browser, CHANGE, NUMBER, outbox)

        assert (
            "This number is listed in another account. Contact us to have it removed there."
            in page.text
        )
        assert not Phone.objects.filter(user=user).exists()

    def test_leaves_the_name_alone_that_a_user_logs_in_by(
        self, browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="username")
        name = user.username

        prove(browser, CONFIRM, NUMBER, outbox)

        user.refresh_from_db()
        assert user.username == name
        assert Phone.objects.get().user == user

    def test_empties_the_fields_of_those_who_only_typed_the_number(
        self, browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name")
        attacker: Any = UserFactory(last_name="8 (999) 123-45-67")

        prove(browser, CONFIRM, NUMBER, outbox)

        attacker.refresh_from_db()
        assert attacker.last_name == ""
        assert Phone.objects.get().user == user

    def test_is_refused_for_a_number_that_the_site_proved_for_another(
        self, browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name", USER_PHONES_PROVEN=True)
        UserFactory(last_name=NUMBER)

        page = prove(browser, CONFIRM, NUMBER, outbox)

        assert "This number belongs to another account." in page.text

    def test_asks_for_a_recent_login(self, browser: Browser, user: Any, clock: Clock) -> None:
        PhoneFactory(number=NUMBER, user=user)
        clock.shift(timedelta(minutes=16))

        assert browser.open(CONFIRM).title == "Confirm that it is you"
        browser.client.get("/")
        post(browser, CONFIRM, number=OTHER)
        assert not Verification.objects.exists()

    def test_of_a_second_number_is_no_proof_of_who_it_is(
        self, browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        """Else a thief of the session would bring a number of his own."""
        PhoneFactory(number=OTHER, user=user)
        prove(browser, CONFIRM, NUMBER, outbox)

        assert browser.open("/sensitive/").title == "Confirm that it is you"

    def test_by_another_user_in_the_same_browser_is_worth_nothing(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.open(CONFIRM)
        browser.press("Call me", number=NUMBER)
        page_of_the_first = browser.url
        browser.client.force_login(UserFactory())
        browser.open(page_of_the_first)

        assert not Phone.objects.filter(user__isnull=False).exists()
        assert "Confirm your number" in browser.page.title


class TestChanging:
    def test_replaces_the_number(
        self, browser: Browser, user: Any, outbox: Outbox, heard: list[dict[str, Any]]
    ) -> None:
        old = PhoneFactory(number=NUMBER, user=user)

        prove(browser, CHANGE, OTHER, outbox)

        old.refresh_from_db()
        assert (old.user, old.verified_at) == (None, None)
        new = Phone.objects.get(number=OTHER)
        assert new.user == user
        assert heard == [{"user": user, "phone": new, "released": [old], "previous": ""}]

    def test_tells_the_number_that_stood_in_the_sites_own_field(
        self, browser: Browser, user: Any, outbox: Outbox, heard: Any, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name")
        type(user).objects.update(last_name=NUMBER)

        prove(browser, CHANGE, OTHER, outbox)

        assert heard[0]["previous"] == NUMBER
        assert heard[0]["user"].last_name == OTHER  # and stays so if a receiver saves the user

    def test_ends_the_calls_to_the_old_number(
        self, browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        PhoneFactory(number=NUMBER, user=user)
        thief = Browser()
        thief.ask(NUMBER)
        code = outbox[-1].code
        prove(browser, CHANGE, OTHER, outbox)

        page = thief.open(thief.url)

        assert "Enter the digits" not in page.title
        assert post(thief, thief.url, code=code).status_code == 200
        assert not user_of(thief).is_authenticated

    def test_asks_for_a_recent_login(self, browser: Browser, user: Any, clock: Clock) -> None:
        PhoneFactory(number=NUMBER, user=user)
        assert browser.open(CHANGE).title == "Change your number"
        clock.shift(timedelta(minutes=15))

        assert browser.open(CHANGE).title == "Confirm that it is you"

    def test_goes_on_after_the_old_number_was_proved_again(
        self, browser: Browser, user: Any, clock: Clock, outbox: Outbox
    ) -> None:
        PhoneFactory(number=NUMBER, user=user)
        clock.shift(timedelta(hours=1))

        page = prove_own(browser, CHANGE, outbox)

        assert page.title == "Change your number"
        assert "It replaces the old one" in page.text

    def test_asks_who_has_no_number_to_log_in_again(self, browser: Browser, clock: Clock) -> None:
        clock.shift(timedelta(hours=1))

        response = browser.client.get(CHANGE)

        assert response.url == "/phone/login/?next=/phone/change/"

    def test_is_refused_for_a_number_of_another_user_and_leaves_the_old_one(
        self, browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        PhoneFactory(number=OTHER, user=UserFactory())
        old = PhoneFactory(number=NUMBER, user=user)

        page = prove(browser, CHANGE, OTHER, outbox)

        assert "This number belongs to another account." in page.text
        old.refresh_from_db()
        assert old.user == user

    def test_ends_other_sessions_where_the_site_wants_that(self, outbox: Outbox) -> None:
        user = UserFactory()
        user.set_unusable_password()
        user.save()
        PhoneFactory(number=NUMBER, user=user)
        here, there = Browser(), Browser()
        for browser in (here, there):
            browser.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        here.open(CHANGE)
        here.press("Call me", number=OTHER)
        post(here, f"{here.url}strictly/", code=outbox[-1].code)

        assert Phone.objects.get(user=user).number == OTHER
        assert here.open("/welcome/").text == f"welcome {user}"
        assert there.open("/welcome/").title == "Log in by phone"


class TestProvingAgain:
    @pytest.fixture(autouse=True)
    def phone(self, user: Any) -> Phone:
        phone: Phone = PhoneFactory(number=NUMBER, user=user, verified_at=NOON - timedelta(1))
        return phone

    @pytest.mark.parametrize("url", ["/sensitive/", "/sensitive/class/"])
    def test_opens_what_needs_it(self, browser: Browser, outbox: Outbox, url: str) -> None:
        assert browser.open(url).title == "Confirm that it is you"

        page = prove_own(browser, url, outbox)

        assert page.text.startswith("sensitive")
        assert outbox[-1].number == NUMBER

    def test_holds_for_as_long_as_the_view_says(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        prove_own(browser, "/sensitive/", outbox)
        clock.shift(timedelta(minutes=4, seconds=59))
        assert browser.open("/sensitive/").text == "sensitive"
        clock.shift(timedelta(seconds=1))

        assert browser.open("/sensitive/").title == "Confirm that it is you"
        assert browser.open("/sensitive/class/").text == "sensitive class"

    def test_a_login_by_phone_is_a_proof(self, outbox: Outbox) -> None:
        browser = Browser()
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)

        assert browser.open("/sensitive/").text == "sensitive"

    def test_moves_the_time_of_the_last_proof(
        self, browser: Browser, outbox: Outbox, phone: Phone
    ) -> None:
        prove_own(browser, AGAIN, outbox)

        phone.refresh_from_db()
        assert phone.verified_at == NOON

    def test_does_not_show_the_number(self, browser: Browser, outbox: Outbox) -> None:
        pages = [browser.open(AGAIN), browser.press("Call me")]

        for page in pages:
            assert "+7 ••• •••-••-67" in page.text
            assert "123-45-67" not in page.html
            assert "9991234567" not in page.html

    def test_lets_a_user_with_two_numbers_choose(
        self, browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        other = PhoneFactory(number=OTHER, user=user, verified_at=NOON)
        page = browser.open(AGAIN)
        assert [one["value"] for one in page.elements("input", type="radio")] == [
            str(other.pk),
            str(Phone.objects.get(number=NUMBER).pk),
        ]

        browser.press("Call me", phone=str(Phone.objects.get(number=NUMBER).pk))

        assert outbox[-1].number == NUMBER

    def test_calls_no_number_of_anybody_else(self, browser: Browser, outbox: Outbox) -> None:
        stranger = PhoneFactory(number=OTHER, user=UserFactory())
        browser.open(AGAIN)

        browser.client.post(AGAIN, browser.data("Call me") | {"phone": str(stranger.pk)})

        assert OTHER not in [call.number for call in outbox]

    def test_is_worth_nothing_once_the_number_is_another_users(
        self, browser: Browser, outbox: Outbox, phone: Phone
    ) -> None:
        browser.open("/sensitive/")
        browser.press("Call me")
        Phone.objects.filter(pk=phone.pk).update(user=UserFactory())
        browser.answer(outbox[-1].code)

        assert browser.open("/sensitive/").title != "sensitive"
        assert "sensitive" not in browser.page.text

    def test_asks_who_has_no_number_to_confirm_one_first(
        self, browser: Browser, phone: Phone, outbox: Outbox
    ) -> None:
        phone.delete()

        page = prove(browser, "/sensitive/", NUMBER, outbox)

        assert page.text == "sensitive"

    def test_tells_who_lost_the_number_meanwhile_to_confirm_one_first(
        self, browser: Browser, phone: Phone, outbox: Outbox
    ) -> None:
        browser.open(AGAIN)
        phone.delete()

        page = browser.press("Call me")

        assert "You have no number yet. Confirm one first." in page.text
        assert not outbox

    def test_is_not_for_strangers(self) -> None:
        assert Browser().open("/sensitive/").title == "Log in by phone"
        assert Browser().open(AGAIN).title == "Log in by phone"


class TestSecondStep:
    @pytest.fixture(autouse=True)
    def phone(self, user: Any) -> Phone:
        phone: Phone = PhoneFactory(number=NUMBER, user=user)
        return phone

    def give_password(self, user: Any, *, next_url: str = "") -> Browser:
        browser = Browser(Client())
        response = browser.client.post(
            f"/password/?next={next_url}", {"username": user.username, "password": PASSWORD}
        )
        browser.open(response.url)
        return browser

    def test_comes_after_the_password_and_logs_in(self, user: Any, outbox: Outbox) -> None:
        browser = self.give_password(user)
        assert browser.page.title == "Second step"
        assert not user_of(browser).is_authenticated

        browser.press("Call me")
        page = browser.answer(outbox[-1].code)

        assert page.text == f"welcome {user}"
        assert browser.client.session["_auth_user_backend"].endswith("ModelBackend")

    def test_goes_where_the_user_wanted_to(self, user: Any, outbox: Outbox) -> None:
        browser = self.give_password(user, next_url="/sensitive/")
        browser.press("Call me")

        assert browser.answer(outbox[-1].code).text == "sensitive"

    def test_does_not_show_the_number_to_who_knows_the_password(self, user: Any) -> None:
        browser = self.give_password(user)

        for page in (browser.page, browser.press("Call me")):
            assert "9991234567" not in page.html
            assert "123-45-67" not in page.html

    def test_with_a_wrong_password_is_not_reached(self, user: Any) -> None:
        browser = Browser(Client())
        browser.client.post("/password/", {"username": user.username, "password": "wrong"})

        assert browser.client.get("/phone/second-step/").url.startswith("/phone/login/")

    def test_that_came_too_late_is_asked_for_again_by_one_click(
        self, user: Any, outbox: Outbox, clock: Clock
    ) -> None:
        browser = self.give_password(user)
        browser.press("Call me")
        clock.shift(timedelta(minutes=6))
        page = browser.open(browser.url)
        assert "9991234567" not in page.html.replace(" ", "").replace("-", "")

        browser.press("Call again")
        browser.answer(outbox[-1].code)

        assert user_of(browser) == user

    def test_is_worth_nothing_once_the_password_was_changed(
        self, user: Any, outbox: Outbox
    ) -> None:
        browser = self.give_password(user)
        browser.press("Call me")
        user.set_password("another one")
        user.save()

        browser.answer(outbox[-1].code)

        assert not user_of(browser).is_authenticated

    def test_replaces_who_was_logged_in_before(self, user: Any, outbox: Outbox) -> None:
        browser = Browser(Client())
        browser.client.force_login(UserFactory())
        browser.client.post("/password/", {"username": user.username, "password": PASSWORD})
        browser.open("/phone/second-step/")
        browser.press("Call me")

        browser.answer(outbox[-1].code)

        assert user_of(browser) == user

    def test_without_a_number_is_refused_if_it_must_be(
        self, user: Any, phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SecondStepMixin, "needs_second_step", lambda view, user: True)
        phone.delete()

        browser = Browser(Client())
        page = browser.client.post("/password/", {"username": user.username, "password": PASSWORD})

        assert page.context["form"].non_field_errors() == [
            "This account has no confirmed number for the second step."
        ]

    def test_goes_back_to_the_password_once_the_number_is_gone(
        self, user: Any, phone: Phone
    ) -> None:
        browser = self.give_password(user)
        phone.delete()

        response = browser.client.get("/phone/second-step/")

        assert response["Location"].startswith("/password/")

    def test_is_asked_of_who_was_adopted_where_the_site_has_proved_its_numbers(
        self, user: Any, phone: Phone, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONES_PROVEN=True)
        Phone.objects.update(verified_at=None)
        browser = self.give_password(user)
        browser.press("Call me")

        browser.answer(outbox[-1].code)

        assert user_of(browser) == user

    def test_is_too_late_after_ten_minutes(self, user: Any, outbox: Outbox, clock: Clock) -> None:
        browser = self.give_password(user)
        clock.shift(timedelta(minutes=5))
        browser.press("Call me")
        clock.shift(timedelta(minutes=4, seconds=50))
        code_page = browser.url
        clock.shift(timedelta(seconds=10))

        browser.client.post(code_page, {"code": outbox[-1].code})

        assert not user_of(browser).is_authenticated

    def test_with_a_wrong_code_logs_nobody_in(self, user: Any, outbox: Outbox) -> None:
        browser = self.give_password(user)
        browser.press("Call me")
        browser.answer("0000" if outbox[-1].code != "0000" else "1111")

        assert not user_of(browser).is_authenticated

    def test_with_another_number_of_ones_own_logs_nobody_in(
        self, user: Any, outbox: Outbox
    ) -> None:
        """Who knows the password proves a number that is not the user's."""
        browser = self.give_password(user)
        browser.ask(OTHER)
        Verification.objects.update(purpose=Purpose.SECOND_STEP)
        key = Verification.objects.get().key
        browser.client.post(f"/phone/second-step/{key}/", {"code": outbox[-1].code})

        assert not user_of(browser).is_authenticated

    def test_is_not_asked_of_who_proved_no_number(
        self, user: Any, phone: Phone, outbox: Outbox
    ) -> None:
        phone.delete()

        browser = self.give_password(user)

        assert browser.page.text == f"welcome {user}"

    def test_lets_staff_in_who_may_not_log_in_by_phone_alone(
        self, user: Any, outbox: Outbox
    ) -> None:
        user.is_staff = True
        user.save()
        browser = self.give_password(user)
        browser.press("Call me")

        assert browser.answer(outbox[-1].code).text == f"welcome {user}"

    def test_a_user_who_was_deactivated_meanwhile_stays_out(
        self, user: Any, outbox: Outbox
    ) -> None:
        browser = self.give_password(user)
        browser.press("Call me")
        type(user).objects.update(is_active=False)
        browser.answer(outbox[-1].code)

        assert not user_of(browser).is_authenticated


PURPOSES = {"confirm": CONFIRM, "change": CHANGE, "reauthenticate": AGAIN, "login": "/phone/code/"}


@pytest.mark.parametrize("asked", PURPOSES)
@pytest.mark.parametrize("used", PURPOSES)
def test_a_code_of_one_purpose_is_worth_nothing_for_another(
    asked: str, used: str, browser: Browser, outbox: Outbox
) -> None:
    if asked == used:
        return
    browser.open("/phone/login/" if asked == "login" else CONFIRM)
    browser.press("Call me", number=NUMBER)
    Verification.objects.update(purpose=asked)
    key = Verification.objects.get().key

    assert post(browser, f"{PURPOSES[used]}{key}/", code=outbox[-1].code).status_code == 302

    assert Verification.objects.get().approved_at is None
    assert not Phone.objects.filter(user__isnull=False).exists()


@pytest.mark.parametrize("page", urlpatterns, ids=lambda page: page.name)
def test_every_page_keeps_its_record_outside_of_the_requests_transaction(page: Any) -> None:
    assert "default" in page.callback._non_atomic_requests


def test_a_confirmation_works_under_atomic_requests(browser: Browser, outbox: Outbox) -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        prove(browser, CONFIRM, NUMBER, outbox)
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert Phone.objects.get().user is not None
