"""Fresh proofs and second steps on the account pages, and what codes are not good for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from django_flashcall.account_views import SecondStepMixin
from django_flashcall.choices import Purpose
from django_flashcall.models import Phone, Verification
from tests.browser import Browser, prove, prove_own, user_of
from tests.constants import AGAIN, CHANGE, CONFIRM, NOON, NUMBER, OTHER, PASSWORD, Clock, Outbox
from tests.factories import PhoneFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def post(own_browser: Browser, url: str, **data: str) -> Any:
    """Post what no page offers, as somebody would who tries."""
    token = own_browser.client.cookies["csrftoken"].value
    return own_browser.client.post(url, data | {"csrfmiddlewaretoken": token})


PURPOSES = {"confirm": CONFIRM, "change": CHANGE, "reauthenticate": AGAIN, "login": "/phone/code/"}


class TestProvingAgain:
    @pytest.fixture(autouse=True)
    def phone(self, user: Any) -> Phone:
        phone: Phone = PhoneFactory(number=NUMBER, user=user, verified_at=NOON - timedelta(1))
        return phone

    @pytest.mark.parametrize("url", ["/sensitive/", "/sensitive/class/"])
    def test_opens_what_needs_it(self, own_browser: Browser, outbox: Outbox, url: str) -> None:
        assert own_browser.open(url).title == "Confirm that it is you"

        page = prove_own(own_browser, url, outbox)

        assert page.text.startswith("sensitive")
        assert outbox[-1].number == NUMBER

    def test_holds_for_as_long_as_the_view_says(
        self, own_browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        prove_own(own_browser, "/sensitive/", outbox)
        clock.shift(timedelta(minutes=4, seconds=59))
        assert own_browser.open("/sensitive/").text == "sensitive"
        clock.shift(timedelta(seconds=1))

        assert own_browser.open("/sensitive/").title == "Confirm that it is you"
        assert own_browser.open("/sensitive/class/").text == "sensitive class"

    def test_a_login_by_phone_is_a_proof(self, outbox: Outbox) -> None:
        own_browser = Browser()
        own_browser.ask(NUMBER)
        own_browser.answer(outbox[-1].code)

        assert own_browser.open("/sensitive/").text == "sensitive"

    def test_moves_the_time_of_the_last_proof(
        self, own_browser: Browser, outbox: Outbox, phone: Phone
    ) -> None:
        prove_own(own_browser, AGAIN, outbox)

        phone.refresh_from_db()
        assert phone.verified_at == NOON

    def test_does_not_show_the_number(self, own_browser: Browser, outbox: Outbox) -> None:
        pages = [own_browser.open(AGAIN), own_browser.press("Call me")]

        for page in pages:
            assert "+7 ••• •••-••-67" in page.text
            assert "123-45-67" not in page.html
            assert "9991234567" not in page.html

    def test_lets_a_user_with_two_numbers_choose(
        self, own_browser: Browser, user: Any, outbox: Outbox
    ) -> None:
        other = PhoneFactory(number=OTHER, user=user, verified_at=NOON)
        page = own_browser.open(AGAIN)
        assert [one["value"] for one in page.elements("input", type="radio")] == [
            str(other.pk),
            str(Phone.objects.get(number=NUMBER).pk),
        ]

        own_browser.press("Call me", phone=str(Phone.objects.get(number=NUMBER).pk))

        assert outbox[-1].number == NUMBER

    def test_calls_no_number_of_anybody_else(self, own_browser: Browser, outbox: Outbox) -> None:
        stranger = PhoneFactory(number=OTHER, user=UserFactory())
        own_browser.open(AGAIN)

        own_browser.client.post(AGAIN, own_browser.data("Call me") | {"phone": str(stranger.pk)})

        assert OTHER not in [call.number for call in outbox]

    def test_is_worth_nothing_once_the_number_is_another_users(
        self, own_browser: Browser, outbox: Outbox, phone: Phone
    ) -> None:
        own_browser.open("/sensitive/")
        own_browser.press("Call me")
        Phone.objects.filter(pk=phone.pk).update(user=UserFactory())
        own_browser.answer(outbox[-1].code)

        assert own_browser.open("/sensitive/").title != "sensitive"
        assert "sensitive" not in own_browser.page.text

    def test_asks_who_has_no_number_to_confirm_one_first(
        self, own_browser: Browser, phone: Phone, outbox: Outbox
    ) -> None:
        phone.delete()

        page = prove(own_browser, "/sensitive/", NUMBER, outbox)

        assert page.text == "sensitive"

    def test_asks_who_lost_the_number_meanwhile_to_confirm_one_first(
        self, own_browser: Browser, phone: Phone, outbox: Outbox
    ) -> None:
        own_browser.open(AGAIN)
        phone.delete()

        page = own_browser.press("Call me")

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
        own_browser = Browser(Client())
        response = own_browser.client.post(
            f"/password/?next={next_url}", {"username": user.username, "password": PASSWORD}
        )
        own_browser.open(response.url)
        return own_browser

    def test_comes_after_the_password_and_logs_in(self, user: Any, outbox: Outbox) -> None:
        own_browser = self.give_password(user)
        assert own_browser.page.title == "Second step"
        assert not user_of(own_browser).is_authenticated

        own_browser.press("Call me")
        page = own_browser.answer(outbox[-1].code)

        assert page.text == f"welcome {user}"
        assert own_browser.client.session["_auth_user_backend"].endswith("ModelBackend")

    def test_goes_where_the_user_wanted_to(self, user: Any, outbox: Outbox) -> None:
        own_browser = self.give_password(user, next_url="/sensitive/")
        own_browser.press("Call me")

        assert own_browser.answer(outbox[-1].code).text == "sensitive"

    def test_does_not_show_the_number_to_who_knows_the_password(self, user: Any) -> None:
        own_browser = self.give_password(user)

        for page in (own_browser.page, own_browser.press("Call me")):
            assert "9991234567" not in page.html
            assert "123-45-67" not in page.html

    def test_with_a_wrong_password_is_not_reached(self, user: Any) -> None:
        own_browser = Browser(Client())
        own_browser.client.post("/password/", {"username": user.username, "password": "wrong"})

        assert own_browser.client.get("/phone/second-step/").url.startswith("/phone/login/")

    def test_that_came_too_late_is_asked_for_again_by_one_click(
        self, user: Any, outbox: Outbox, clock: Clock
    ) -> None:
        own_browser = self.give_password(user)
        own_browser.press("Call me")
        clock.shift(timedelta(minutes=6))
        page = own_browser.open(own_browser.url)
        assert "9991234567" not in page.html.replace(" ", "").replace("-", "")

        own_browser.press("Call again")
        own_browser.answer(outbox[-1].code)

        assert user_of(own_browser) == user

    def test_is_worth_nothing_once_the_password_was_changed(
        self, user: Any, outbox: Outbox
    ) -> None:
        own_browser = self.give_password(user)
        own_browser.press("Call me")
        user.set_password("another one")
        user.save()

        own_browser.answer(outbox[-1].code)

        assert not user_of(own_browser).is_authenticated

    def test_replaces_who_was_logged_in_before(self, user: Any, outbox: Outbox) -> None:
        own_browser = Browser(Client())
        own_browser.client.force_login(UserFactory())
        own_browser.client.post("/password/", {"username": user.username, "password": PASSWORD})
        own_browser.open("/phone/second-step/")
        own_browser.press("Call me")

        own_browser.answer(outbox[-1].code)

        assert user_of(own_browser) == user

    def test_without_a_number_is_refused_if_it_must_be(
        self, user: Any, phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SecondStepMixin, "needs_second_step", lambda view, user: True)
        phone.delete()

        own_browser = Browser(Client())
        page = own_browser.client.post(
            "/password/", {"username": user.username, "password": PASSWORD}
        )

        assert page.context["form"].non_field_errors() == [
            "This account has no confirmed number for the second step."
        ]

    def test_goes_back_to_the_password_once_the_number_is_gone(
        self, user: Any, phone: Phone
    ) -> None:
        own_browser = self.give_password(user)
        phone.delete()

        response = own_browser.client.get("/phone/second-step/")

        assert response["Location"].startswith("/password/")

    def test_is_asked_of_who_was_adopted_where_the_site_has_proved_its_numbers(
        self, user: Any, phone: Phone, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONES_PROVEN=True)
        Phone.objects.update(verified_at=None)
        own_browser = self.give_password(user)
        own_browser.press("Call me")

        own_browser.answer(outbox[-1].code)

        assert user_of(own_browser) == user

    def test_is_too_late_after_ten_minutes(self, user: Any, outbox: Outbox, clock: Clock) -> None:
        own_browser = self.give_password(user)
        clock.shift(timedelta(minutes=5))
        own_browser.press("Call me")
        clock.shift(timedelta(minutes=4, seconds=50))
        code_page = own_browser.url
        clock.shift(timedelta(seconds=10))

        own_browser.client.post(code_page, {"code": outbox[-1].code})

        assert not user_of(own_browser).is_authenticated

    def test_with_a_wrong_code_logs_nobody_in(self, user: Any, outbox: Outbox) -> None:
        own_browser = self.give_password(user)
        own_browser.press("Call me")
        own_browser.answer("0000" if outbox[-1].code != "0000" else "1111")

        assert not user_of(own_browser).is_authenticated

    def test_with_another_number_of_ones_own_logs_nobody_in(
        self, user: Any, outbox: Outbox
    ) -> None:
        """Who knows the password proves a number that is not the user's."""
        own_browser = self.give_password(user)
        own_browser.ask(OTHER)
        Verification.objects.update(purpose=Purpose.SECOND_STEP)
        key = Verification.objects.get().key
        own_browser.client.post(f"/phone/second-step/{key}/", {"code": outbox[-1].code})

        assert not user_of(own_browser).is_authenticated

    def test_is_not_asked_of_who_proved_no_number(
        self, user: Any, phone: Phone, outbox: Outbox
    ) -> None:
        phone.delete()

        own_browser = self.give_password(user)

        assert own_browser.page.text == f"welcome {user}"

    def test_lets_staff_in_who_may_not_log_in_by_phone_alone(
        self, user: Any, outbox: Outbox
    ) -> None:
        user.is_staff = True
        user.save()
        own_browser = self.give_password(user)
        own_browser.press("Call me")

        assert own_browser.answer(outbox[-1].code).text == f"welcome {user}"

    def test_a_user_who_was_deactivated_meanwhile_stays_out(
        self, user: Any, outbox: Outbox
    ) -> None:
        own_browser = self.give_password(user)
        own_browser.press("Call me")
        type(user).objects.update(is_active=False)
        own_browser.answer(outbox[-1].code)

        assert not user_of(own_browser).is_authenticated


class TestPurposes:
    @pytest.mark.parametrize("asked", PURPOSES)
    @pytest.mark.parametrize("used", PURPOSES)
    def test_a_code_of_one_purpose_is_worth_nothing_for_another(
        self, asked: str, used: str, own_browser: Browser, outbox: Outbox
    ) -> None:
        if asked == used:
            return
        own_browser.open("/phone/login/" if asked == "login" else CONFIRM)
        own_browser.press("Call me", number=NUMBER)
        Verification.objects.update(purpose=asked)
        key = Verification.objects.get().key

        assert post(own_browser, f"{PURPOSES[used]}{key}/", code=outbox[-1].code).status_code == 302

        assert Verification.objects.get().approved_at is None
        assert not Phone.objects.filter(user__isnull=False).exists()
