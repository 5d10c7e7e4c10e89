"""Mistakes that other packages and services made, one test each: none of them is made here."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import Purpose
from django_flashcall.conf import get_settings
from django_flashcall.exceptions import TransactionOpen
from django_flashcall.forms import CodeForm
from django_flashcall.models import Phone, Verification, VerificationAttempt
from django_flashcall.visitors.visitor import Visitor
from tests.constants import DISTANT, NUMBER, Clock, Outbox
from tests.factories import PhoneFactory, UserFactory
from tests.logins import wrong

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def ask(client: Client, number: str = NUMBER, **headers: str) -> Any:
    return client.post("/phone/login/", {"number": number}, headers=headers)


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def guess_until_refused(client: Client, page: Any, code: str) -> int:
    """Type wrong codes, and return how many were compared."""
    texts = [client.post(page.url, {"code": wrong(code)}).text for _ in range(10)]
    return sum("did not match" in text for text in texts)


class TestAddresses:
    def test_a_success_does_not_clear_the_limit_of_its_address(
        self, flashcall: Any, outbox: Outbox
    ) -> None:
        """allauth 65.8.1: the attacker logged in as himself now and then."""
        flashcall(RATES={"start": ["2/d"]})
        mine = Client()
        page = ask(mine)
        mine.post(page.url, {"code": outbox[-1].code})
        assert is_in(mine)
        ask(Client(), DISTANT)
        assert "Too many attempts" in ask(Client(), "+79990000000").text

    def test_an_address_that_the_client_names_itself_is_not_believed(self, flashcall: Any) -> None:
        """allauth 65.14.2: X-Forwarded-For was trusted, and the limits were anybody's."""
        flashcall(RATES={"start": ["2/d"]})
        numbers = [f"+7999000000{one}" for one in range(3)]
        answers = [
            ask(Client(), number, **{"x-forwarded-for": f"203.0.113.{turn}"}).status_code
            for turn, number in enumerate(numbers)
        ]
        assert answers == [302, 302, 200]


class TestUsers:
    def test_a_new_user_has_an_unusable_password_and_no_blank_one(self, outbox: Outbox) -> None:
        """allauth 65.11.1."""
        client = Client()
        client.post(ask(client).url, {"code": outbox[-1].code})
        user = get_user_model().objects.get()
        assert not user.has_usable_password()
        assert not user.check_password("")

    def test_a_number_is_changed_by_a_code_to_the_new_one_only(self, outbox: Outbox) -> None:
        """allauth 65.12.1: the change was confirmed by the wrong proof."""
        user = UserFactory()
        PhoneFactory(number=NUMBER, user=user)
        client = Client()
        client.force_login(user)
        login = ask(client)
        old_code = outbox[-1].code
        change = client.post("/phone/change/", {"number": DISTANT})
        if outbox[-1].code != old_code:
            client.post(change.url, {"code": old_code})
        client.post(login.url.replace("code", "change"), {"code": old_code})
        assert Phone.objects.get(user=user).number == NUMBER


class TestSecrets:
    def test_a_session_holds_no_secret(self, outbox: Outbox) -> None:
        """CVE-2020-15105: a password lay in the session."""
        client = Client()
        ask(client)
        kept = json.dumps(dict(client.session.items()))
        assert outbox[-1].code not in kept.replace(str(Verification.objects.get().key), "")
        assert "9991234567" not in kept

    def test_no_cookie_holds_a_number(self, outbox: Outbox) -> None:
        """django-phone-verify: the number was readable in a token."""
        client = Client()
        client.post(ask(client).url, {"code": outbox[-1].code})
        assert "9991234567" not in " ".join(cookie.value for cookie in client.cookies.values())

    def test_a_code_is_in_no_row_and_in_no_text_of_one(self, outbox: Outbox) -> None:
        """drfpasswordless: str() of a token showed it; django-phone-verify: kept as it was."""
        ask(Client())
        attempt = VerificationAttempt.objects.get()
        code = outbox[-1].code
        assert code not in {str(value) for value in vars(attempt).values()}
        assert code not in f"{attempt} {attempt!r} {attempt.verification}".split()
        assert len(attempt.code_digest) == 64

    def test_keys_do_not_come_from_a_generator_that_can_be_expected(self) -> None:
        """django-phone-verify: the nonce came from ``random``."""
        keys = []
        for number in (NUMBER, DISTANT):
            random.seed(1)
            ask(Client(), number)
            keys.append(Verification.objects.latest("pk").key)
        assert keys[0] != keys[1]


