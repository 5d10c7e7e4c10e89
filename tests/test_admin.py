"""What operators see, and what they may do."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall.models import Phone, Price
from django_flashcall.words import AttemptStatus, Channel
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    PriceFactory,
    UsageFactory,
    UserFactory,
    VerificationFactory,
)

pytestmark = pytest.mark.django_db

ROOT = "/admin/django_flashcall"
NUMBER = "+79991234567"


def client_with(*codenames: str) -> Client:
    """Return the browser of somebody of the staff with these permissions."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def operator() -> Client:
    return client_with("view_verification", "view_verificationattempt", "view_phone", "view_usage")


def test_a_verification_is_shown_with_its_attempts_and_prices(operator: Client) -> None:
    verification = VerificationFactory(phone__number=NUMBER)
    AttemptFactory(verification=verification, price=Decimal("0.35"))
    AttemptFactory(
        verification=verification,
        channel=Channel.SMS,
        status=AttemptStatus.REJECTED,
        error_code="not_enough_money",
        code="",
        price=None,
        reserved=Decimal("1.6"),
    )
    page = operator.get(f"{ROOT}/verification/{verification.pk}/change/").text
    for text in ("0.35 RUB", "1.6 RUB", "the account is out of money", "flash call", "SMS"):
        assert text in page
    assert "1.95 RUB" in operator.get(f"{ROOT}/verification/").text


def test_no_page_shows_a_digest_or_a_number_in_full(operator: Client) -> None:
    attempt = AttemptFactory(verification__phone__number=NUMBER)
    pages = [
        f"{ROOT}/verification/",
        f"{ROOT}/verification/{attempt.verification_id}/change/",
        f"{ROOT}/phone/",
        f"{ROOT}/phone/{attempt.verification.phone_id}/change/",
    ]
    for page in pages:
        text = operator.get(page).text
        assert attempt.code_digest not in text
        assert NUMBER not in text
        assert "+7••••••••67" in text


def test_who_may_sees_the_number_in_full() -> None:
    VerificationFactory(phone__number=NUMBER)
    operator = client_with("view_verification", "view_full_number")
    assert NUMBER in operator.get(f"{ROOT}/verification/").text


def test_the_record_cannot_be_changed_even_by_a_superuser(admin_client: Client) -> None:
    attempt = AttemptFactory()
    for name, row in (("verification", attempt.verification), ("phone", PhoneFactory())):
        assert admin_client.get(f"{ROOT}/{name}/add/").status_code == 403
        assert admin_client.get(f"{ROOT}/{name}/{row.pk}/delete/").status_code == 403
        assert admin_client.post(f"{ROOT}/{name}/{row.pk}/change/", {}).status_code == 403


@pytest.mark.parametrize("spelling", [NUMBER, "8 (999) 123-45-67", "79991234567"])
def test_a_whole_number_is_found_in_any_spelling(operator: Client, spelling: str) -> None:
    for number in (NUMBER, "+79991234568"):
        VerificationFactory(phone__number=number)
    for name in ("verification", "phone"):
        page = operator.get(f"{ROOT}/{name}/", {"q": spelling})
        assert page.context["cl"].result_count == 1


def test_a_part_of_a_number_finds_nothing(operator: Client) -> None:
    VerificationFactory(phone__number=NUMBER)
    page = operator.get(f"{ROOT}/verification/", {"q": "123"})
    assert page.context["cl"].result_count == 0


def test_a_longer_list_needs_no_more_queries(operator: Client) -> None:
    AttemptFactory.create_batch(5)
    few = _count(operator)
    AttemptFactory.create_batch(45)
    assert _count(operator) == few


def _count(operator: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        operator.get(f"{ROOT}/verification/")
    return len(queries)


def test_numbers_are_blocked_and_unblocked_and_that_is_logged(admin_client: Client) -> None:
    phone = PhoneFactory()
    chosen = {"_selected_action": [phone.pk]}
    page = admin_client.post(f"{ROOT}/phone/", {"action": "block", **chosen}, follow=True)
    assert "1 number was blocked." in page.text
    phone.refresh_from_db()
    assert phone.blocked_at is not None
    page = admin_client.post(f"{ROOT}/phone/", {"action": "unblock", **chosen}, follow=True)
    assert "1 number was unblocked." in page.text
    phone.refresh_from_db()
    assert phone.blocked_at is None
    assert LogEntry.objects.count() == 2


def test_who_may_only_look_cannot_block(operator: Client) -> None:
    phone = PhoneFactory()
    operator.post(f"{ROOT}/phone/", {"action": "block", "_selected_action": [phone.pk]})
    assert not Phone.objects.exclude(blocked_at=None).exists()


def test_prices_are_written_and_their_prefixes_checked(admin_client: Client) -> None:
    row = {
        "channel": "sms",
        "prefix": "7999",
        "amount": "1.60",
        "allowed": "on",
        "valid_from_0": "2026-11-23",
        "valid_from_1": "00:00",
    }
    page = admin_client.post(f"{ROOT}/price/add/", row)
    assert "A prefix is a + and digits" in page.text
    assert admin_client.post(f"{ROOT}/price/add/", {**row, "prefix": "+7999"}).status_code == 302
    assert Price.objects.get().amount == Decimal("1.60")


def test_the_price_list_names_what_is_empty(admin_client: Client) -> None:
    PriceFactory()
    page = admin_client.get(f"{ROOT}/price/").text
    assert "every number" in page
    assert "every channel" in page


def test_usage_is_shown_by_the_day(operator: Client) -> None:
    UsageFactory(since=timezone.now(), attempts=3, amount=10_500)
    assert "1.05 RUB" in operator.get(f"{ROOT}/usage/").text
