"""What strangers use up on a number does not keep its owner out of a browser that is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from django_flashcall.accounts import release_numbers
from django_flashcall.models import Phone, Verification
from django_flashcall.visitors import devices
from tests.constants import NUMBER, Clock, Outbox
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture(autouse=True)
def no_rates(flashcall: Any) -> None:
    """Do not limit calls by address."""
    flashcall(RATES={})


def ask(client: Client) -> Any:
    return client.post("/phone/login/", {"number": NUMBER})


def log_in(client: Client, outbox: Outbox) -> bool:
    """Log in by phone, and tell whether that was possible."""
    page = ask(client)
    return page.status_code == 302 and bool(
        client.post(page.url, {"code": outbox[-1].code}).status_code == 302
    )


def device_cookies(client: Client) -> list[str]:
    """Return the names of the cookies that make this a trusted browser."""
    return [name for name in client.cookies if name.startswith(devices.DEVICE_COOKIE)]


def forget_verifications(client: Client) -> None:
    """Keep only what makes this a trusted browser, so that the next form calls again."""
    for name in {*client.cookies} - {*device_cookies(client)}:
        del client.cookies[name]


@pytest.fixture
def owner(outbox: Outbox, clock: Clock) -> Client:
    """Return the browser in which the owner logged in, and out, two days ago."""
    owner = Client()
    assert log_in(owner, outbox)
    owner.post("/logout/")
    owner.cookies.pop("sessionid")
    clock.shift(timedelta(days=2))
    return owner


def bomb(clock: Clock, *, times: int = 9) -> int:
    """Let strangers ask for calls, each in a new browser; return how many were placed."""
    placed = 0
    for _ in range(times):
        placed += ask(Client()).status_code == 302
        clock.shift(timedelta(minutes=6))
    return placed


def guess(clock: Clock) -> None:
    """Let strangers enter wrong codes until there are no checks left."""
    for _ in range(5):
        stranger = Client()
        page = ask(stranger)
        for _ in range(3 if page.status_code == 302 else 0):
            stranger.post(page.url, {"code": "00000000000"})
        clock.shift(timedelta(minutes=11))


class TestStrangers:
    def test_strangers_who_use_up_the_calls(
        self, owner: Client, outbox: Outbox, clock: Clock
    ) -> None:
        assert bomb(clock) == 5
        assert ask(Client()).status_code == 200
        assert log_in(owner, outbox)

    def test_strangers_who_use_up_the_checks(
        self, owner: Client, outbox: Outbox, clock: Clock, flashcall: Any
    ) -> None:
        flashcall(DAILY_ATTEMPTS=50)
        guess(clock)
        assert "Too many calls to this number" in ask(Client()).text
        assert log_in(owner, outbox)

    def test_strangers_who_call_all_the_time(self, owner: Client, outbox: Outbox) -> None:
        ask(Client())
        assert "We have just called this number" in ask(Client()).text
        assert log_in(owner, outbox)

    def test_strangers_who_use_up_the_block(
        self, owner: Client, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(BLOCK_HOURLY_ATTEMPTS=1)
        Client().post("/phone/login/", {"number": "+79991230000"})
        assert ask(Client()).status_code == 200
        assert log_in(owner, outbox)


class TestTrustedBrowsers:
    def test_the_owners_browser_has_quotas_of_its_own(
        self, owner: Client, clock: Clock, flashcall: Any
    ) -> None:
        placed = 0
        for _ in range(9):
            forget_verifications(owner)
            placed += ask(owner).status_code == 302
            clock.shift(timedelta(minutes=6))
        assert placed == 5
        assert ask(Client()).status_code == 302

    def test_all_browsers_that_are_trusted_share_their_quotas(
        self, owner: Client, outbox: Outbox, clock: Clock
    ) -> None:
        """Otherwise who holds a number could get a cookie with each login, and call for ever."""
        placed = 0
        for _ in range(9):
            [name] = device_cookies(owner)
            cookie = owner.cookies[name].value
            page = ask(owner)
            placed += page.status_code == 302
            if page.status_code == 302:
                del owner.cookies[name]
                owner.post(page.url, {"code": outbox[-1].code})
                assert owner.cookies[name].value != cookie
            forget_verifications(owner)
            clock.shift(timedelta(minutes=6))
        assert placed == 5

    def test_a_cookie_ends_with_the_user_whose_number_it_was(
        self, owner: Client, outbox: Outbox, clock: Clock
    ) -> None:
        Phone.objects.get().user.delete()  # type: ignore[union-attr]
        assert log_in(Client(), outbox)  # somebody else signs up with the number
        clock.shift(timedelta(minutes=6))
        bomb(clock)
        assert not log_in(owner, outbox)

    def test_the_owners_browser_waits_between_its_calls(self, owner: Client) -> None:
        assert ask(owner).status_code == 302
        forget_verifications(owner)
        assert "We have just called this number" in ask(owner).text

    def test_a_cookie_is_worth_nothing_for_another_number(
        self, owner: Client, outbox: Outbox, clock: Clock
    ) -> None:
        thief = Client()
        other = thief.post("/phone/login/", {"number": "+79997654321"})
        thief.post(other.url, {"code": outbox[-1].code})
        thief.cookies.pop("sessionid")
        bomb(clock)
        assert not log_in(thief, outbox)

    @pytest.mark.parametrize("how", ["released", "distrusted", "taken over", "forged"])
    def test_a_cookie_can_be_revoked(
        self, how: str, owner: Client, outbox: Outbox, clock: Clock
    ) -> None:
        phones = Phone.objects.filter(number=NUMBER)
        now = Verification.objects.latest("pk").created_at + timedelta(days=1)
        if how == "released":
            release_numbers(phones)
        elif how == "distrusted":
            phones.distrust(now=now)
        elif how == "taken over":
            phones.update(verified_at=None)
            phones.claim_for(user=UserFactory(), now=now, dormant_since=None, added_at=None)
        else:
            [name] = device_cookies(owner)
            owner.cookies[name] = owner.cookies[name].value[:-1]
        bomb(clock)
        assert not log_in(owner, outbox)

    def test_proving_ones_own_number_again_revokes_nothing(
        self, owner: Client, outbox: Outbox, clock: Clock
    ) -> None:
        phones = Phone.objects.filter(number=NUMBER)
        phones.claim_for(
            user=phones.get().user, now=phones.get().created_at, dormant_since=None, added_at=None
        )
        bomb(clock)
        assert log_in(owner, outbox)

    def test_a_browser_of_two_numbers_is_known_to_both(
        self, owner: Client, outbox: Outbox, clock: Clock
    ) -> None:
        other = owner.post("/phone/login/", {"number": "+79997654321"})
        owner.post(other.url, {"code": outbox[-1].code})
        owner.post("/logout/")
        bomb(clock)
        assert log_in(owner, outbox)
