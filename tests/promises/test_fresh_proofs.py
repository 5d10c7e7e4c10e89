"""What counts as a fresh proof: each row of the table in the documentation.

Whoever sits at somebody's open session can add a number of their own. That number must not open
what ``phone_required`` guards, however often it is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_flashcall import accounts
from django_flashcall.choices import Purpose, VerificationStatus
from django_flashcall.exceptions import NumberTooNew
from django_flashcall.models import Phone, Verification
from tests.browser import Browser, is_logged_in, prove, prove_own
from tests.constants import (
    AGAIN,
    CHANGE,
    CONFIRM,
    DISTANT,
    DOCS,
    NOON,
    NUMBER,
    OTHER,
    PASSWORD,
    Clock,
    Outbox,
)
from tests.factories import PhoneFactory, VerificationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

#: The user's number, and one that is added while the user is logged in.
OLD, NEW = NUMBER, OTHER


class Session:
    """The open session of a user who logged in by password, and who sits at it now."""

    def __init__(self, user: Any, browser: Browser, outbox: Outbox, clock: Clock) -> None:
        self.user, self.browser, self.outbox, self.clock = user, browser, outbox, clock

    def add(self, number: str, *, page: str = CONFIRM) -> None:
        """Confirm a number, after the cooldown of the call before."""
        self.clock.shift(timedelta(minutes=6))
        prove(self.browser, page, number, self.outbox)

    def call_again(self, number: str) -> None:
        """Try to have this number called again, whether the page offers it or not."""
        self.clock.shift(timedelta(minutes=6))
        chosen = {"phone": str(Phone.objects.get(number=number).pk)}
        response = self.post(AGAIN, **chosen)
        if response.status_code == 302 and self.outbox[-1].number == number:
            self.browser.open(response.url)
            self.browser.answer(self.outbox[-1].code)

    def post(self, page: str, **data: str) -> Any:
        """Post to a page."""
        self.browser.client.get(page)
        token = self.browser.client.cookies["csrftoken"].value
        return self.browser.client.post(page, {**data, "csrfmiddlewaretoken": token})

    def log_in_by_phone(self, number: str) -> None:
        """Log in once more, without a logout."""
        self.clock.shift(timedelta(minutes=6))
        self.browser.ask(number)
        self.browser.answer(self.outbox[-1].code)

    def take_second_step(self, number: str) -> None:
        """Log in once more by the password and a call."""
        self.clock.shift(timedelta(minutes=6))
        phone = Phone.objects.get(number=number)
        password = {"username": self.user.username, "password": PASSWORD}
        self.browser.open(self.post("/password/", **password).url)
        self.browser.press("Call me", **self.choice_of(phone))
        self.browser.answer(self.outbox[-1].code)

    def choice_of(self, phone: Phone) -> dict[str, str]:
        """Return what chooses this number, if the page asks."""
        has_choice = bool(self.browser.page.elements("input", name="phone"))
        return {"phone": str(phone.pk)} if has_choice else {}

    def log_out(self) -> None:
        """End the session."""
        self.browser.client.logout()

    def has_proof(self) -> bool:
        """Return whether a guarded page opens."""
        return self.browser.open("/sensitive/").text == "sensitive"


@pytest.fixture(params=["db", "signed_cookies"])
def session(
    request: Any, settings: Any, user: Any, outbox: Outbox, clock: Clock, flashcall: Any
) -> Session:
    """Return the session of a user with a number, in the database or in a cookie."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    flashcall(DAILY_ATTEMPTS=50)
    PhoneFactory(number=OLD, user=user, verified_at=NOON - timedelta(days=1))
    browser = Browser(Client(enforce_csrf_checks=True))
    browser.client.login(username=user.username, password=PASSWORD)
    return Session(user, browser, outbox, clock)


def log_in_anew(session: Session) -> None:
    session.log_out()
    session.log_in_by_phone(OLD)


def sign_up(session: Session) -> None:
    session.log_out()
    session.log_in_by_phone(DISTANT)


def log_in_anew_with_an_added_number(session: Session) -> None:
    session.add(NEW)
    session.log_out()
    session.log_in_by_phone(NEW)


def take_second_step_anew(session: Session) -> None:
    session.log_out()
    session.take_second_step(OLD)


def log_in_once_more(session: Session) -> None:
    session.add(NEW)
    session.log_in_by_phone(OLD)


def log_in_once_more_with_an_added_number(session: Session) -> None:
    session.add(NEW)
    session.log_in_by_phone(NEW)


def take_second_step_once_more_with_an_added_number(session: Session) -> None:
    session.add(NEW)
    session.take_second_step(NEW)


def log_in_by_password(session: Session) -> None:
    assert is_logged_in(session.browser)


def prove_an_old_number(session: Session) -> None:
    session.add(NEW)
    session.add(DISTANT)
    session.call_again(OLD)


def prove_an_added_number(session: Session) -> None:
    session.add(NEW)
    session.call_again(NEW)
    session.call_again(NEW)


