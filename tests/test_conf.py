"""Tests."""

from __future__ import annotations

from datetime import timedelta
from functools import wraps
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import RequestFactory

from django_flashcall.calls import dialing
from django_flashcall.conf import (
    KEYS,
    get_address,
    get_dialer,
    get_login_redirect,
    get_secrets,
    get_settings,
    is_whole,
    satisfies,
    takes_one_argument,
)


def real_address(request: HttpRequest) -> str:
    return request.headers["X-Real-Ip"]


class TestSettings:
    def test_have_a_default_for_every_key(self, settings: Any) -> None:
        del settings.FLASHCALL

        config = get_settings()

        assert config.PROVIDER == "django_flashcall.providers.console.ConsoleProvider"
        assert config.CHANNELS == ("flash_call", "voice", "sms")
        assert (config.CODE_LENGTH, config.MAX_CHECKS, config.MAX_ATTEMPTS) == (4, 3, 3)
        assert timedelta(minutes=5) == config.CODE_LIFETIME
        assert timedelta(minutes=10) == config.VERIFICATION_LIFETIME
        assert [wait.total_seconds() for wait in config.COOLDOWNS] == [60, 120, 300]
        assert (config.REGIONS, config.DENIED_PREFIXES) == (("RU",), ("+7840", "+7940"))
        assert config.RATES == {"start": ("10/10m", "60/d"), "check": ("60/h",)}
        assert (config.SIGN_UP, config.ALLOW_STAFF) == (True, False)

    def test_are_read_afresh_at_each_use(self, flashcall: Any) -> None:
        flashcall(MAX_CHECKS=5)
        before = get_settings().MAX_CHECKS
        flashcall(MAX_CHECKS=7)

        assert (before, get_settings().MAX_CHECKS) == (5, 7)

    def test_do_not_share_their_defaults(self) -> None:
        get_settings().RATES.clear()

        assert get_settings().RATES

    def test_do_not_show_the_providers_key(self, flashcall: Any) -> None:
        flashcall(OPTIONS={"api_key": "key-of-the-site"})

        assert "key-of-the-site" not in repr(get_settings())

    @pytest.mark.parametrize(
        ("key", "nearest"),
        [
            ("MAX_CHEKS", "MAX_CHECKS"),
            ("max_checks", "MAX_CHECKS"),
            ("CODE_LENGHT", "CODE_LENGTH"),
            ("COOLDOWN", "COOLDOWNS"),
            ("PROVIDERS", "PROVIDER"),
            ("SIGNUP", "SIGN_UP"),
            ("ALLOWSTAFF", "ALLOW_STAFF"),
        ],
    )
    def test_name_the_key_that_was_probably_meant(
        self, flashcall: Any, key: str, nearest: str
    ) -> None:
        flashcall(**{key: 1})

        with pytest.raises(ImproperlyConfigured) as caught:
            get_settings()

        assert str(caught.value) == (f"FLASHCALL has no key {key!r}. Did you mean {nearest!r}?")

    def test_name_all_keys_where_none_is_near(self, flashcall: Any) -> None:
        flashcall(ZZZ=1)

        with pytest.raises(ImproperlyConfigured, match="The keys are PROVIDER, OPTIONS"):
            get_settings()

    def test_name_the_keys_in_their_order(self) -> None:
        assert KEYS[:3] == ("PROVIDER", "OPTIONS", "DIALER")


class TestDialer:
    def test_dials_at_once_by_default(self) -> None:
        assert get_dialer() is dialing.dial

    def test_is_the_callable_that_the_settings_name(self, flashcall: Any) -> None:
        flashcall(DIALER="operator.neg")

        assert get_dialer()(7) == -7


class TestSecrets:
    def test_begin_with_the_current_one(self, settings: Any) -> None:
        settings.SECRET_KEY = "new"
        settings.SECRET_KEY_FALLBACKS = ["old", "older"]

        assert get_secrets() == ["new", "old", "older"]


class TestAddress:
    @pytest.fixture
    def request_(self) -> HttpRequest:
        return RequestFactory().get(
            "/", REMOTE_ADDR="10.0.0.1", headers={"X-Real-Ip": "203.0.113.7"}
        )

    def test_is_the_peers_by_default(self, request_: HttpRequest) -> None:
        assert get_address(request_) == "10.0.0.1"

    @pytest.mark.parametrize(
        ("source", "address"),
        [
            ("HTTP_X_REAL_IP", "203.0.113.7"),
            ("HTTP_NOT_THERE", ""),
            ("tests.test_conf.real_address", "203.0.113.7"),
            (None, "10.0.0.1"),
        ],
    )
    def test_is_where_django_ratelimit_is_configured_to_find_it(
        self, request_: HttpRequest, settings: Any, source: Any, address: str
    ) -> None:
        settings.RATELIMIT_IP_META_KEY = source

        assert get_address(request_) == address

    def test_may_come_from_a_callable(self, request_: HttpRequest, settings: Any) -> None:
        settings.RATELIMIT_IP_META_KEY = real_address

        assert get_address(request_) == "203.0.113.7"


class TestLoginRedirect:
    def test_is_djangos(self, settings: Any) -> None:
        settings.LOGIN_REDIRECT_URL = "/there/"

        assert get_login_redirect() == "/there/"


class TestPredicates:
    def test_a_value_that_cannot_be_tested_does_not_pass(self) -> None:
        assert not satisfies(lambda value: value > 0, "text")
        assert satisfies(lambda value: value > 0, 1)

    @pytest.mark.parametrize(
        ("function", "is_right"),
        [
            (lambda one: one, True),
            (lambda one, two=None: one, True),
            (lambda *all_of_them: None, True),
            (print, True),
            (lambda: None, False),
            (lambda one, two: None, False),
            (lambda *, one: None, False),
            (None, False),
            ("text", False),
        ],
        ids=["one", "optional", "any", "print", "none", "two", "named", "no function", "text"],
    )
    def test_a_function_takes_one_argument(self, function: Any, is_right: bool) -> None:
        assert takes_one_argument(function) is is_right

    def test_the_wrapper_of_a_function_is_what_is_called(self) -> None:
        def task(self: Any, attempt_id: int) -> None: ...

        @wraps(task)
        def bound(attempt_id: int) -> None: ...

        assert takes_one_argument(bound)

    def test_a_flag_is_no_number(self) -> None:
        assert not is_whole(True, least=0, most=1)
        assert is_whole(1, least=0, most=1)