class TestGuessing:
    def test_a_code_is_good_for_ten_minutes_at_the_longest(self) -> None:
        """drfpasswordless: a quarter of an hour."""
        config = get_settings()
        assert config.CODE_LIFETIME < config.VERIFICATION_LIFETIME <= timedelta(minutes=10)

    @pytest.mark.parametrize("code", ["0000", "1234", "1111", "000000", "9999"])
    def test_there_are_no_codes_and_no_numbers_for_demonstrations(
        self, code: str, outbox: Outbox
    ) -> None:
        """drfpasswordless, Supabase, django-phone-verify: users whose code everybody knows."""
        for number in (NUMBER, "+79990000000", "+79001234567"):
            client = Client()
            page = ask(client, number)
            if outbox[-1].code != code:
                client.post(page.url, {"code": code})
                assert not is_in(client)

    def test_a_code_may_be_guessed_three_times(self, outbox: Outbox) -> None:
        """drfpasswordless #100, Nagios Fusion CVE-2025-60424, AIL CVE-2026-56450: without end."""
        client = Client()
        assert guess_until_refused(client, ask(client), outbox[-1].code) == 3

    def test_guesses_at_the_same_moment_are_counted_before_they_are_compared(
        self, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """django-phone-verify, axes #592: looked at the count, compared, and counted then."""
        counted: list[int] = []
        compare = services.matches

        def watched(*args: Any, **kwargs: Any) -> bool:
            counted.append(Verification.objects.get().checks)
            return compare(*args, **kwargs)

        monkeypatch.setattr(services, "matches", watched)
        client = Client()
        guess_until_refused(client, ask(client), outbox[-1].code)
        assert counted == [1, 2, 3]

    def test_another_call_gives_back_no_guesses(self, outbox: Outbox, clock: Clock) -> None:
        """django-phone-verify: a resend began to count anew."""
        client = Client()
        page = ask(client)
        for _ in range(2):
            client.post(page.url, {"code": wrong(outbox[0].code)})
        clock.shift(timedelta(minutes=1))
        client.post(page.url, {"channel": "voice"})
        assert len(outbox) == 2
        codes = {call.code for call in outbox}
        last = next(f"{n:04}" for n in range(10) if f"{n:04}" not in codes)
        assert "no tries are left" in client.post(page.url, {"code": last}).text

    def test_more_sessions_are_no_more_guesses(
        self, outbox: Outbox, clock: Clock, flashcall: Any
    ) -> None:
        """AuthQuake: each session had its own count. Here the number has one."""
        flashcall(RATES={}, DAILY_ATTEMPTS=50)
        compared = 0
        for _ in range(20):
            client = Client()
            page = ask(client)
            if page.status_code == 302:
                compared += guess_until_refused(client, page, outbox[-1].code)
            clock.shift(timedelta(minutes=6))
        assert compared == get_settings().DAILY_FAILED_CHECKS

    def test_guessing_slowly_for_months_is_bounded(
        self, outbox: Outbox, clock: Clock, flashcall: Any
    ) -> None:
        """django-otp #75: a few guesses a day, for as long as it takes."""
        flashcall(RATES={})
        compared = 0
        for _ in range(60):
            client = Client()
            page = ask(client)
            if page.status_code == 302:
                compared += guess_until_refused(client, page, outbox[-1].code)
            clock.shift(timedelta(days=1))
        bound = get_settings().MONTHLY_FAILED_CHECKS
        assert bound <= compared <= 2 * bound

    def test_a_transaction_that_is_rolled_back_takes_no_guess_with_it(self, outbox: Outbox) -> None:
        """axes #442, #592, #611: the count was lost with the request's transaction."""
        visitor = Visitor(address="203.0.113.7")
        verification = services.start_verification(NUMBER, purpose=Purpose.LOGIN, visitor=visitor)
        with pytest.raises(TransactionOpen), transaction.atomic():
            services.check_code(verification, wrong(outbox[-1].code), visitor=visitor)

    def test_the_sites_own_view_counts_with_the_pages(self, outbox: Outbox, rf: Any) -> None:
        """Keycloak CVE-2026-9798 and 16103: another way in had no limit."""
        client = Client()
        page = ask(client)
        verification = Verification.objects.get()
        for _ in range(2):
            client.post(page.url, {"code": wrong(outbox[-1].code)})
        client.get(page.url)
        rf.cookies = client.cookies
        request = rf.post("/")
        request.session, request.user = client.session, None
        for left in ("no tries are left", "No tries are left"):
            form = CodeForm(request, {"code": wrong(outbox[-1].code)}, verification=verification)
            assert left in str(form.errors)


class TestUsingCodes:
    def test_a_code_logs_in_once(self, outbox: Outbox, settings: Any) -> None:
        """better-auth PR 8067: twice, if one was quick; tests/test_races.py is quick."""
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
        client = Client()
        page = ask(client)
        cookies = client.cookies.output(header="", sep=";")  # which no logout takes back
        client.post(page.url, {"code": outbox[-1].code})
        assert is_in(client)
        client.logout()
        client.cookies.load(cookies)
        client.post(page.url, {"code": outbox[-1].code})
        assert not is_in(client)

    def test_a_code_is_looked_for_with_its_call_and_nowhere_else(self, outbox: Outbox) -> None:
        """drfpasswordless, CapSoftware #2221: one guess was tried on everybody's codes."""
        ask(Client(), DISTANT)
        theirs = outbox[-1].code
        mine = Client()
        page = ask(mine)
        guess = theirs if outbox[-1].code != theirs else wrong(theirs)
        assert "did not match" in mine.post(page.url, {"code": guess}).text
        assert not is_in(mine)
        assert Verification.objects.latest("pk").checks == 1

    def test_a_number_without_a_user_is_refused_in_the_same_words(self, flashcall: Any) -> None:
        """better-auth #10603: USER_NOT_FOUND, or INVALID_OTP."""
        flashcall(SIGN_UP=False)
        PhoneFactory(number=NUMBER, user=UserFactory(), verified_at=timezone.now())
        texts = []
        for number in (NUMBER, DISTANT):
            client = Client()
            page = ask(client, number)
            texts.append(client.post(page.url, {"code": "00000000000"}).context["form"].errors)
        assert texts[0] == texts[1]

    def test_a_spoken_code_is_not_the_first_way_and_never_the_only_one(self) -> None:
        """WhatsApp, Telegram: voicemail took the call and kept the code."""
        channels = list(get_settings().CHANNELS)
        assert channels[0] != "voice"
        assert len(channels) > 1
