"""Tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import DataError, IntegrityError, connection
from django.db.models import Model

from django_flashcall.choices import AttemptStatus, Channel, ErrorCode, VerificationStatus
from django_flashcall.models import Phone, Price, Usage, Verification, VerificationAttempt
from tests.constants import NOON, NUMBER
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    PriceFactory,
    UsageFactory,
    UserFactory,
    VerificationFactory,
)

pytestmark = pytest.mark.django_db


def indexes(model: type[Model], *, unique: bool = False) -> list[list[str]]:
    with connection.cursor() as cursor:
        found: dict[str, Any] = connection.introspection.get_constraints(
            cursor, model._meta.db_table
        )
    if unique:
        return [index["columns"] for index in found.values() if index["unique"]]
    return [index["columns"] for index in found.values() if index["index"]]


def errors_of(row: Model) -> Iterable[str]:
    try:
        row.full_clean(validate_constraints=False)
    except ValidationError as error:
        return sorted(error.message_dict)
    return []


def money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


class TestMigrations:
    def test_the_migrations_make_what_the_models_say(self) -> None:
        call_command("makemigrations", "django_flashcall", check=True, dry_run=True, verbosity=0)

    def test_no_database_warns_of_the_models(self) -> None:
        assert run_checks(databases=["default"]) == []


class TestConstraints:
    """Each is violated once; the row that violates none is what the factory makes."""

    @pytest.mark.parametrize(
        ("factory", "fields"),
        [
            pytest.param(PhoneFactory, {"number": ""}, id="a phone has a number"),
            pytest.param(VerificationFactory, {"status": "failed"}, id="a status is known"),
            pytest.param(VerificationFactory, {"checks": 4}, id="checks are bounded"),
            pytest.param(VerificationFactory, {"attempt_count": 4}, id="attempts are bounded"),
            pytest.param(
                VerificationFactory,
                {"created_at": NOON, "expires_at": NOON},
                id="a verification ends after it begins",
            ),
            pytest.param(
                VerificationFactory, {"approved_at": NOON}, id="who is approved has the status"
            ),
            pytest.param(
                VerificationFactory, {"consumed_at": NOON}, id="only what is approved is used"
            ),
            pytest.param(
                VerificationFactory,
                {"consumed_at": NOON, "status": "approved"},
                id="what is used was approved at some time",
            ),
            pytest.param(
                VerificationFactory,
                {"approved_at": NOON, "status": "canceled"},
                id="what is canceled is not approved",
            ),
            pytest.param(
                VerificationFactory,
                {"refusal_code": "staff"},
                id="only a right code is refused a login",
            ),
            pytest.param(AttemptFactory, {"status": "lost"}, id="an attempt's status is known"),
            pytest.param(AttemptFactory, {"channel": "fax"}, id="a channel is known"),
            pytest.param(AttemptFactory, {"channel": ""}, id="a channel is there"),
            pytest.param(
                AttemptFactory, {"reserved": Decimal("-0.01")}, id="no reservation is negative"
            ),
            pytest.param(AttemptFactory, {"price": Decimal("-0.01")}, id="no price is negative"),
            pytest.param(
                AttemptFactory, {"counted": Decimal("-0.01")}, id="no sum that counts is negative"
            ),
            pytest.param(
                AttemptFactory,
                {"counted": Decimal("0.36"), "price": Decimal("0.35")},
                id="no more counts than was billed",
            ),
            pytest.param(
                AttemptFactory,
                {"created_at": NOON, "expires_at": NOON - timedelta(seconds=1)},
                id="a code lives",
            ),
            pytest.param(AttemptFactory, {"status": "rejected"}, id="a rejection has no code"),
            pytest.param(PriceFactory, {"amount": Decimal("-0.01")}, id="no tariff is negative"),
        ],
    )
    def test_hold(self, factory: Any, fields: dict[str, Any]) -> None:
        factory()

        with pytest.raises(IntegrityError):
            factory(**fields)

    @pytest.mark.parametrize("field", ["checks", "max_checks", "attempt_count", "max_attempts"])
    def test_count_nothing_below_zero(self, field: str) -> None:
        with pytest.raises((IntegrityError, DataError)):  # the latter on MariaDB
            VerificationFactory(**{field: -1})

    @pytest.mark.parametrize(
        ("factory", "fields"),
        [
            (PhoneFactory, {"number": NUMBER}),
            (VerificationFactory, {"key": "12345678-1234-5678-1234-567812345678"}),
            (PriceFactory, {"channel": "voice", "prefix": "+7999", "valid_from": NOON}),
            (PriceFactory, {"channel": "", "prefix": "", "valid_from": NOON}),
            (UsageFactory, {"scope": "", "since": NOON}),
            (UsageFactory, {"scope": "+7999123", "since": NOON}),
        ],
    )
    def test_keep_apart_what_is_unique(self, factory: Any, fields: dict[str, Any]) -> None:
        factory(**fields)

        with pytest.raises(IntegrityError):
            factory(**fields)

    def test_allow_the_limits_themselves(self) -> None:
        VerificationFactory(checks=3, attempt_count=3)
        VerificationFactory(status="approved", approved_at=NOON, consumed_at=NOON)
        AttemptFactory(status="rejected", code="", reserved=Decimal(0), price=None)
        PriceFactory(amount=None)

    def test_allow_another_price_from_another_day(self) -> None:
        PriceFactory(valid_from=NOON)
        PriceFactory(valid_from=NOON + timedelta(days=1))

        assert Price.objects.count() == 2


class TestIndexes:
    def test_answer_what_is_asked_on_the_way(self) -> None:
        assert ["phone_id", "created_at"] in indexes(Verification)
        assert ["status", "created_at"] in indexes(VerificationAttempt)
        assert ["verification_id"] in indexes(VerificationAttempt)
        assert ["key"] in indexes(Verification, unique=True)
        assert ["number"] in indexes(Phone, unique=True)
        assert ["channel", "prefix", "valid_from"] in indexes(Price, unique=True)
        assert ["scope", "since"] in indexes(Usage, unique=True)

    def test_are_not_there_twice(self) -> None:
        assert ["phone_id"] not in indexes(Verification)


class TestTexts:
    @pytest.fixture
    def rows(self) -> list[Model]:
        phone = PhoneFactory(number=NUMBER)
        verification = VerificationFactory(phone=phone)
        attempt = AttemptFactory(verification=verification, code="4321")
        return [phone, verification, attempt]

    def test_show_neither_number_nor_code_nor_digest(self, rows: list[Model]) -> None:
        shown = "".join(f"{row} {row!r}" for row in rows)

        assert NUMBER not in shown
        assert NUMBER[2:-2] not in shown
        assert "4321" not in shown
        assert VerificationAttempt.objects.get().code_digest not in shown

    def test_name_the_row(self, rows: list[Model]) -> None:
        assert [str(row) for row in rows] == [
            "+7••••••••67",
            "login +7••••••••67",
            "flash call: accepted",
        ]

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({}, "every number, every channel"),
            ({"prefix": "+7999"}, "+7999, every channel"),
            ({"prefix": "+7999", "channel": "voice"}, "+7999, voice call"),
        ],
    )
    def test_name_a_price_by_what_it_is_for(self, fields: dict[str, Any], text: str) -> None:
        assert str(PriceFactory(**fields)) == text

    @pytest.mark.parametrize(
        ("scope", "text"), [("", "2026-03-04"), ("+7999123", "+7999123 2026-03-04")]
    )
    def test_name_a_window_by_where_it_begins(self, scope: str, text: str) -> None:
        assert str(UsageFactory(scope=scope, since=NOON)) == text


class TestPhone:
    def test_is_shown_in_full_to_those_who_may_see_it(self) -> None:
        assert PhoneFactory(number=NUMBER).display == "+7 999 123-45-67"

    def test_outlives_its_user(self) -> None:
        phone = PhoneFactory(user=UserFactory())

        phone.user.delete()
        phone.refresh_from_db()

        assert phone.user is None


class TestVerification:
    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({}, "pending"),
            ({"checks": 3}, "exhausted"),
            ({"expires_at": NOON}, "expired"),
            ({"expires_at": NOON, "checks": 3}, "expired"),
            ({"status": VerificationStatus.APPROVED}, "approved"),
            ({"status": VerificationStatus.APPROVED, "expires_at": NOON}, "approved"),
            ({"status": VerificationStatus.APPROVED, "consumed_at": NOON}, "used"),
            ({"status": VerificationStatus.CANCELED}, "canceled"),
            (
                {
                    "status": VerificationStatus.APPROVED,
                    "consumed_at": NOON,
                    "refusal_code": "staff",
                },
                "refused",
            ),
        ],
    )
    def test_has_a_state_that_is_derived(self, fields: dict[str, Any], state: str) -> None:
        with time_machine.travel(NOON, tick=False):
            verification = VerificationFactory.build(**fields)

        assert verification.state(now=NOON) == state

    @pytest.mark.parametrize(("spent", "left"), [(0, 3), (2, 1), (3, 0)])
    def test_counts_down_checks_and_attempts(self, spent: int, left: int) -> None:
        verification = VerificationFactory.build(checks=spent, attempt_count=spent)

        assert verification.checks_left == left
        assert verification.attempts_left == left

    def test_never_has_less_than_none_left(self) -> None:
        verification = VerificationFactory.build(checks=9, attempt_count=9)

        assert (verification.checks_left, verification.attempts_left) == (0, 0)

    def test_has_the_number_of_its_phone(self) -> None:
        assert VerificationFactory.build(phone__number=NUMBER).number == NUMBER

    def test_comes_the_latest_first(self) -> None:
        first, second = VerificationFactory(), VerificationFactory()

        assert list(Verification.objects.all()) == [second, first]


class TestVerificationAttempt:
    @pytest.mark.parametrize(
        ("price", "reserved", "cost"),
        [
            ("0.35", "0.40", "0.35"),
            ("0", "0.40", "0"),
            (None, "0.40", "0.40"),
            (None, None, "0"),
            ("0.35", None, "0.35"),
        ],
    )
    def test_costs_its_price_or_what_was_reserved(
        self, price: str | None, reserved: str | None, cost: str
    ) -> None:
        attempt = AttemptFactory.build(price=money(price), reserved=money(reserved))

        assert attempt.spent == attempt.billed == Decimal(cost)

    def test_costs_what_counts_of_its_price(self) -> None:
        attempt = AttemptFactory.build(price=Decimal("9999"), counted=Decimal("3.50"))

        assert (attempt.spent, attempt.billed) == (Decimal("3.50"), Decimal("9999"))

    def test_is_live_as_long_as_its_code(self) -> None:
        attempt = AttemptFactory.build(created_at=NOON)

        assert attempt.is_live(now=attempt.expires_at - timedelta(microseconds=1))
        assert not attempt.is_live(now=attempt.expires_at)

    def test_is_not_live_without_a_code(self) -> None:
        assert not AttemptFactory.build(created_at=NOON, code="").is_live(now=NOON)

    @pytest.mark.parametrize(
        ("status", "left", "is_wanted"),
        [
            (VerificationStatus.PENDING, timedelta(seconds=1), True),
            (VerificationStatus.PENDING, timedelta(0), False),
            (VerificationStatus.APPROVED, timedelta(seconds=1), False),
            (VerificationStatus.CANCELED, timedelta(seconds=1), False),
        ],
    )
    def test_is_wanted_while_somebody_waits_for_it(
        self, status: str, left: timedelta, is_wanted: bool
    ) -> None:
        attempt = AttemptFactory.build(verification__status=status, expires_at=NOON + left)

        assert attempt.is_wanted(now=NOON) is is_wanted

    @pytest.mark.parametrize(
        ("error_code", "is_about_the_number"),
        [
            ("number_not_valid", True),
            ("number_not_permitted", True),
            ("number_in_spam_list", False),
            ("not_enough_money", False),
            ("", False),
            ("something new", False),
        ],
    )
    def test_knows_whether_another_number_would_help(
        self, error_code: str, is_about_the_number: bool
    ) -> None:
        attempt = AttemptFactory.build(error_code=error_code)

        assert attempt.is_about_the_number is is_about_the_number

    @pytest.mark.parametrize("error_code", ErrorCode.values)
    def test_gives_a_listed_reason_in_words(self, error_code: str) -> None:
        reason = AttemptFactory.build(error_code=error_code).reason

        assert reason != error_code
        assert " " in reason

    @pytest.mark.parametrize("error_code", ["", "<b>Описание ошибки</b>"])
    def test_gives_an_unlisted_reason_as_it_came(self, error_code: str) -> None:
        assert AttemptFactory.build(error_code=error_code).reason == error_code

    def test_comes_in_the_order_of_the_calls(self) -> None:
        verification = VerificationFactory()
        attempts = AttemptFactory.create_batch(2, verification=verification)

        assert list(verification.attempts.all()) == attempts

    def test_goes_with_its_verification_and_its_phone(self) -> None:
        attempt = AttemptFactory(channel=Channel.VOICE, status=AttemptStatus.UNKNOWN)

        attempt.verification.phone.delete()

        assert not VerificationAttempt.objects.exists()


class TestPrice:
    @pytest.mark.parametrize("prefix", ["", "+", "7999", "+7999x", "+7 999", "+٧", "+7999\n"])
    def test_takes_only_a_plus_and_digits_for_a_prefix(self, prefix: str) -> None:
        price = PriceFactory.build(prefix=prefix)

        assert ("prefix" in errors_of(price)) is (prefix != "")

    @pytest.mark.parametrize("prefix", ["+7", "+7999", "+79991234567"])
    def test_takes_a_prefix_of_any_length(self, prefix: str) -> None:
        assert errors_of(PriceFactory.build(prefix=prefix)) == []

    def test_is_not_negative(self) -> None:
        assert errors_of(PriceFactory.build(amount=Decimal(-1))) == ["amount"]


class TestUsage:
    def test_shows_its_units_as_money(self) -> None:
        assert UsageFactory.build(units=3500).spent == Decimal("0.35")
