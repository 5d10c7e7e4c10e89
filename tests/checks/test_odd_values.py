"""The checks survive every value of every setting, and a value that passes them works."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.checks import ERROR, CheckMessage
from django.db import connections
from django.test import Client
from django.utils import timezone

from django_flashcall.checks.databases import check_isolation, check_replicas
from django_flashcall.checks.deploy import check_deploy
from django_flashcall.checks.others import RULES, check_others
from django_flashcall.checks.settings import check_backend, check_phone_login, check_settings
from django_flashcall.checks.users import check_sign_up
from django_flashcall.conf import KEYS
from django_flashcall.models import Phone, Price, Usage, Verification
from django_flashcall.operations.purging import purge
from django_flashcall.providers.mobilgroup import OPTIONS, MobilgroupProvider
from tests.browser import Browser, is_logged_in
from tests.checks.odd_values import OBJECTS, VALUES, HostileText, name_of, refuse
from tests.constants import LOCMEM, LOGIN, MOBILGROUP, NUMBER, TYPED, Outbox
from tests.factories import PhoneFactory, PriceFactory, UserFactory
from tests.providers.mobilgroup import EXAMPLE_NUMBER, answer
from tests.wire import Server, serving

pytestmark = pytest.mark.django_db

#: Values that are right for one key only, and those that nearly are.
NEAR: dict[str, list[Any]] = {
    "PROVIDER": [
        LOCMEM,
        MOBILGROUP,
        "django_flashcall.providers.base.BaseProvider",
        "django_flashcall.providers.base.LocalProvider",
        "django_flashcall.providers.locmem.outbox",
        "tests.doubles.NoSuchProvider",
    ],
    "DIALER": ["django_flashcall.calls.dialing.dial", "os.listdir.x", "operator.add"],
    "BEFORE_CALL": ["operator.add", "tests.nowhere.judge"],
    "CURRENCY": ["RUB", "rub", "РУБ", "R B", "RUBL"],
    "CHANNELS": [["voice"], ("flash_call", "voice", "flash_call"), ["flash_call", "SMS"]],
    "REGIONS": [["RU", "KZ"], ["ru"], ["RU", "XX"]],
    "NUMBER_TYPES": [["mobile", "unknown"], ["MOBILE"]],
    "DENIED_PREFIXES": [["+1"], ["+1", "7840"], [f"+{'1' * 5000}"], ["+١"]],
    "RATES": [{"start": ["5/m", "9/366d"]}, {"start": ["5/367d"]}, {"start": ["5/m", "²/m"]}],
    "USER_PHONE_FIELD": [
        "username", "last_name", "email", "password", "id", "pk", "is_active", "date_joined",
        "groups", "logentry", "flashcall_phones", "username__exact",
    ],
    "COOLDOWNS": [(timedelta(1), timedelta.resolution), [timedelta(days=1, seconds=1)]],
}  # fmt: skip


@pytest.fixture
def api() -> Iterator[Server]:
    """Return a server that answers as mobilgroup's description does."""
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Format no log records: they could not show some of these values."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def messages() -> list[CheckMessage]:
    """Return what ``check --deploy`` says."""
    checks = [
        check_settings, check_backend, check_phone_login, check_sign_up, check_isolation,
        check_replicas, check_others, check_deploy,
    ]  # fmt: skip
    return [message for check in checks for message in check()]


def errors_about(*names: str) -> list[CheckMessage]:
    """Return the errors that have an id of ours, and one of these names in their text."""
    return [
        message
        for message in messages()
        if message.level >= ERROR
        and str(message.id).startswith("django_flashcall.E")
        and any(name in message.msg for name in names)
    ]


def works(outbox: Outbox) -> bool:
    """Return whether a start, a check, a login, a purge and the pages work, and clean up."""
    cache.clear()
    PriceFactory()
    browser = Browser()
    browser.ask(TYPED)
    browser.answer(outbox[-1].code if outbox else "")
    purge(now=timezone.now())
    browser.open("/phone/confirm/")
    done = is_logged_in(browser) and browser.response.status_code == 200
    for model in (Verification, Phone, Price, Usage, get_user_model()):
        model._default_manager.all().delete()
    outbox.clear()
    return done


def is_hashable(value: Any) -> bool:
    """Return whether ``value`` can be the key of a dict."""
    try:
        hash(value)
    except Exception:
        return False
    return True


def report(value: Any, error: object) -> str:
    return f"{name_of(value)} -> {error if isinstance(error, str) else type(error).__name__}"