def prove_the_number_after_a_change(session: Session) -> None:
    session.add(NEW, page=CHANGE)
    session.call_again(NEW)


def confirm_a_first_number(session: Session) -> None:
    Phone.objects.all().delete()
    session.add(NEW)


def confirm_another_number(session: Session) -> None:
    session.add(NEW)


def confirm_an_old_number(session: Session) -> None:
    session.add(OLD)


def confirm_an_added_number_once_more(session: Session) -> None:
    session.add(NEW)
    session.add(NEW)


def change_to_another_number(session: Session) -> None:
    session.add(NEW, page=CHANGE)


def change_to_an_added_number(session: Session) -> None:
    session.add(NEW)
    session.add(NEW, page=CHANGE)


#: The rows of the table: what the user does, and whether it is a fresh proof.
ROWS: dict[str, tuple[Callable[[Session], None], str]] = {
    "Logs in by phone": (log_in_anew, "Yes"),
    "Signs up by phone": (sign_up, "Yes"),
    "Logs in by password and takes the second step": (take_second_step_anew, "Yes"),
    "Logs in in another way, for instance by password": (log_in_by_password, "No"),
    "Proves an old number again": (prove_an_old_number, "Yes"),
    "Proves an added number again": (prove_an_added_number, "No"),
    "Proves the number again that replaced the others in this session": (
        prove_the_number_after_a_change,
        "No",
    ),
    "Confirms a number, and had none": (confirm_a_first_number, "Yes"),
    "Confirms an old number": (confirm_an_old_number, "Yes"),
    "Confirms another number": (confirm_another_number, "No"),
    "Confirms an added number once more": (confirm_an_added_number_once_more, "No"),
    "Changes to another number": (change_to_another_number, "No"),
    "Changes to an added number": (change_to_an_added_number, "No"),
    "Logs in by phone without a logout, with an old number": (log_in_once_more, "Yes"),
    "Logs in by phone without a logout, with an added number": (
        log_in_once_more_with_an_added_number,
        "No",
    ),
    "Takes the second step without a logout, with an added number": (
        take_second_step_once_more_with_an_added_number,
        "No",
    ),
    "Logs out, and logs in with the number that was added": (
        log_in_anew_with_an_added_number,
        "Yes",
    ),
}


def documented_rows() -> dict[str, str]:
    """Return the rows of the table in the documentation."""
    table = (DOCS / "accounts.rst").read_text().split(".. _fresh-proofs:")[1]
    rows = re.findall(r"\* - (.+?)\n     - (\w+)", table.split(".. note::")[0], re.DOTALL)
    return {" ".join(does.split()): counts for does, counts in rows if does != "The user"}


class TestTheTable:
    @pytest.mark.parametrize("does", ROWS)
    def test_each_row_holds(self, does: str, session: Session) -> None:
        scenario, counts = ROWS[does]

        scenario(session)

        assert session.has_proof() is (counts == "Yes")

    def test_has_these_rows_and_no_other(self) -> None:
        assert documented_rows() == {does: counts for does, (_, counts) in ROWS.items()}


class TestAnAddedNumber:
    def test_proves_nothing_where_the_cookie_of_the_time_before_is_sent_again(
        self, session: Session
    ) -> None:
        """A list of added numbers in the session could be taken back by its visitor."""
        before = session.browser.client.cookies["sessionid"].value
        session.add(NEW)
        session.browser.client.cookies["sessionid"] = before
        session.call_again(NEW)

        assert not session.has_proof()

    def test_proves_nothing_in_a_session_that_began_earlier_elsewhere(
        self, session: Session
    ) -> None:
        elsewhere = Browser()
        elsewhere.client.login(username=session.user.username, password=PASSWORD)
        session.add(NEW)
        other = Session(session.user, elsewhere, session.outbox, session.clock)
        other.call_again(NEW)

        assert not other.has_proof()

    @pytest.mark.parametrize(
        ("number", "title"), [(OLD, "Change your number"), (NEW, "Confirm that it is you")]
    )
    def test_is_no_recent_login_either(self, number: str, title: str, session: Session) -> None:
        session.add(NEW)
        session.clock.shift(timedelta(minutes=15))
        session.log_in_by_phone(number)

        assert session.browser.open(CHANGE).title == title

    def test_of_a_user_who_knows_the_password_is_a_recent_login(self, session: Session) -> None:
        session.add(NEW)
        session.clock.shift(timedelta(minutes=15))
        session.take_second_step(NEW)

        assert session.browser.open(CHANGE).title == "Change your number"

    def test_is_not_called_again(self, session: Session) -> None:
        session.add(NEW)
        calls = len(session.outbox)
        session.add(DISTANT)
        page = session.browser.open(AGAIN)

        assert page.elements("input", type="radio") == []
        assert "••-67" in page.text
        assert len(session.outbox) == calls + 1

    def test_keeps_no_login_recent_by_a_password_of_long_ago(self, session: Session) -> None:
        session.post("/password/", username=session.user.username, password=PASSWORD)
        session.clock.shift(timedelta(minutes=4))
        session.add(NEW)
        session.log_in_by_phone(NEW)

        assert session.browser.open(CONFIRM).title == "Confirm that it is you"

    def test_makes_no_session_larger(self, session: Session) -> None:
        session.add(NEW)
        events = session.browser.client.session["flashcall_events"]
        session.add(DISTANT)

        assert set(session.browser.client.session["flashcall_events"]) == set(events)
        assert set(events) <= {"began", "login", "proof"}

    def test_counts_once_the_user_has_logged_in_again(self, session: Session) -> None:
        session.add(NEW, page=CHANGE)
        page = session.browser.open("/sensitive/")
        assert page.title == "Log in again"
        assert "You added this number after you logged in." in page.text
        session.clock.shift(timedelta(minutes=6))
        session.browser.press("Log in again")
        assert not is_logged_in(session.browser)
        session.browser.press("Call me", number=NEW)

        assert session.browser.answer(session.outbox[-1].code).text == "sensitive"

    def test_counts_after_a_login_by_password_too(self, session: Session) -> None:
        session.add(NEW, page=CHANGE)
        session.log_out()
        session.clock.shift(timedelta(minutes=6))
        session.browser.client.login(username=session.user.username, password=PASSWORD)

        assert prove_own(session.browser, "/sensitive/", session.outbox).text == "sensitive"

    def test_is_refused_on_a_page_that_was_opened_before(self, session: Session) -> None:
        session.browser.open(AGAIN)
        tab = session.browser.second_tab()
        session.add(NEW, page=CHANGE)
        calls = len(session.outbox)

        page = tab.press("Call me")

        assert page.title == "Log in again"
        assert len(session.outbox) == calls


