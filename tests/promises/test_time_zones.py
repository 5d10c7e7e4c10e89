"""Times are compared whatever ``USE_TZ`` is, and what a browser holds outlives its change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.http import HttpResponse
from django.utils import timezone

from django_flashcall import services
from django_flashcall.clock import MONTH
from django_flashcall.exceptions import CooldownActive
from django_flashcall.models import Phone, Verification, VerificationAttempt
from django_flashcall.operations.conversion import watch_conversion
from django_flashcall.operations.purging import purge
from django_flashcall.visitors import devices, sessions
from django_flashcall.visitors.visitor import Visitor
from tests.browser import Browser, is_logged_in, prove_own, request_from
from tests.constants import AGAIN, DISTANT, NOON, NUMBER, Clock, Outbox
from tests.factories import PhoneFactory, PriceFactory
from tests.logins import start

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize("use_tz", [True, False], ids=["aware", "naive"])


MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Stop the time at noon, in a process whose zone is that of the site, as Django sets it."""
    with time_machine.travel(NOON.astimezone(MOSCOW), tick=False) as clock:
        yield clock


def cookie_of(phone_id: int) -> str:
    """Return the cookie of a browser in which the number was verified."""
    response = HttpResponse()
    devices.trust(request_from(), response, phone_id=phone_id)
    return response.cookies[f"{devices.DEVICE_COOKIE}{phone_id}"].value


class TestSwitching:
    @BOTH
    def test_a_trusted_browser_stays_trusted_until_it_is_distrusted(
        self, use_tz: bool, settings: Any, clock: Clock
    ) -> None:
        settings.USE_TZ = not use_tz
        request = request_from()
        request.COOKIES[f"{devices.DEVICE_COOKIE}7"] = cookie_of(7)
        settings.USE_TZ = use_tz
        [device] = devices.devices_of(request)
        before, after = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(seconds=1)
        assert Phone(pk=7, trusted_since=before).trusts(device)
        assert not Phone(pk=7, trusted_since=after).trusts(device)
        assert device.issued_at == timezone.now()

    @BOTH
    def test_a_login_works_with_the_cookie_and_the_session_from_before(
        self, use_tz: bool, settings: Any, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        settings.USE_TZ = not use_tz
        PhoneFactory(number=NUMBER)
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        # Databases without time zones read the rows from before as times of another zone. A site
        # converts them; here they are gone.
        Verification.objects.all().delete()
        settings.USE_TZ = use_tz
        Phone.objects.update(last_attempt_at=None, trusted_since=timezone.now())
        clock.shift(timedelta(minutes=10))
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        assert len(outbox) == 2
        assert Verification.objects.get().is_trusted
        assert browser.url == "/welcome/"

    @BOTH
    @pytest.mark.parametrize("zone", ["Europe/Moscow", "America/New_York"])
    def test_an_event_of_a_session_is_as_old_as_it_is(
        self, use_tz: bool, zone: str, settings: Any, clock: Clock
    ) -> None:
        # In New York, this hour comes twice.
        clock.move_to(datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York")))
        settings.USE_TZ = not use_tz
        request = request_from()
        sessions.record_event(request, sessions.LOGIN)
        settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
        clock.shift(timedelta(minutes=5))
        assert sessions.is_recent(request, max_age=timedelta(minutes=5, seconds=1))
        assert not sessions.is_recent(request, max_age=timedelta(minutes=5))


class TestWithoutTimeZones:
    @pytest.fixture(autouse=True)
    def _without(self, settings: Any, clock: Clock) -> None:
        settings.USE_TZ = False

    def test_a_number_rests_is_called_again_and_logs_in(
        self, clock: Clock, outbox: Outbox, visitor: Visitor
    ) -> None:
        verification = start()
        with pytest.raises(CooldownActive):
            services.resend(verification, visitor=visitor)
        clock.shift(timedelta(seconds=60))
        services.resend(verification, visitor=visitor)
        assert services.check_code(verification, outbox[-1].code, visitor=visitor).approved_at

    def test_a_trusted_browser_is_recognised(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        Phone.objects.update(trusted_since=timezone.now() - timedelta(days=1))
        clock.shift(timedelta(minutes=10))
        browser.ask(NUMBER)
        assert Verification.objects.latest("pk").is_trusted

    def test_the_pages_of_a_login_and_of_a_proof_work(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        assert is_logged_in(browser)
        clock.shift(timedelta(minutes=10))
        prove_own(browser, AGAIN, outbox)
        assert len(outbox) == 2
        assert not Verification.objects.filter(consumed_at=None).exists()

    def test_what_is_over_is_swept_watched_and_purged(self, clock: Clock, flashcall: Any) -> None:
        flashcall(DIALER="tests.doubles.ignore")
        start()
        clock.shift(timedelta(minutes=10))
        assert services.sweep_attempts() == 1
        watch_conversion(now=timezone.now())
        clock.shift(4 * MONTH)
        assert purge(now=timezone.now()).verifications == 1
        assert not VerificationAttempt.objects.exists()

    def test_prices_begin_at_their_time(self, clock: Clock, outbox: Outbox) -> None:
        PriceFactory(valid_from=timezone.now() - timedelta(hours=1))
        PriceFactory(valid_from=timezone.now() + timedelta(hours=1), amount=5)
        attempt = start().attempts.get()
        assert f"{attempt.reserved:.2f}" == "0.35"
        assert attempt.created_at == NOON.astimezone(MOSCOW).replace(tzinfo=None)

    def test_a_login_page_shows_the_time_of_a_refusal(
        self, browser: Browser, flashcall: Any
    ) -> None:
        flashcall(RATES={"start": ["1/h"]})
        browser.ask(NUMBER)
        page = Browser().ask(DISTANT)
        assert re.search(r"Too many attempts. Try again after \d\d:\d\d.", page.text)
