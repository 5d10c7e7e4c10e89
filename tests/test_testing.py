"""Tests."""

from __future__ import annotations

import textwrap
import unittest
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.conf import settings as live
from django.core.cache import cache
from django.test import Client, TestCase, override_settings
from django.utils import timezone

from django_flashcall import testing
from django_flashcall.choices import Channel
from django_flashcall.exceptions import OutcomeUnknown
from django_flashcall.limits import breaker
from django_flashcall.models import Phone
from django_flashcall.providers import locmem
from django_flashcall.testing import PhoneTestMixin, fresh_outbox, log_in_by_phone
from tests.constants import DOCS, SHOWN
from tests.factories import UserFactory

#: A site in production: a provider that cannot be loaded here, a queue, and low rates.
SITE = {
    "PROVIDER": "django_flashcall.providers.mobilgroup.MobilgroupProvider",
    "OPTIONS": {"api_key": "key"},
    "DIALER": "tests.test_testing.queue",
    "RATES": {"start": ["1/d"]},
}


def queue(attempt_id: int) -> None:
    """Stand for the site's queue."""
    raise AssertionError("a test waits for no queue")


class Borrowed(PhoneTestMixin, TestCase):
    """A test class of a site's, run by the tests below and not by pytest."""

    __test__ = False

    def test_logs_in(self) -> None:
        self.assertEqual(self.log_in_by_phone(SHOWN).status_code, 302)
        self.assertIn("_auth_user_id", self.client.session)
        self.assertEqual([call.number for call in self.outbox], ["+79991234567"])

    test_logs_in_again = test_logs_in


def run(name: str) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.TestSuite([Borrowed(name)]).run(result)
    return result


@pytest.mark.django_db
class TestMixin:
    @pytest.mark.parametrize("name", ["test_logs_in", "test_logs_in_again"])
    def test_begins_each_test_with_nothing_called_and_nothing_counted(
        self, settings: Any, name: str
    ) -> None:
        settings.FLASHCALL = SITE
        result = run(name)
        assert result.testsRun == 1
        assert not result.errors + result.failures

    def test_leaves_settings_and_outbox_as_they_were(self, settings: Any) -> None:
        settings.FLASHCALL = SITE
        run("test_logs_in")
        assert live.FLASHCALL == SITE
        assert testing.CACHE not in live.CACHES
        assert not locmem.outbox

    def test_clears_no_cache_of_the_sites(self, settings: Any) -> None:
        cache.set("basket", 1)
        run("test_logs_in")
        assert cache.get("basket") == 1

    def test_forgets_a_provider_that_failed(self) -> None:
        for _ in range(breaker.MAX_FAILURES):
            with pytest.raises(OutcomeUnknown), breaker.slot(Channel.FLASH_CALL):
                raise OutcomeUnknown("ReadTimeout")
        assert not run("test_logs_in").errors

    def test_keeps_the_other_keys_of_the_site(self, settings: Any) -> None:
        settings.FLASHCALL = {**SITE, "CODE_LENGTH": 5}
        with testing.recorded_calls() as calls:
            log_in_by_phone(Client(), SHOWN)
            assert len(calls[-1].code) == 5