class TestANumberThatTheSiteHasProved:
    """It counts like one that was proved here, whether ``flashcall_adopt`` has linked it or not."""

    @pytest.fixture(autouse=True)
    def proved_by_the_site(self, session: Session, flashcall: Any) -> None:
        flashcall(USER_PHONE_FIELD="last_name", USER_PHONES_PROVEN=True, DAILY_ATTEMPTS=50)
        session.user.last_name = OLD
        session.user.save()
        Phone.objects.update(verified_at=None)

    @pytest.mark.parametrize("is_linked", [True, False])
    def test_is_not_replaced_by_an_added_number(self, session: Session, is_linked: bool) -> None:
        if not is_linked:
            Phone.objects.all().delete()
        session.add(NEW)
        assert not session.has_proof()

    @pytest.mark.parametrize("is_linked", [True, False])
    def test_is_a_proof_once_it_is_confirmed(self, session: Session, is_linked: bool) -> None:
        if not is_linked:
            Phone.objects.all().delete()
        session.add(OLD)
        assert session.has_proof()


class TestAFirstNumber:
    def test_is_a_proof_later_on_too(self, session: Session) -> None:
        Phone.objects.all().delete()
        session.add(NEW)
        session.clock.shift(timedelta(minutes=6))
        assert not session.has_proof()
        session.call_again(NEW)

        assert session.has_proof()

    def test_is_none_once_it_was_replaced(self, session: Session) -> None:
        Phone.objects.all().delete()
        session.add(OLD)
        session.add(NEW, page=CHANGE)
        session.clock.shift(timedelta(minutes=6))
        session.call_again(NEW)

        assert not session.has_proof()


class TestTheService:
    def test_adds_a_number_that_proves_nothing_on_the_pages(self, session: Session) -> None:
        session.clock.shift(timedelta(minutes=6))
        approval = self.approval(session.user, PhoneFactory(number=NEW))
        Verification.objects.update(purpose=Purpose.CONFIRM, approved_at=timezone.now())
        accounts.confirm_number(approval, user=session.user)
        session.call_again(NEW)

        assert not session.has_proof()

    def approval(self, user: Any, phone: Phone) -> Verification:
        approval: Verification = VerificationFactory(
            phone=phone,
            user=user,
            purpose=Purpose.REAUTHENTICATE,
            status=VerificationStatus.APPROVED,
            approved_at=NOON,
            checks=1,
        )
        return approval

    def test_refuses_a_number_that_was_added_later_and_keeps_the_approval(self, user: Any) -> None:
        phone = PhoneFactory(user=user, added_at=NOON)
        approval = self.approval(user, phone)

        with pytest.raises(NumberTooNew):
            accounts.prove_again(approval, user=user, added_before=NOON)

        approval.refresh_from_db()
        assert approval.consumed_at is None

    @pytest.mark.parametrize("added_at", [None, NOON - timedelta(seconds=1)])
    def test_accepts_a_number_that_was_there_before(self, user: Any, added_at: Any) -> None:
        phone = PhoneFactory(user=user, added_at=added_at)

        proved = accounts.prove_again(self.approval(user, phone), user=user, added_before=NOON)

        assert proved == phone
