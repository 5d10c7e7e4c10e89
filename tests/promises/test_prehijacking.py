"""Five ways to prepare an account before its user gets it (Sudhodanan and Paverd, 2022).

The attacker is there first, with the victim's number; then the victim comes and logs in by phone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user, get_user_model
from django.test import Client, RequestFactory
from django.utils import timezone

from django_flashcall.accounts import release_numbers
from django_flashcall.backends import PhoneBackend
from django_flashcall.models import Phone
from django_flashcall.operations.adoption import link, survey
from tests.constants import NUMBER, Clock, Outbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


ATTACKERS_PASSWORD = "the attacker knows it"


@pytest.fixture(autouse=True)
def field(flashcall: Any) -> None:
    flashcall(USER_PHONE_FIELD="last_name")


def register(**fields: str) -> Any:
    """Make the attacker's account, as a site does that believes what is typed."""
    return get_user_model().objects.create_user("attacker", password=ATTACKERS_PASSWORD, **fields)


def log_in_by_phone(client: Client, outbox: Outbox) -> Any:
    page = client.post("/phone/login/", {"number": NUMBER})
    client.post(page.url, {"code": outbox[-1].code})
    return user_of(client)


def user_of(client: Client) -> Any:
    request = RequestFactory().get("/")
    request.session = client.session
    return get_user(request)


class Slow(PhoneBackend):
    """Somebody else is quicker: the number is released while its login is under way."""

    def find_user(self, number: str) -> Any:
        """Find the user, and let the operator press the button."""
        user = super().find_user(number)
        release_numbers(Phone.objects.filter(number=number))
        return user


class TestAttacks:
    def test_classic_merge(self, client: Client, outbox: Outbox) -> None:
        """The number was typed at a registration with a password."""
        attacker = register(last_name=NUMBER)
        assert not log_in_by_phone(client, outbox).is_authenticated
        assert not Phone.objects.filter(user=attacker).exists()

    def test_unexpired_session(self, client: Client, outbox: Outbox) -> None:
        """The attacker stays logged in; the victim confirms the number in their own account."""
        attacker, attackers = register(last_name=NUMBER), Client()
        attackers.login(username="attacker", password=ATTACKERS_PASSWORD)
        victim = get_user_model().objects.create_user("victim")
        client.force_login(victim, backend="django.contrib.auth.backends.ModelBackend")
        page = client.post("/phone/confirm/", {"number": NUMBER})
        client.post(page.url, {"code": outbox[-1].code})
        assert Phone.objects.get().user == victim
        assert user_of(attackers) == attacker

    def test_trojan_identifier(self, client: Client, outbox: Outbox) -> None:
        """The account has a second name, by which the attacker would come back."""
        register(last_name=NUMBER, email="attacker@example.org")
        assert not log_in_by_phone(client, outbox).is_authenticated

    def test_unexpired_change_of_the_number(
        self, client: Client, outbox: Outbox, clock: Clock
    ) -> None:
        """The attacker asks to confirm it, and enters the code after the victim logged in."""
        attacker, attackers = register(), Client()
        attackers.login(username="attacker", password=ATTACKERS_PASSWORD)
        page = attackers.post("/phone/confirm/", {"number": NUMBER})
        code = outbox[-1].code
        clock.shift(timedelta(minutes=2))
        victim = log_in_by_phone(client, outbox)
        assert victim.is_authenticated
        answer = attackers.post(page.url, {"code": code})
        assert "This number belongs to another account." in answer.text
        assert Phone.objects.get().user == victim != attacker

    def test_a_provider_of_identities_that_verifies_nothing(
        self, client: Client, outbox: Outbox
    ) -> None:
        """The number came along from elsewhere, and was even adopted."""
        register(last_name=NUMBER)
        list(link(survey()))
        assert Phone.objects.get().user is not None
        assert not log_in_by_phone(client, outbox).is_authenticated
        assert Phone.objects.get().verified_at is None


class TestRecycledNumbers:
    def test_a_number_that_was_released_opens_its_old_account_no_more(
        self, client: Client, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONES_PROVEN=True)
        victim: Any = register(last_name=NUMBER)
        Phone.objects.create(number=NUMBER, user=victim)
        release_numbers(Phone.objects.all())
        assert log_in_by_phone(client, outbox) not in (victim, None)
        victim.refresh_from_db()
        assert victim.last_name == NUMBER

    def test_confirming_and_giving_up_a_recycled_number_opens_nothing(
        self, client: Client, outbox: Outbox, flashcall: Any, clock: Clock
    ) -> None:
        """The new holder claims the number for their own account, and then takes another one."""
        flashcall(USER_PHONES_PROVEN=True, MAX_DORMANCY=timedelta(days=180))
        victim: Any = register(last_name=NUMBER, last_login=timezone.now() - timedelta(days=999))
        holder: Any = get_user_model().objects.create_user("holder")
        client.force_login(holder)
        for path, number in (("confirm", NUMBER), ("change", "+79997654321")):
            page = client.post(f"/phone/{path}/", {"number": number})
            client.post(page.url, {"code": outbox[-1].code})
            clock.shift(timedelta(minutes=2))
        assert Phone.objects.get(user=holder).number == "+79997654321"
        assert log_in_by_phone(Client(), outbox) != victim

    def test_a_user_whom_the_site_has_not_seen_for_long_is_dormant(
        self, client: Client, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(USER_PHONES_PROVEN=True, MAX_DORMANCY=timedelta(days=180))
        victim = register(last_name=NUMBER, last_login=timezone.now() - timedelta(days=181))
        assert log_in_by_phone(client, outbox) != victim

    def test_an_adopted_claim_to_the_number_of_a_deleted_user_is_none(
        self, client: Client, outbox: Outbox, clock: Clock
    ) -> None:
        former: Any = log_in_by_phone(Client(), outbox)
        former.delete()
        attacker = register(last_name="8 999 123-45-67")
        list(link(survey()))
        clock.shift(timedelta(minutes=2))
        assert log_in_by_phone(client, outbox) != attacker

    @pytest.mark.parametrize("proven", [True, False])
    def test_a_login_that_is_under_way_undoes_no_release(
        self, proven: bool, client: Client, outbox: Outbox, flashcall: Any, settings: Any
    ) -> None:
        owner = get_user_model().objects.create_user("owner")
        Phone.objects.create(number=NUMBER, user=owner, verified_at=timezone.now())
        flashcall(USER_PHONES_PROVEN=proven)
        settings.AUTHENTICATION_BACKENDS = ["tests.promises.test_prehijacking.Slow"]

        assert not log_in_by_phone(client, outbox).is_authenticated
        phone = Phone.objects.get()
        assert phone.user is None
        assert phone.released_at is not None
