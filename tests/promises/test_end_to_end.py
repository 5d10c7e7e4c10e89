"""The main job over real HTTP: pages, services, mobilgroup's wire and the simulator together."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import AttemptStatus, Channel
from django_flashcall.exceptions import TransactionOpen
from django_flashcall.models import Phone, VerificationAttempt
from django_flashcall.simulator.testing import RunningSimulator
from django_flashcall.visitors.visitor import Visitor
from tests.browser import Page
from tests.constants import DIGITS
from tests.factories import AttemptFactory, PriceFactory, UserFactory
from tests.logins import spent

pytestmark = pytest.mark.django_db


KEY = "0b5f6f0e-3f0e-4c3a-9d0f-2f6f3f0d8a11"


@pytest.fixture(autouse=True)
def provider(simulator: RunningSimulator, flashcall: Any) -> None:
    flashcall(
        PROVIDER="django_flashcall.providers.mobilgroup.MobilgroupProvider",
        OPTIONS={"api_key": simulator.api_key, "url": simulator.url},
    )


@pytest.fixture
def prices() -> None:
    for channel, amount in [("flash_call", "0.35"), ("voice", "0.70"), ("sms", "1.60")]:
        PriceFactory(channel=channel, amount=Decimal(amount), valid_from=timezone.now())


def start(client: Client) -> Any:
    return client.post("/phone/login/", {"number": "8 (999) 123-45-67", "key": KEY})


TRY_LATER = "We cannot call +7 999 123-45-67 at the moment."


CHECK_NUMBER = "+7 999 123-45-67 cannot be reached this way."


NOBODY_KNOWS = "We do not know whether the call to +7 999 123-45-67 came through."


class TestLoggingIn:
    @pytest.mark.usefixtures("prices")
    def test_a_visitor_logs_in_by_flash_call(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        page = start(client)
        [call] = simulator.calls
        assert call.number == DIGITS
        done = client.post(page.url, {"code": call.code})
        assert done.url == "/welcome/"
        assert client.get("/welcome/").status_code == 200
        assert spent() == Decimal("0.35")

    @pytest.mark.usefixtures("prices")
    def test_who_loses_the_first_call_gets_in_by_sms(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        with time_machine.travel(timezone.now()) as clock:
            simulator.arrange("lost_call")
            page = start(client)
            assert simulator.exchange.ringing() == ()
            clock.shift(timedelta(seconds=60))
            client.post(page.url, {"channel": "sms", "attempt_count": "1"})
            sms = simulator.calls[0]
            assert client.post(page.url, {"code": sms.code}).url == "/welcome/"
        attempts = VerificationAttempt.objects.all()
        assert [(one.channel, one.price) for one in attempts] == [
            (Channel.FLASH_CALL, Decimal("0.35")),
            (Channel.SMS, Decimal("1.60")),
        ]
        assert spent() == Decimal("1.95") == simulator.exchange.billed

    @pytest.mark.usefixtures("prices")
    def test_a_spoken_code_logs_in_though_the_answer_was_lost(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        with time_machine.travel(timezone.now()) as clock:
            simulator.arrange("lost_call")
            page = start(client)
            clock.shift(timedelta(seconds=60))
            simulator.arrange("lost_answer")
            client.post(page.url, {"channel": "voice", "attempt_count": "1"})
            spoken = simulator.calls[0]
            assert VerificationAttempt.objects.last().status == AttemptStatus.UNKNOWN
            assert client.post(page.url, {"code": spoken.code}).url == "/welcome/"
        # The lost answer named no price: what the list expected counts as spent.
        assert spent() == Decimal("1.05") == simulator.exchange.billed

    def test_the_double_click_is_one_call(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        assert start(client).url == start(client).url
        assert simulator.requests_received == 1


class TestFailures:
    # What the provider does: requests made, what is recorded and spent, what the visitor reads.
    @pytest.mark.parametrize(
        ("fault", "status", "cost", "text"),
        [
            ("unknown_request", AttemptStatus.REJECTED, "0", TRY_LATER),
            ("authorisation_failed", AttemptStatus.REJECTED, "0", TRY_LATER),
            ("user_disabled", AttemptStatus.REJECTED, "0", TRY_LATER),
            ("number_is_empty", AttemptStatus.REJECTED, "0", CHECK_NUMBER),
            ("number_not_valid", AttemptStatus.REJECTED, "0", CHECK_NUMBER),
            ("number_not_permitted", AttemptStatus.REJECTED, "0", CHECK_NUMBER),
            ("not_enough_money", AttemptStatus.REJECTED, "0", TRY_LATER),
            ("ani_phone_not_valid", AttemptStatus.REJECTED, "0", TRY_LATER),
            ("number_in_spam_list", AttemptStatus.REJECTED, "0", TRY_LATER),
            ("code_not_valid", AttemptStatus.REJECTED, "0", TRY_LATER),
            ("lost_answer", AttemptStatus.UNKNOWN, "0.35", NOBODY_KNOWS),
            ("http_500", AttemptStatus.UNKNOWN, "0.35", NOBODY_KNOWS),
        ],
    )
    @pytest.mark.usefixtures("prices")
    def test_a_failing_provider_leaves_a_record_and_a_next_step(
        self,
        client: Client,
        simulator: RunningSimulator,
        caplog: Any,
        fault: str,
        status: str,
        cost: str,
        text: str,
    ) -> None:
        caplog.set_level("INFO", logger="django_flashcall")
        simulator.arrange(fault)
        page = Page(client.get(start(client).url).text).text
        assert simulator.requests_received == 1
        assert VerificationAttempt.objects.get().status == status
        assert spent() == Decimal(cost)
        assert text in page
        assert fault not in page
        [line] = [
            record.getMessage() for record in caplog.records if "attempt=" in record.getMessage()
        ]
        assert DIGITS not in line
        assert simulator.api_key not in line

    def test_a_provider_that_is_not_there_costs_nothing(
        self, client: Client, simulator: RunningSimulator, flashcall: Any
    ) -> None:
        flashcall(OPTIONS={"api_key": simulator.api_key, "url": "http://127.0.0.1:9/"})
        page = Page(client.get(start(client).url).text).text
        assert TRY_LATER in page
        assert VerificationAttempt.objects.get().error_code == "not_sent"
        assert spent() == 0

    def test_a_dialer_that_fails_costs_nothing_and_says_what_else_to_do(
        self, client: Client, simulator: RunningSimulator, flashcall: Any
    ) -> None:
        flashcall(DIALER="tests.doubles.fail")
        page = Page(client.get(start(client).url).text).text
        assert TRY_LATER in page
        attempt = VerificationAttempt.objects.get()
        assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_sent")
        assert spent() == 0
        assert simulator.requests_received == 0


class TestRecords:
    def test_the_sweep_command_says_how_many_it_found(self) -> None:
        AttemptFactory(
            status=AttemptStatus.REQUESTED, created_at=timezone.now() - timedelta(minutes=20)
        )
        out = io.StringIO()
        call_command("flashcall_sweep", stdout=out)
        assert out.getvalue() == "1 attempts are now unknown.\n"

    def test_nothing_is_started_for_a_blocked_number(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        start(client)
        Phone.objects.block(now=timezone.now())
        page = Client().post("/phone/login/", {"number": DIGITS})
        assert "We do not call this number." in page.text
        assert simulator.requests_received == 1

    def test_the_record_of_a_call_survives_its_user(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        user = UserFactory()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        start(client)
        assert simulator.requests_received == 1
        user.delete()
        assert VerificationAttempt.objects.count() == 1


class TestRequests:
    def test_another_browser_cannot_take_a_verification_over_by_its_address(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        page = start(client)
        stranger = Client()
        key = page.url.split("/")[-2]
        stranger.post("/phone/login/", {"number": DIGITS, "key": key})
        stranger.post(page.url, {"code": simulator.calls[0].code})
        assert "_auth_user_id" not in stranger.session

    def test_an_expired_call_is_asked_for_again_without_typing_the_number(
        self, client: Client, simulator: RunningSimulator
    ) -> None:
        with time_machine.travel(timezone.now()) as clock:
            page = start(client)
            clock.shift(timedelta(minutes=11))
            login = client.get(client.post(page.url, {"cancel": "1"}).url)
            assert 'value="+7 999 123-45-67"' in login.text

    @pytest.mark.django_db(transaction=True)
    def test_a_connection_without_autocommit_is_refused_before_anything_is_sent(
        self,
        simulator: RunningSimulator,
    ) -> None:
        Phone.objects.create(number=f"+{DIGITS}")
        transaction.set_autocommit(False)
        try:
            with pytest.raises(TransactionOpen):
                services.start_verification(DIGITS, purpose="login", visitor=Visitor())
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)
        assert simulator.requests_received == 0
