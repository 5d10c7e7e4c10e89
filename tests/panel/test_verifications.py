"""The list of verifications: what it shows, finds and counts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_flashcall.choices import AttemptStatus, Channel
from tests.constants import ADMIN, NUMBER
from tests.factories import AttemptFactory, VerificationFactory

pytestmark = pytest.mark.django_db


def _count(operator: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        operator.get(f"{ADMIN}/verification/")
    return len(queries)


class TestVerifications:
    def test_a_verification_is_shown_with_its_attempts_and_prices(self, operator: Client) -> None:
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
        page = operator.get(f"{ADMIN}/verification/{verification.pk}/change/").text
        for text in ("0.35 RUB", "1.60 RUB", "the account is out of money", "flash call", "SMS"):
            assert text in page
        assert "1.95 RUB" in operator.get(f"{ADMIN}/verification/").text

    def test_an_implausible_price_is_shown_with_what_counts_of_it(self, operator: Client) -> None:
        attempt = AttemptFactory(price=Decimal("9999"), counted=Decimal("3.50"))
        page = operator.get(f"{ADMIN}/verification/{attempt.verification_id}/change/").text
        assert "3.50 RUB" in page
        assert "9999.00 RUB" in page
        assert "3.50 RUB of 9999.00 RUB billed" in operator.get(f"{ADMIN}/verification/").text

    def test_a_refused_login_is_shown_with_its_reason(self, operator: Client) -> None:
        now = timezone.now()
        right = {"status": "approved", "approved_at": now, "consumed_at": now}
        verification = VerificationFactory(**right, refusal_code="staff")
        assert '<td class="field-state">refused</td>' in operator.get(f"{ADMIN}/verification/").text
        page = operator.get(f"{ADMIN}/verification/{verification.pk}/change/").text
        assert "the user is staff" in page

    def test_a_longer_list_needs_no_more_queries(self, operator: Client) -> None:
        AttemptFactory.create_batch(5)
        few = _count(operator)
        AttemptFactory.create_batch(45)
        assert _count(operator) == few

    def test_an_unlisted_reason_is_shown_as_the_provider_wrote_it(self, operator: Client) -> None:
        attempt = AttemptFactory(status=AttemptStatus.REJECTED, error_code="<b>new", code="")

        page = operator.get(f"{ADMIN}/verification/{attempt.verification_id}/change/").text

        assert "&lt;b&gt;new" in page

    def test_lost_and_unpriced_calls_cost_what_was_reserved(self, operator: Client) -> None:
        AttemptFactory(status=AttemptStatus.UNKNOWN, price=None, reserved=Decimal("0.4"))

        assert "0.40 RUB" in operator.get(f"{ADMIN}/verification/").text

    @pytest.mark.parametrize(
        "choice",
        [
            "status__exact=approved",
            "refusal_code__exact=staff",
            "attempts__channel__exact=sms",
            "attempts__status__exact=unknown",
        ],
    )
    def test_a_verification_is_filtered_by_what_happened_and_listed_once(
        self, choice: str, operator: Client
    ) -> None:
        now = timezone.now()
        right = {"status": "approved", "approved_at": now, "consumed_at": now}
        found = VerificationFactory(**right, refusal_code="staff")
        for _ in range(2):
            AttemptFactory(verification=found, channel=Channel.SMS, status=AttemptStatus.UNKNOWN)
        AttemptFactory()

        page = operator.get(f"{ADMIN}/verification/?{choice}")

        assert list(page.context["cl"].result_list) == [found]
