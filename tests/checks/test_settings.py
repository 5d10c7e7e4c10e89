"""System checks of the settings."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.core.checks.registry import registry

from django_flashcall.checks.databases import check_isolation
from django_flashcall.checks.deploy import check_deploy
from django_flashcall.checks.settings import (
    check_backend,
    check_phone_login,
    check_settings,
    odds_in_a_year,
)
from django_flashcall.conf import get_settings
from django_flashcall.providers.base import BaseProvider
from tests.checks.messages import ids
from tests.constants import MOBILGROUP, MODEL_BACKEND, PHONE_BACKEND


class TestUserPhoneField:
    def test_e007_looks_for_the_field(self, flashcall: Any) -> None:
        flashcall(USER_PHONE_FIELD="telephone")

        [message] = check_settings()

        assert ids([message]) == ["E007"]
        assert "User has no field named 'telephone'" in message.msg

    @pytest.mark.parametrize(("length", "expected"), [(15, ["E007"]), (16, []), (None, [])])
    @pytest.mark.parametrize("keys", [{}, {"SIGN_UP": False}, {"PHONE_LOGIN": False}])
    def test_e007_wants_room_for_a_number_whoever_writes_it(
        self, flashcall: Any, monkeypatch: Any, length: int | None, expected: Any, keys: Any
    ) -> None:
        # A confirmation writes it as well, whatever creates the users.
        field = get_user_model()._meta.get_field("username")
        monkeypatch.setattr(field, "max_length", length)
        flashcall(USER_PHONE_FIELD="username", **keys)

        assert ids(check_settings()) == expected

    def test_w004_asks_for_an_index(self, flashcall: Any) -> None:
        flashcall(USER_PHONE_FIELD="last_name")

        assert ids(check_settings()) == ["W004"]


class TestRegistration:
    def test_the_plain_checks_pass_as_installed(self) -> None:
        registered = set(registry.get_checks())
        assert {check_settings, check_backend, check_phone_login, check_isolation} <= registered
        assert run_checks() == []

    def test_what_matters_in_production_is_asked_only_with_deploy(self) -> None:
        """A plain check of this kind would stop the test suite of every site."""
        assert check_deploy not in registry.get_checks()
        assert check_deploy in registry.get_checks(include_deployment_checks=True)


class TestSettings:
    def test_pass_with_their_defaults(self, settings: Any) -> None:
        del settings.FLASHCALL

        assert check_settings() == []

    @pytest.mark.parametrize("key", ["MAX_CHEKS", "max_checks", "MAXCHECKS"])
    def test_e001_names_the_nearest_key(self, flashcall: Any, key: str) -> None:
        flashcall(**{key: 3})

        [message] = check_settings()

        assert ids([message]) == ["E001"]
        assert message.msg == f"FLASHCALL has no key '{key}'. Did you mean 'MAX_CHECKS'?"

    @pytest.mark.parametrize("value", [None, [], "FLASHCALL", {1: 2}], ids=repr)
    def test_e001_asks_for_a_dict_with_known_keys(self, settings: Any, value: Any) -> None:
        settings.FLASHCALL = value

        assert ids(check_settings()) == ["E001"]

    @pytest.mark.parametrize(
        ("key", "values"),
        [
            ("PROVIDER", ["django_flashcall.providers.console.ConsoleProvider"]),
            ("CHANNELS", [["voice", "sms"], ("voice", "flash_call")]),
            ("CONCURRENT_CALLS", [1, 100]),
            ("MAX_DORMANCY", [None, timedelta(days=180)]),
            ("KEEP", [timedelta(days=31), timedelta(days=365)]),
            ("USER_PHONES_PROVEN", [True, False]),
            ("USER_PHONE_FIELD", ["", "username"]),
            ("CODE_LENGTH", [4, 8]),
            ("CODE_LIFETIME", [timedelta(seconds=1), timedelta(minutes=10)]),
            ("VERIFICATION_LIFETIME", [timedelta(minutes=5), timedelta(minutes=10)]),
            ("MAX_CHECKS", [1, 10]),
            ("MAX_ATTEMPTS", [1, 10]),
            ("COOLDOWNS", [[timedelta(seconds=30)]]),
            ("DAILY_ATTEMPTS", [1, 50]),
            ("DAILY_SMS", [0, 2]),
            ("DAILY_FAILED_CHECKS", [1, 10]),
            ("MONTHLY_FAILED_CHECKS", [1, 30]),
            ("BLOCK_HOURLY_ATTEMPTS", [1, 30]),
            ("SITE_DAILY_ATTEMPTS", [None, 1000]),
            ("DAILY_SPEND", [None, Decimal("500")]),
            ("BEFORE_CALL", ["", "tests.test_before_call.judge"]),
            ("ALARM_MAILS", [True, False]),
            ("CURRENCY", ["KZT"]),
            ("REGIONS", [["KZ", "RU"]]),
            ("NUMBER_TYPES", [["mobile", "fixed_line", "voip"]]),
            ("DENIED_PREFIXES", [[], (), ["+7"]]),
            ("RATES", [{}, {"start": ["1/s", "10/m", "10/5h"]}, {"check": ("60/d",)}]),
            ("PHONE_LOGIN", [None, True, False]),
            ("SIGN_UP", [True, False]),
            ("ALLOW_STAFF", [True, False]),
        ],
    )
    def test_e002_lets_right_values_pass(self, flashcall: Any, key: str, values: list[Any]) -> None:
        for value in values:
            flashcall(**{key: value})
            assert "E002" not in ids(check_settings())

    @pytest.mark.parametrize(
        ("key", "values", "expected"),
        [
            ("PROVIDER", [None, BaseProvider], "a dotted path"),
            ("OPTIONS", [None, []], "a dict"),
            ("DIALER", [None, print], "a dotted path"),
            ("CHANNELS", ["sms", [], ["fax"], None, [None], [["sms"]]], "a list of flash_call"),
            ("CONCURRENT_CALLS", [0, -1, "4", None, True], "a positive number"),
            ("MAX_DORMANCY", [180, timedelta(0)], "None or a timedelta"),
            ("KEEP", [90, None, timedelta(days=30)], "a timedelta of at least 31 days"),
            ("PHONE_LOGIN", ["off", 1, 0], "None, True or False"),
            ("USER_PHONES_PROVEN", [None, "yes"], "True or False"),
            ("USER_PHONE_FIELD", [None, 1], "the name of a field"),
            ("CODE_LENGTH", [3, 9, "4", None, True, 4.0], "a number from 4 to 8"),
            (
                "CODE_LIFETIME",
                [300, timedelta(0), -timedelta(1), timedelta(minutes=11), None],
                "a timedelta of at most ten minutes",
            ),
            ("VERIFICATION_LIFETIME", [600, timedelta(minutes=11)], "a timedelta"),
            ("MAX_CHECKS", [0, 11, -1, "3", True, 2.5, None], "a number from 1 to 10"),
            ("MAX_ATTEMPTS", [0, 11, None], "a number from 1 to 10"),
            ("COOLDOWNS", [[], [60], timedelta(1), [timedelta(0)], None], "a list of timedeltas"),
            ("DAILY_ATTEMPTS", [0, None, "5"], "a positive number"),
            ("DAILY_SMS", [-1, None], "a number"),
            ("DAILY_FAILED_CHECKS", [0, None], "a positive number"),
            ("MONTHLY_FAILED_CHECKS", [0, None], "a positive number"),
            ("BLOCK_HOURLY_ATTEMPTS", [0, None], "a positive number"),
            ("SITE_DAILY_ATTEMPTS", [0, "many"], "None or a positive number"),
            ("DAILY_SPEND", [500, 0.5, Decimal(0), Decimal("NaN")], "None or a positive Decimal"),
            ("BEFORE_CALL", [None, print], "a dotted path"),
            ("ALARM_MAILS", [None, 1], "True or False"),
            ("CURRENCY", ["", "₽", 643, None], "a three-letter currency code"),
            ("REGIONS", ["RU", [], ["ru"], ["XX"], None, [None], [["RU"]]], "a list of two-letter"),
            ("NUMBER_TYPES", ["mobile", ["MOBILE"], [], [[]], None], "a list of fixed_line"),
            ("DENIED_PREFIXES", ["+7", "", ["7840"], ["+"], ["+7\n"], None, 7], "a list of prefix"),
            (
                "RATES",
                [
                    None,
                    [],
                    {"knock": ["1/m"]},
                    {"start": "10/m"},
                    {"start": None},
                    {"start": [None]},
                    {"start": ["10"]},
                    {"start": ["0/m"]},
                    {"start": ["10/0m x"]},
                    {"start": ["10/fortnight"]},
                    {"start": ["10/0m"]},
                ],
                "a dict of lists",
            ),
            ("SIGN_UP", [1, "no", None], "True or False"),
            ("ALLOW_STAFF", [0, None], "True or False"),
        ],
    )
    def test_e002_says_what_a_value_must_be(
        self, flashcall: Any, key: str, values: list[Any], expected: str
    ) -> None:
        for value in values:
            flashcall(**{key: value})
            message, *others = check_settings()
            assert ids([message]) == ["E002"], value
            assert "E002" not in ids(others)
            assert message.msg.startswith(f"FLASHCALL['{key}'] must be {expected}")

    def test_e002_names_all_wrong_values_at_once(self, flashcall: Any) -> None:
        flashcall(MAX_CHECKS=0, SIGN_UP=None)

        assert ids(check_settings()) == ["E002", "E002"]

    def test_e003_wants_a_code_to_end_before_its_verification(self, flashcall: Any) -> None:
        flashcall(CODE_LIFETIME=timedelta(minutes=6), VERIFICATION_LIFETIME=timedelta(minutes=5))

        assert ids(check_settings()) == ["E003"]

    def test_e003_lets_both_end_together(self, flashcall: Any) -> None:
        flashcall(CODE_LIFETIME=timedelta(minutes=5), VERIFICATION_LIFETIME=timedelta(minutes=5))

        assert check_settings() == []

    @pytest.mark.parametrize(
        "dialer", ["dial", "nowhere.dial", "django_flashcall.calls.dialing.nobody", "os.sep"]
    )
    def test_e004_wants_a_dialer_that_can_be_called(self, flashcall: Any, dialer: str) -> None:
        flashcall(DIALER=dialer)

        assert ids(check_settings()) == ["E004"]

    @pytest.mark.parametrize(
        ("provider", "options"),
        [
            ("nowhere.Provider", {}),
            (MOBILGROUP, {}),
            (MOBILGROUP, {"api_key": "key-of-the-site", "speed": 1}),
            ("builtins.dict", {}),
            ("os.sep", {}),
        ],
    )
    def test_e005_wants_a_provider_that_can_be_made(
        self, flashcall: Any, provider: str, options: dict[str, Any]
    ) -> None:
        flashcall(PROVIDER=provider, OPTIONS=options)

        [message] = check_settings()

        assert ids([message]) == ["E005"]
        assert "key-of-the-site" not in str(message)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"api_key": "key"}, []),
            ({"api_key": ""}, ["E011"]),
            ({"api_key": "key", "auth": "query"}, ["E011"]),
            ({"api_key": "key", "total_timeout": 25}, ["E011"]),
        ],
    )
    def test_e011_comes_from_the_provider(
        self, flashcall: Any, options: dict[str, Any], expected: list[str]
    ) -> None:
        flashcall(PROVIDER=MOBILGROUP, OPTIONS=options)

        assert ids(check_settings()) == expected

    @pytest.mark.parametrize("name", ["BaseProvider", "LocalProvider"])
    def test_e005_wants_a_provider_that_places_calls(self, flashcall: Any, name: str) -> None:
        flashcall(PROVIDER=f"django_flashcall.providers.base.{name}")

        assert ids(check_settings()) == ["E005"]

    def test_e007_keeps_numbers_out_of_the_password(self, flashcall: Any) -> None:
        flashcall(USER_PHONE_FIELD="password")

        assert ids(check_settings()) == ["E007"]

    @pytest.mark.parametrize("key", ["DIALER", "BEFORE_CALL"])
    def test_e004_wants_a_callable_with_one_argument(self, flashcall: Any, key: str) -> None:
        flashcall(**{key: "operator.add"})

        assert ids(check_settings()) == ["E004"]

    def test_a_sites_own_provider_is_asked_too(self, flashcall: Any) -> None:
        flashcall(PROVIDER="tests.doubles.ComplainingProvider")

        assert ids(check_settings()) == ["site.E001"]


class TestBackend:
    @pytest.mark.parametrize("others", [[], [MODEL_BACKEND]])
    def test_is_found_alone_or_beside_others(self, settings: Any, others: list[str]) -> None:
        settings.AUTHENTICATION_BACKENDS = [*others, PHONE_BACKEND]

        assert check_backend() == []

    def test_w001_misses_it(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = [MODEL_BACKEND]

        [message] = check_backend()

        assert ids([message]) == ["W001"]
        assert PHONE_BACKEND in str(message.hint)

    def test_may_be_missing_where_no_number_alone_logs_in(
        self, settings: Any, flashcall: Any
    ) -> None:
        settings.AUTHENTICATION_BACKENDS = [MODEL_BACKEND]
        flashcall(PHONE_LOGIN=False)

        assert check_backend() == []


class TestPhoneLogin:
    @pytest.mark.parametrize(
        ("urls", "phone_login", "expected"),
        [
            ("tests.urls", None, ["W011"]),
            ("tests.urls", True, []),
            ("tests.urls", False, []),
            ("tests.test_urls", None, []),
        ],
    )
    def test_w011_asks_a_site_with_a_second_step_to_decide(
        self,
        settings: Any,
        flashcall: Any,
        urls: str,
        phone_login: bool | None,
        expected: list[str],
    ) -> None:
        settings.ROOT_URLCONF, settings.LOGIN_URL = urls, "/password/"
        flashcall(PHONE_LOGIN=phone_login)

        assert ids(check_phone_login()) == expected

    @pytest.mark.parametrize(
        ("login_url", "expected"),
        [
            ("django_flashcall:login", ["W012"]),
            ("/phone/login/", ["W012"]),
            ("/password/", []),
            ("no-such-name", []),
            (None, []),
        ],
    )
    def test_w012_looks_for_a_login_page_that_is_off(
        self, settings: Any, flashcall: Any, login_url: str | None, expected: list[str]
    ) -> None:
        settings.LOGIN_URL = login_url
        assert check_phone_login() == []
        flashcall(PHONE_LOGIN=False)

        assert ids(check_phone_login()) == expected

    def test_is_left_to_the_other_checks_if_a_key_is_misspelt(self, flashcall: Any) -> None:
        flashcall(PHONE_LOGON=None)

        assert check_phone_login() == []

    def test_a_site_without_urls_has_no_second_step(self, settings: Any, flashcall: Any) -> None:
        settings.ROOT_URLCONF = None
        flashcall(PHONE_LOGIN=None)

        assert check_phone_login() == []


class TestOdds:
    def test_of_the_defaults_are_below_the_bound(self) -> None:
        assert 0.04 < odds_in_a_year(get_settings()) < 0.05
        assert check_settings() == []

    @pytest.mark.parametrize(
        "keys",
        [{"MONTHLY_FAILED_CHECKS": 30}, {"MAX_ATTEMPTS": 5}, {"MONTHLY_FAILED_CHECKS": 14}],
        ids=str,
    )
    def test_above_the_bound_are_reported(self, flashcall: Any, keys: dict[str, Any]) -> None:
        flashcall(**keys)

        [message] = check_settings()

        assert ids([message]) == ["W005"]
        assert re.search(r"a probability of \d+%", message.msg)

    def test_follow_from_what_bounds_them_first(self, flashcall: Any) -> None:
        flashcall(DAILY_FAILED_CHECKS=1, MONTHLY_FAILED_CHECKS=1000, MAX_ATTEMPTS=1)

        assert odds_in_a_year(get_settings()) == pytest.approx(1 - (1 - 1 / 9998) ** 365)

    def test_of_one_long_code_are_better(self, flashcall: Any) -> None:
        flashcall(CODE_LENGTH=6, CHANNELS=["flash_call", "sms"])

        assert odds_in_a_year(get_settings()) < 0.001

    def test_are_of_the_spoken_code_wherever_a_call_may_begin_with_it(self, flashcall: Any) -> None:
        flashcall(CODE_LENGTH=6, CHANNELS=["flash_call", "voice"], MAX_ATTEMPTS=1)

        assert odds_in_a_year(get_settings()) == pytest.approx(1 - (1 - 1 / 9998) ** (13 * 13))


class TestChannels:
    def test_e006_finds_channels_with_which_nothing_can_begin(self, flashcall: Any) -> None:
        flashcall(CHANNELS=["sms"])

        assert [message.id for message in check_settings()] == ["django_flashcall.E006"]