class TestKeys:
    @pytest.mark.parametrize("key", KEYS)
    def test_every_value_of_a_key_ends_in_a_named_error_or_works(
        self, key: str, flashcall: Any, outbox: Outbox
    ) -> None:
        failures = []
        for value in [*VALUES, *NEAR.get(key, [])]:
            flashcall(**{key: value})
            try:
                if errors_about(key):
                    continue
                if value is False and key == "SIGN_UP":
                    PhoneFactory(number=NUMBER, user=UserFactory())
                if key == "PHONE_LOGIN" and value is False:
                    assert Client().get(LOGIN).status_code == 404
                elif not ((key == "PROVIDER" and value == MOBILGROUP) or works(outbox)):
                    failures.append(report(value, "passes, and does not work"))
            except Exception as error:
                failures.append(report(value, error))
        assert failures == []

    def test_every_value_in_the_place_of_the_dict_ends_in_an_error_or_works(
        self, settings: Any, outbox: Outbox
    ) -> None:
        failures = []
        for value in VALUES:
            settings.FLASHCALL = value
            try:
                if not errors_about("FLASHCALL") and value != {}:
                    failures.append(report(value, "passes"))
            except Exception as error:
                failures.append(report(value, error))
        assert failures == []

    def test_every_value_in_the_place_of_a_key_ends_in_an_error(self, settings: Any) -> None:
        failures = []
        for value in [*VALUES, HostileText("MAX_CHECK")]:
            if not is_hashable(value):
                continue
            settings.FLASHCALL = {value: 1}
            try:
                if not errors_about("FLASHCALL has"):
                    failures.append(report(value, "passes"))
            except Exception as error:
                failures.append(report(value, error))
        assert failures == []


class TestOptions:
    @pytest.mark.parametrize("option", OPTIONS)
    def test_every_value_of_an_option_ends_in_a_named_error_or_works(
        self, option: str, flashcall: Any, api: Server
    ) -> None:
        failures = []
        near = ["key", " key", "k" * 1001, "http://", "http://[", "http://x:99999/", "https:///x"]
        wrong_proxies = [{"https": 1}, {1: "http://x"}, {"https": "http://"}, {"https": "a b"}]
        for value in [*VALUES, *near, *wrong_proxies]:
            options = {"api_key": "key", "url": api.url} | {option: value}
            flashcall(PROVIDER=MOBILGROUP, OPTIONS=options)
            try:
                if errors_about(f"'{option}'"):
                    continue
                answer(api)
                call = {"api_key": "key"} | {option: value}
                provider = MobilgroupProvider(**{"url": api.url} | call)
                assert provider.flash_call(EXAMPLE_NUMBER, length=4, code="1234").code
                assert provider.deadline
            except Exception as error:
                failures.append(report(value, error))
        assert failures == []

    def test_an_error_about_an_option_repeats_no_value(self, flashcall: Any) -> None:
        for option in OPTIONS:
            flashcall(PROVIDER=MOBILGROUP, OPTIONS={"api_key": "key", option: {"secret": 1}})
            [message, *_others] = errors_about(f"'{option}'")
            assert "secret" not in f"{message.msg} {message.hint}"


class TestOthers:
    @pytest.mark.parametrize("name", [name for name, *_rule in RULES])
    def test_every_value_of_a_setting_that_is_read_ends_in_a_named_error_or_works(
        self, name: str, settings: Any, outbox: Outbox
    ) -> None:
        failures = []
        near = [["old-key"], ("old", b"older"), "default", "HTTP_X_REAL_IP", "nowhere.address"]
        for value in [*VALUES, *near]:
            if value is refuse:
                continue  # a function that fails can only be known by calling it
            setattr(settings, name, value)
            try:
                if not errors_about(name) and not works(outbox):
                    failures.append(report(value, "passes, and does not work"))
            except Exception as error:
                failures.append(report(value, error))
        assert failures == []

    @pytest.mark.parametrize("key", ["OPTIONS", "ENGINE"])
    def test_every_value_of_a_database_is_survived(
        self, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for value in VALUES:
            database = {"ENGINE": "django.db.backends.mysql", key: value}
            with monkeypatch.context() as patch:
                patch.setitem(connections.settings, "replica", database)
                messages()

    def test_every_value_of_the_backends_is_survived_or_misses_ours(self, settings: Any) -> None:
        for value in [*VALUES, ["nowhere.Backend"], ["builtins.object"], ["os.sep"]]:
            settings.AUTHENTICATION_BACKENDS = value
            assert "django_flashcall.W001" in {message.id for message in messages()}

    def test_every_value_of_a_cache_is_survived(self, settings: Any) -> None:
        caches = settings.CACHES
        for value in VALUES:
            for broken in (value, {"BACKEND": value}):
                settings.CACHES = caches | {"rates": broken}
                settings.RATELIMIT_USE_CACHE = "rates"
                messages()

    def test_a_provider_whose_checks_fail_is_named(self, flashcall: Any) -> None:
        flashcall(PROVIDER="tests.checks.test_odd_values.FailingProvider")
        assert [message.id for message in errors_about("PROVIDER")] == [
            "django_flashcall.E005",
            "django_flashcall.E005",
        ]


class FailingProvider(MobilgroupProvider):
    """A provider whose own checks fail."""

    def __init__(self) -> None:
        super().__init__(api_key="key")

    def check(self) -> list[CheckMessage]:
        """Fail."""
        raise LookupError

    check_deploy = check


def test_the_table_has_values_that_fail_whatever_they_are_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        bool(OBJECTS[8])