@pytest.mark.django_db
class TestFixture:
    @pytest.fixture(autouse=True)
    def site(self, settings: Any) -> None:
        settings.FLASHCALL = SITE

    @pytest.mark.parametrize("turn", [1, 2])
    def test_begins_each_test_with_nothing_called_and_nothing_counted(
        self, client: Client, phone_outbox: list[locmem.Delivery], turn: int
    ) -> None:
        log_in_by_phone(client, SHOWN)
        assert [call.channel for call in phone_outbox] == [Channel.FLASH_CALL]

    def test_lets_a_test_change_settings_afterwards(
        self, client: Client, phone_outbox: list[locmem.Delivery], settings: Any
    ) -> None:
        settings.FLASHCALL = {**settings.FLASHCALL, "SIGN_UP": False}
        with pytest.raises(AssertionError, match="No call was placed"):
            log_in_by_phone(client, SHOWN)

    def test_places_no_call_whatever_a_test_changes(
        self, client: Client, phone_outbox: list[locmem.Delivery], settings: Any
    ) -> None:
        settings.FLASHCALL = {**SITE, "CODE_LENGTH": 5}
        log_in_by_phone(client, SHOWN)
        assert len(phone_outbox[-1].code) == 5
        with override_settings(FLASHCALL={"PROVIDER": SITE["PROVIDER"]}):
            log_in_by_phone(Client(), "+7 999 765-43-21")
        assert len(phone_outbox) == 2

    def test_lets_a_test_have_calls_refused(
        self, client: Client, phone_outbox: list[locmem.Delivery], settings: Any
    ) -> None:
        options = {"error_code": "not_enough_money"}
        settings.FLASHCALL = {**settings.FLASHCALL, "OPTIONS": options}
        with pytest.raises(AssertionError, match="No call was placed"):
            log_in_by_phone(client, SHOWN)

    def test_leaves_nothing_behind(self) -> None:
        assert live.FLASHCALL == SITE
        assert testing.CACHE not in live.CACHES

    def test_time_travels_as_the_docs_say(
        self, client: Client, phone_outbox: list[locmem.Delivery], settings: Any
    ) -> None:
        settings.FLASHCALL = {**settings.FLASHCALL, "RATES": {}}  # the site's are too few
        names: dict[str, Any] = {}
        printed = (DOCS / "testing.rst").read_text().split("moves both::\n")[1]
        exec(textwrap.dedent(printed.split("\n\nDevelop without")[0]), names)  # noqa: S102
        names["test_after_a_minute_the_number_is_called_again"](client, phone_outbox)


class TestUse:
    def test_a_mixin_that_stands_behind_the_test_case_is_refused(self) -> None:
        with pytest.raises(TypeError, match="list PhoneTestMixin before TestCase"):
            type("Wrong", (TestCase, PhoneTestMixin), {})

    def test_a_login_without_an_outbox_is_refused(self, settings: Any) -> None:
        settings.FLASHCALL = SITE
        with pytest.raises(AssertionError, match="Calls are not recorded"):
            log_in_by_phone(Client(), SHOWN)

    @pytest.mark.django_db
    def test_a_login_that_the_site_refuses_is_none(self) -> None:
        user: Any = UserFactory(is_staff=True)
        Phone.objects.create(number="+79991234567", user=user, verified_at=timezone.now())
        with pytest.raises(AssertionError, match="You cannot log in with this number"):
            log_in_by_phone(Client(), SHOWN)

    @pytest.mark.django_db
    def test_a_login_that_fails_says_what_the_page_says(self) -> None:
        with pytest.raises(AssertionError, match="This is not a phone number"):
            log_in_by_phone(Client(), "12")

    @pytest.mark.django_db
    def test_a_login_goes_where_it_is_asked_to(self) -> None:
        response: Any = log_in_by_phone(Client(), SHOWN, next_url="/basket/")
        assert response.url == "/basket/"

    @pytest.mark.django_db
    def test_a_site_without_a_dict_of_ours_can_be_tested_too(self) -> None:
        with override_settings():
            del live.FLASHCALL
            with testing.recorded_calls():
                log_in_by_phone(Client(), SHOWN)
        assert Phone.objects.get().verified_at is not None

    def test_forgetting_is_no_matter_of_a_cache_that_is_dead(self, settings: Any) -> None:
        settings.CACHES = {"default": {"BACKEND": "tests.doubles.DeadCache"}}
        breaker.forget()

    def test_an_outbox_does_not_stop_the_clock(self) -> None:
        with testing.recorded_calls(), time_machine.travel("2026-03-14", tick=False):
            assert timezone.now().year == 2026

    @pytest.mark.django_db
    def test_a_cap_on_money_does_not_stop_the_tests_of_a_site(
        self, settings: Any, client: Client
    ) -> None:
        settings.FLASHCALL = {"DAILY_SPEND": Decimal("500")}
        with override_settings(**testing.testing_settings()), fresh_outbox() as outbox:
            log_in_by_phone(client, "8 999 123-45-67")
            assert len(outbox) == 1
