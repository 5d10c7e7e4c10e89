"""What operators see, and what they may do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall.choices import AttemptStatus, Channel, VerificationStatus
from django_flashcall.models import Phone, Price
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
    for text in ("0.35 RUB", "1.60 RUB", "the account is out of money", "flash call", "SMS"):
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


def test_a_number_that_lost_user_is_released(admin_client: Client) -> None:
    phone, other = PhoneFactory(user=UserFactory()), PhoneFactory(user=UserFactory())
    called = VerificationFactory(phone=phone)
    chosen = {"action": "release", "_selected_action": [phone.pk, PhoneFactory().pk]}
    page = admin_client.post(f"{ROOT}/phone/", chosen, follow=True)
    assert "1 number was released." in page.text
    for row in (phone, other, called):
        row.refresh_from_db()
    assert (phone.user, phone.verified_at) == (None, None)
    assert called.status == VerificationStatus.CANCELED
    assert other.user is not None
    assert LogEntry.objects.get().get_change_message() == "Released."


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
    UsageFactory(since=timezone.now(), attempts=3, units=10_500)
    assert "1.05 RUB" in operator.get(f"{ROOT}/usage/").text


ALL_ROWS = ["verification", "phone", "price", "usage"]


def a_row_of_each() -> dict[str, Any]:
    """Return one row for each list of the admin."""
    attempt = AttemptFactory(
        verification__phone__number=NUMBER, verification__user=UserFactory(), code="48151623"
    )
    return {
        "verification": attempt.verification,
        "phone": attempt.verification.phone,
        "price": PriceFactory(prefix="+7999"),
        "usage": UsageFactory(),
    }


@pytest.fixture
def viewer() -> Client:
    """Return the browser of somebody who may look at everything, and do nothing."""
    return client_with(*(f"view_{name}" for name in (*ALL_ROWS, "verificationattempt")))


@pytest.mark.parametrize("name", ALL_ROWS)
@pytest.mark.parametrize("who", ["viewer", "admin_client"])
def test_every_list_row_and_history_is_shown(
    name: str, who: str, request: pytest.FixtureRequest
) -> None:
    client, row = request.getfixturevalue(who), a_row_of_each()[name]

    for page in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
        assert client.get(f"{ROOT}/{name}/{page}").status_code == 200


@pytest.mark.parametrize("name", ALL_ROWS)
def test_who_may_not_look_sees_nothing(name: str) -> None:
    row = a_row_of_each()[name]
    client = client_with("view_full_number")

    for page in ("", f"{row.pk}/change/"):
        assert client.get(f"{ROOT}/{name}/{page}").status_code == 403


@pytest.mark.parametrize("who", ["viewer", "admin_client"])
def test_no_page_holds_a_code_a_digest_or_a_key(who: str, request: pytest.FixtureRequest) -> None:
    client, rows = request.getfixturevalue(who), a_row_of_each()
    verification = rows["verification"]
    secrets = ["48151623", verification.attempts.get().code_digest, str(verification.key)]

    for name, row in rows.items():
        for page in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
            text = client.get(f"{ROOT}/{name}/{page}").text
            assert [secret for secret in secrets if secret in text] == []


def test_no_page_tells_the_number_to_who_may_not_see_it(viewer: Client) -> None:
    for name, row in a_row_of_each().items():
        for page in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
            assert NUMBER not in viewer.get(f"{ROOT}/{name}/{page}").text


@pytest.mark.parametrize(
    "lookup",
    [
        "phone/?number__startswith=%2B7999123",
        "phone/?number__endswith=4567",
        "phone/?number__gt=%2B79991234000",
        "phone/?number__regex=123",
        "phone/?verifications__phone__number__startswith=%2B7999",
        "verification/?phone__number__startswith=%2B7999123",
        "verification/?attempts__code_digest__gt=5",
        "verification/?key__startswith=5",
    ],
)
def test_no_lookup_in_the_address_tells_more_than_the_columns(lookup: str, viewer: Client) -> None:
    AttemptFactory(verification__phone__number=NUMBER)

    assert viewer.get(f"{ROOT}/{lookup}").status_code in (302, 400, 403)


@pytest.mark.parametrize("name", ["verification", "phone"])
@pytest.mark.parametrize("part", ["+7999123", "4567", "%", "_", "999", "x"])
def test_no_part_of_a_number_finds_anything(name: str, part: str, operator: Client) -> None:
    VerificationFactory(phone__number=NUMBER)

    page = operator.get(f"{ROOT}/{name}/", {"q": part})

    assert page.context["cl"].result_count == 0


@pytest.mark.parametrize("name", ["verification", "phone", "usage"])
def test_no_row_of_the_record_is_added_changed_or_deleted(name: str, admin_client: Client) -> None:
    row = a_row_of_each()[name]
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}

    assert admin_client.post(f"{ROOT}/{name}/add/", {}).status_code == 403
    assert admin_client.post(f"{ROOT}/{name}/{row.pk}/change/", {}).status_code == 403
    assert admin_client.post(f"{ROOT}/{name}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post(f"{ROOT}/{name}/", chosen)
    assert type(row).objects.filter(pk=row.pk).exists()


def test_the_attempts_of_a_verification_cannot_be_edited_beside_it(admin_client: Client) -> None:
    verification = a_row_of_each()["verification"]

    page = admin_client.get(f"{ROOT}/verification/{verification.pk}/change/").text

    assert 'name="attempts-0-price"' not in page
    assert 'name="_save"' not in page


def test_blocking_is_offered_only_to_who_may_block(operator: Client) -> None:
    PhoneFactory()

    assert "Block: never call these numbers" not in operator.get(f"{ROOT}/phone/").text
    blocker = client_with("view_phone", "change_phone")
    assert "Block: never call these numbers" in blocker.get(f"{ROOT}/phone/").text


def test_what_is_logged_of_a_block_names_the_number_masked() -> None:
    phone = PhoneFactory(number=NUMBER)
    blocker = client_with("view_phone", "change_phone")

    blocker.post(f"{ROOT}/phone/", {"action": "block", "_selected_action": [phone.pk]})

    entry = LogEntry.objects.get()
    assert entry.object_repr == str(phone)
    assert NUMBER not in f"{entry.object_repr} {entry.change_message}"


def test_only_what_was_blocked_now_is_counted_and_logged(admin_client: Client) -> None:
    blocked, free = PhoneFactory(blocked_at=timezone.now()), PhoneFactory()
    chosen = {"action": "block", "_selected_action": [blocked.pk, free.pk]}

    page = admin_client.post(f"{ROOT}/phone/", chosen, follow=True)

    assert "1 number was blocked." in page.text
    assert LogEntry.objects.get().object_id == str(free.pk)


@pytest.mark.parametrize("prefix", ["7999", "+", "+7 999", "+7999x", "+٧٩", "+7999\n8", "++7"])
def test_a_prefix_that_matches_no_number_is_refused(prefix: str, admin_client: Client) -> None:
    page = admin_client.post(f"{ROOT}/price/add/", price(prefix=prefix))

    assert "A prefix is a + and digits" in page.text
    assert not Price.objects.exists()


@pytest.mark.parametrize("prefix", ["", "+7", "+79991234567"])
def test_a_prefix_of_any_length_is_taken(prefix: str, admin_client: Client) -> None:
    admin_client.post(f"{ROOT}/price/add/", price(prefix=prefix))

    assert Price.objects.get().prefix == prefix


def test_a_price_is_never_negative_and_may_be_left_out(admin_client: Client) -> None:
    assert admin_client.post(f"{ROOT}/price/add/", price(amount="-1")).status_code == 200
    assert admin_client.post(f"{ROOT}/price/add/", price(amount="")).status_code == 302
    assert Price.objects.get().amount is None


def test_the_same_price_twice_is_refused_in_words(admin_client: Client) -> None:
    admin_client.post(f"{ROOT}/price/add/", price())

    page = admin_client.post(f"{ROOT}/price/add/", price())

    assert "already exists" in page.text


def test_a_price_is_changed_and_deleted(admin_client: Client) -> None:
    row = PriceFactory(prefix="+7999")

    admin_client.post(f"{ROOT}/price/{row.pk}/change/", price(amount="2"))
    row.refresh_from_db()
    assert row.amount == 2

    admin_client.post(f"{ROOT}/price/{row.pk}/delete/", {"post": "yes"})
    assert not Price.objects.exists()


def price(**fields: str) -> dict[str, str]:
    """Return what the form of a price would send."""
    row = {
        "channel": "",
        "prefix": "+7999",
        "amount": "1.60",
        "allowed": "on",
        "valid_from_0": "2026-03-04",
        "valid_from_1": "00:00",
    }
    return row | fields


def test_an_unlisted_reason_is_shown_as_the_provider_wrote_it(operator: Client) -> None:
    attempt = AttemptFactory(status=AttemptStatus.REJECTED, error_code="<b>new", code="")

    page = operator.get(f"{ROOT}/verification/{attempt.verification_id}/change/").text

    assert "&lt;b&gt;new" in page


def test_lost_and_unpriced_calls_cost_what_was_reserved(operator: Client) -> None:
    AttemptFactory(status=AttemptStatus.UNKNOWN, price=None, reserved=Decimal("0.4"))

    assert "0.40 RUB" in operator.get(f"{ROOT}/verification/").text


@pytest.mark.parametrize("name", ALL_ROWS)
def test_no_list_needs_more_queries_the_longer_it_is(name: str, viewer: Client) -> None:
    def rows(count: int) -> None:
        for number in range(count):
            attempt = AttemptFactory(verification__phone__user=UserFactory())
            PriceFactory(prefix=f"+7{attempt.pk:04}")
            UsageFactory(scope=f"+{attempt.pk}", since=timezone.now(), attempts=number)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(f"{ROOT}/{name}/").status_code == 200
        return len(captured)

    rows(5)
    few = queries()
    rows(45)
    assert queries() == few


@pytest.mark.parametrize(
    "choice",
    ["status__exact=approved", "attempts__channel__exact=sms", "attempts__status__exact=unknown"],
)
def test_a_verification_is_filtered_by_what_happened_and_listed_once(
    choice: str, operator: Client
) -> None:
    found = VerificationFactory(status="approved", approved_at=timezone.now())
    for _ in range(2):
        AttemptFactory(verification=found, channel=Channel.SMS, status=AttemptStatus.UNKNOWN)
    AttemptFactory()

    page = operator.get(f"{ROOT}/verification/?{choice}")

    assert list(page.context["cl"].result_list) == [found]


def test_a_user_who_confirmed_a_number_can_be_deleted(admin_client: Client) -> None:
    user = UserFactory()
    VerificationFactory(user=user, phone__user=user)

    admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})

    assert not type(user).objects.filter(pk=user.pk).exists()


def test_the_hours_of_blocks_are_no_days_of_the_site(admin_client: Client) -> None:
    UsageFactory(scope="+7999123", attempts=7)
    page = admin_client.get(f"{ROOT}/usage/").text
    assert "+7999123" not in page
    assert "0 usage" in page
