"""What every page of the admin has in common: permissions, numbers, queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.constants import ADMIN, NUMBER
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    PriceFactory,
    UsageFactory,
    UserFactory,
    VerificationFactory,
)
from tests.panel.clients import client_with

pytestmark = pytest.mark.django_db


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


class TestNumbers:
    def test_no_page_shows_a_digest_or_a_number_in_full(self, operator: Client) -> None:
        attempt = AttemptFactory(verification__phone__number=NUMBER)
        pages = [
            f"{ADMIN}/verification/",
            f"{ADMIN}/verification/{attempt.verification_id}/change/",
            f"{ADMIN}/phone/",
            f"{ADMIN}/phone/{attempt.verification.phone_id}/change/",
        ]
        for page in pages:
            text = operator.get(page).text
            assert attempt.code_digest not in text
            assert NUMBER not in text
            assert "+7••••••••67" in text

    def test_who_may_sees_the_number_in_full(self) -> None:
        VerificationFactory(phone__number=NUMBER)
        operator = client_with("view_verification", "view_full_number")
        assert NUMBER in operator.get(f"{ADMIN}/verification/").text

    @pytest.mark.parametrize("who", ["viewer", "admin_client"])
    def test_no_page_holds_a_code_a_digest_or_a_key(
        self, who: str, request: pytest.FixtureRequest
    ) -> None:
        client, rows = request.getfixturevalue(who), a_row_of_each()
        verification = rows["verification"]
        secrets = ["48151623", verification.attempts.get().code_digest, str(verification.key)]

        for name, row in rows.items():
            for page in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
                text = client.get(f"{ADMIN}/{name}/{page}").text
                assert [secret for secret in secrets if secret in text] == []

    def test_no_page_shows_the_number_to_those_without_permission(self, viewer: Client) -> None:
        for name, row in a_row_of_each().items():
            for page in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
                assert NUMBER not in viewer.get(f"{ADMIN}/{name}/{page}").text

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
    def test_no_lookup_in_the_address_reveals_more_than_the_columns(
        self, lookup: str, viewer: Client
    ) -> None:
        AttemptFactory(verification__phone__number=NUMBER)

        assert viewer.get(f"{ADMIN}/{lookup}").status_code in (302, 400, 403)


class TestPermissions:
    def test_the_record_cannot_be_changed_even_by_a_superuser(self, admin_client: Client) -> None:
        attempt = AttemptFactory()
        for name, row in (("verification", attempt.verification), ("phone", PhoneFactory())):
            assert admin_client.get(f"{ADMIN}/{name}/add/").status_code == 403
            assert admin_client.get(f"{ADMIN}/{name}/{row.pk}/delete/").status_code == 403
            assert admin_client.post(f"{ADMIN}/{name}/{row.pk}/change/", {}).status_code == 403

    @pytest.mark.parametrize("name", ALL_ROWS)
    @pytest.mark.parametrize("who", ["viewer", "admin_client"])
    def test_every_list_row_and_history_is_shown(
        self, name: str, who: str, request: pytest.FixtureRequest
    ) -> None:
        client, row = request.getfixturevalue(who), a_row_of_each()[name]

        for page in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
            assert client.get(f"{ADMIN}/{name}/{page}").status_code == 200

    @pytest.mark.parametrize("name", ALL_ROWS)
    def test_who_may_not_look_sees_nothing(self, name: str) -> None:
        row = a_row_of_each()[name]
        client = client_with("view_full_number")

        for page in ("", f"{row.pk}/change/"):
            assert client.get(f"{ADMIN}/{name}/{page}").status_code == 403

    @pytest.mark.parametrize("name", ["verification", "phone", "usage"])
    def test_no_row_of_the_record_is_added_changed_or_deleted(
        self, name: str, admin_client: Client
    ) -> None:
        row = a_row_of_each()[name]
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}

        assert admin_client.post(f"{ADMIN}/{name}/add/", {}).status_code == 403
        assert admin_client.post(f"{ADMIN}/{name}/{row.pk}/change/", {}).status_code == 403
        assert (
            admin_client.post(f"{ADMIN}/{name}/{row.pk}/delete/", {"post": "yes"}).status_code
            == 403
        )
        admin_client.post(f"{ADMIN}/{name}/", chosen)
        assert type(row).objects.filter(pk=row.pk).exists()

    def test_the_attempts_of_a_verification_cannot_be_edited_beside_it(
        self, admin_client: Client
    ) -> None:
        verification = a_row_of_each()["verification"]

        page = admin_client.get(f"{ADMIN}/verification/{verification.pk}/change/").text

        assert 'name="attempts-0-price"' not in page
        assert 'name="_save"' not in page

    def test_a_user_who_confirmed_a_number_can_be_deleted(self, admin_client: Client) -> None:
        user = UserFactory()
        VerificationFactory(user=user, phone__user=user)

        admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})

        assert not type(user).objects.filter(pk=user.pk).exists()


class TestQueries:
    @pytest.mark.parametrize("name", ALL_ROWS)
    def test_no_list_needs_more_queries_the_longer_it_is(self, name: str, viewer: Client) -> None:
        def rows(count: int) -> None:
            for number in range(count):
                attempt = AttemptFactory(verification__phone__user=UserFactory())
                PriceFactory(prefix=f"+7{attempt.pk:04}")
                UsageFactory(scope=f"+{attempt.pk}", since=timezone.now(), attempts=number)

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert viewer.get(f"{ADMIN}/{name}/").status_code == 200
            return len(captured)

        rows(5)
        few = queries()
        rows(45)
        assert queries() == few
