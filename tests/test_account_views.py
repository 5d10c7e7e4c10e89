"""Confirming and changing a number on the account pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.dispatch import Signal

from django_flashcall import signals
from django_flashcall.models import Phone, Verification
from django_flashcall.urls import urlpatterns
from tests.browser import Browser, is_logged_in, prove, prove_own, user_of
from tests.constants import CHANGE, CONFIRM, MODEL_BACKEND, NOON, NUMBER, OTHER, Clock, Outbox
from tests.factories import PhoneFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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


def post(own_browser: Browser, url: str, **data: str) -> Any:
    """Post what no page offers, as somebody would who tries."""
    token = own_browser.client.cookies["csrftoken"].value
    return own_browser.client.post(url, data | {"csrfmiddlewaretoken": token})


class TestConfirming:
    def test_makes_the_number_the_users(
        self, own_browser: Browser, user: Any, outbox: Outbox, heard: list[dict[str, Any]]
    ) -> None:
        page = prove(own_browser, CONFIRM, NUMBER, outbox)

        assert page.text == f"welcome {user}"
        phone = Phone.objects.get()
        assert (phone.user, phone.verified_at) == (user, NOON)
        assert heard == [{"user": user, "phone": phone}]

    def test_lets_the_user_log_in_by_it_afterwards(
        self, own_browser: Browser, user: Any, outbox: Outbox, clock: Clock
    ) -> None:
        prove(own_browser, CONFIRM, NUMBER, outbox)
        clock.shift(timedelta(minutes=5))
        other = Browser()
        other.ask(NUMBER)
        other.answer(outbox[-1].code)

        assert user_of(other) == user

    def test_says_what_it_is_about(self, own_browser: Browser) -> None:
        page = own_browser.open(CONFIRM)

        assert page.title == "Confirm your number"
        assert "We will call this number." in page.text

    def test_goes_where_the_user_wanted_to(self, own_browser: Browser, outbox: Outbox) -> None:
        page = prove(own_browser, f"{CONFIRM}?next=/", NUMBER, outbox)

        assert page.text == "home"

    def test_does_not_offer_the_number_that_is_confirmed_already(
        self, own_browser: Browser, outbox: Outbox
    ) -> None:
        prove(own_browser, CONFIRM, NUMBER, outbox)

        for url in (CONFIRM, CHANGE):
            assert "value" not in own_browser.open(url).input("number")

    def test_is_not_for_strangers(self) -> None:
        assert Browser().open(CONFIRM).title == "Log in by phone"

    def test_is_refused_for_a_number_of_another_user(
        self, own_browser: Browser, outbox: Outbox
    ) -> None:
        phone = PhoneFactory(number=NUMBER, user=UserFactory())

        page = prove(own_browser, CONFIRM, NUMBER, outbox)

        assert "This number belongs to another account." in page.text
        owner = phone.user
        phone.refresh_from_db()
        assert phone.user == owner

    def test_takes_a_number_from_who_never_proved_it(
        self, own_browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        phone = PhoneFactory(number=NUMBER, user=UserFactory(), verified_at=None)

        prove(own_browser, CONFIRM, NUMBER, outbox)

        phone.refresh_from_db()
        assert phone.user == user

    def test_takes_a_number_from_who_is_long_gone(
        self, own_browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(MAX_DORMANCY=timedelta(days=180))
        long_ago = NOON - timedelta(days=181)
        phone = PhoneFactory(number=NUMBER, user=UserFactory(), verified_at=long_ago)

        prove(own_browser, CONFIRM, NUMBER, outbox)

        phone.refresh_from_db()
        assert phone.user == user

    def test_writes_the_number_into_the_sites_own_field(
        self, own_browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name")

        prove(own_browser, CONFIRM, NUMBER, outbox)

        user.refresh_from_db()
        assert user.last_name == NUMBER

    def test_is_refused_where_the_sites_own_field_has_it_already(
        self, own_browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="username")
        UserFactory(username=NUMBER)

        page = prove(own_browser, CHANGE, NUMBER, outbox)

        assert "This number is listed in another account. Contact us" in page.text
        assert not Phone.objects.filter(user=user).exists()

    def test_leaves_the_name_alone_that_a_user_logs_in_by(
        self, own_browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="username")
        name = user.username

        prove(own_browser, CONFIRM, NUMBER, outbox)

        user.refresh_from_db()
        assert user.username == name
        assert Phone.objects.get().user == user

    def test_empties_the_fields_of_those_who_only_typed_the_number(
        self, own_browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name")
        attacker: Any = UserFactory(last_name="8 (999) 123-45-67")

        prove(own_browser, CONFIRM, NUMBER, outbox)

        attacker.refresh_from_db()
        assert attacker.last_name == ""
        assert Phone.objects.get().user == user

    def test_is_refused_for_a_number_that_the_site_proved_for_another(
        self, own_browser: Browser, user: Any, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name", USER_PHONES_PROVEN=True)
        UserFactory(last_name=NUMBER)

        page = prove(own_browser, CONFIRM, NUMBER, outbox)

        assert "This number belongs to another account." in page.text

    def test_asks_for_a_recent_login(self, own_browser: Browser, user: Any, clock: Clock) -> None:
        PhoneFactory(number=NUMBER, user=user)
        clock.shift(timedelta(minutes=16))

        assert own_browser.open(CONFIRM).title == "Confirm that it is you"
        own_browser.client.get("/")
        post(own_browser, CONFIRM, number=OTHER)
        assert not Verification.objects.exists()

    def test_of_a_second_number_is_no_proof_of_who_it_is(
        self, own_browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        """Otherwise a thief of the session could confirm their own number."""
        PhoneFactory(number=OTHER, user=user)
        prove(own_browser, CONFIRM, NUMBER, outbox)

        assert own_browser.open("/sensitive/").title == "Confirm that it is you"

    def test_by_another_user_in_the_same_browser_is_worth_nothing(
        self, own_browser: Browser, outbox: Outbox
    ) -> None:
        own_browser.open(CONFIRM)
        own_browser.press("Call me", number=NUMBER)
        page_of_the_first = own_browser.url
        own_browser.client.force_login(UserFactory())
        own_browser.open(page_of_the_first)

        assert not Phone.objects.filter(user__isnull=False).exists()
        assert "Confirm your number" in own_browser.page.title


class TestChanging:
    def test_replaces_the_number(
        self, own_browser: Browser, user: Any, outbox: Outbox, heard: list[dict[str, Any]]
    ) -> None:
        old = PhoneFactory(number=NUMBER, user=user)

        prove(own_browser, CHANGE, OTHER, outbox)

        old.refresh_from_db()
        assert (old.user, old.verified_at) == (None, None)
        new = Phone.objects.get(number=OTHER)
        assert new.user == user
        assert heard == [{"user": user, "phone": new, "released": [old], "previous": ""}]

    def test_sends_the_number_that_was_in_the_sites_own_field(
        self, own_browser: Browser, user: Any, outbox: Outbox, heard: Any, flashcall: Any
    ) -> None:
        flashcall(USER_PHONE_FIELD="last_name")
        type(user).objects.update(last_name=NUMBER)

        prove(own_browser, CHANGE, OTHER, outbox)

        assert heard[0]["previous"] == NUMBER
        assert heard[0]["user"].last_name == OTHER  # and stays so if a receiver saves the user

    def test_ends_the_calls_to_the_old_number(
        self, own_browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        PhoneFactory(number=NUMBER, user=user)
        thief = Browser()
        thief.ask(NUMBER)
        code = outbox[-1].code
        prove(own_browser, CHANGE, OTHER, outbox)

        page = thief.open(thief.url)

        assert "Enter the digits" not in page.title
        assert post(thief, thief.url, code=code).status_code == 200
        assert not user_of(thief).is_authenticated

    def test_asks_for_a_recent_login(self, own_browser: Browser, user: Any, clock: Clock) -> None:
        PhoneFactory(number=NUMBER, user=user)
        assert own_browser.open(CHANGE).title == "Change your number"
        clock.shift(timedelta(minutes=15))

        assert own_browser.open(CHANGE).title == "Confirm that it is you"

    def test_goes_on_after_the_old_number_was_proved_again(
        self, own_browser: Browser, user: Any, clock: Clock, outbox: Outbox
    ) -> None:
        PhoneFactory(number=NUMBER, user=user)
        clock.shift(timedelta(hours=1))

        page = prove_own(own_browser, CHANGE, outbox)

        assert page.title == "Change your number"
        assert "It replaces the old one" in page.text

    def test_asks_who_has_no_number_to_log_in_again(
        self, own_browser: Browser, clock: Clock
    ) -> None:
        clock.shift(timedelta(hours=1))

        page = own_browser.open(f"{CHANGE}?next=/")

        assert page.title == "Log in again"
        assert "You logged in a while ago. Log in again first." in page.text
        assert is_logged_in(own_browser)
        assert own_browser.press("Log in again").title == "Log in by phone"
        assert own_browser.page.input("next")["value"] == f"{CHANGE}?next=/"
        assert not is_logged_in(own_browser)

    def test_asks_who_typed_for_too_long_to_prove_the_old_number_again(
        self, own_browser: Browser, user: Any, clock: Clock, outbox: Outbox
    ) -> None:
        PhoneFactory(number=NUMBER, user=user)
        own_browser.open(CHANGE)
        clock.shift(timedelta(hours=1))

        page = own_browser.press("Call me", number=OTHER)

        assert page.title == "Confirm that it is you"
        assert not outbox

    def test_is_refused_for_a_number_of_another_user_and_leaves_the_old_one(
        self, own_browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        PhoneFactory(number=OTHER, user=UserFactory())
        old = PhoneFactory(number=NUMBER, user=user)

        page = prove(own_browser, CHANGE, OTHER, outbox)

        assert "This number belongs to another account." in page.text
        old.refresh_from_db()
        assert old.user == user

    def test_ends_other_sessions_where_the_site_wants_that(self, outbox: Outbox) -> None:
        user = UserFactory()
        user.set_unusable_password()
        user.save()
        PhoneFactory(number=NUMBER, user=user)
        here, there = Browser(), Browser()
        for own_browser in (here, there):
            own_browser.client.force_login(user, backend=MODEL_BACKEND)
        here.open(CHANGE)
        here.press("Call me", number=OTHER)
        post(here, f"{here.url}strictly/", code=outbox[-1].code)

        assert Phone.objects.get(user=user).number == OTHER
        assert here.open("/welcome/").text == f"welcome {user}"
        assert there.open("/welcome/").title == "Log in by phone"


class TestTransactions:
    @pytest.mark.parametrize("page", urlpatterns, ids=lambda page: page.name)
    def test_every_page_keeps_its_record_outside_of_the_requests_transaction(
        self, page: Any
    ) -> None:
        assert "default" in page.callback._non_atomic_requests

    def test_a_confirmation_works_under_atomic_requests(
        self, own_browser: Browser, outbox: Outbox
    ) -> None:
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        try:
            prove(own_browser, CONFIRM, NUMBER, outbox)
        finally:
            connection.settings_dict["ATOMIC_REQUESTS"] = False
        assert Phone.objects.get().user is not None
