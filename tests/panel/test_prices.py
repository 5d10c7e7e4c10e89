"""The price list and the days' sums."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from django_flashcall.models import Price
from tests.constants import ADMIN, NUMBER
from tests.factories import PriceFactory, UsageFactory
from tests.panel.clients import client_with

pytestmark = pytest.mark.django_db


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


class TestPrices:
    def test_prices_are_written_and_their_prefixes_checked(self, admin_client: Client) -> None:
        row = {
            "channel": "sms",
            "prefix": "7999",
            "amount": "1.60",
            "allowed": "on",
            "valid_from_0": "2026-11-23",
            "valid_from_1": "00:00",
        }
        page = admin_client.post(f"{ADMIN}/price/add/", row)
        assert "A prefix is a + and digits" in page.text
        assert (
            admin_client.post(f"{ADMIN}/price/add/", {**row, "prefix": "+7999"}).status_code == 302
        )
        assert Price.objects.get().amount == Decimal("1.60")

    def test_the_price_list_names_what_is_empty(self, admin_client: Client) -> None:
        PriceFactory()
        page = admin_client.get(f"{ADMIN}/price/").text
        assert "every number" in page
        assert "every channel" in page

    @pytest.mark.parametrize(
        "text", ["+7 (999)", "+7\t999", "+٧٩٩٩", "+7\u2011999\u3164", "\uff0b7999"]
    )
    def test_a_prefix_is_read_and_found_as_a_number_is(
        self, text: str, admin_client: Client
    ) -> None:
        page = admin_client.post(f"{ADMIN}/price/add/", price(prefix=text))

        assert page.status_code == 302
        assert Price.objects.get().prefix == "+7999"
        PriceFactory(prefix="+7912")
        found = admin_client.get(f"{ADMIN}/price/", {"q": text}).text
        assert "+7999" in found
        assert "+7912" not in found

    def test_a_prefix_that_is_a_whole_number_is_masked_for_those_without_permission(self) -> None:
        row = PriceFactory(prefix=NUMBER, allowed=False)
        client = client_with("view_price", "change_price", "delete_price", "add_price")
        chosen = {"action": "delete_selected", "_selected_action": [row.pk]}
        page = f"{ADMIN}/price/{row.pk}"
        texts = [
            client.get(f"{ADMIN}/price/").text,
            client.get(f"{page}/change/").text,
            client.get(f"{page}/delete/").text,
            client.get(f"{page}/history/").text,
            client.get(f"{ADMIN}/price/export/").text,
            client.post(f"{ADMIN}/price/", chosen).text,
        ]
        for text in texts:
            assert "7••••••••67" in text
            assert NUMBER[1:] not in text
        found = client.get(f"{ADMIN}/price/", {"q": NUMBER})
        assert found.context["cl"].result_count == 1
        assert client.post(f"{page}/change/", price(prefix="+7")).status_code == 403
        assert client.get(f"{ADMIN}/price/?prefix__startswith=%2B79").status_code in (302, 400, 403)
        found = client.get(f"{ADMIN}/price/", {"q": "+799912"})
        assert found.context["cl"].result_count == 0
        assert str(row) == "+7••••••••67, every channel"

    def test_a_prefix_that_is_a_whole_number_is_edited_by_those_who_may_see_it(
        self, admin_client: Client
    ) -> None:
        row = PriceFactory(prefix=NUMBER)
        page = f"{ADMIN}/price/{row.pk}/change/"
        assert NUMBER in admin_client.get(page).text
        assert admin_client.post(page, price(prefix="+7912")).status_code == 302
        row.refresh_from_db()
        assert row.prefix == "+7912"

    def test_prices_of_prefixes_are_edited_by_those_who_may_not_see_numbers(self) -> None:
        row = PriceFactory(prefix="+7999")
        client = client_with("view_price", "change_price")
        page = f"{ADMIN}/price/{row.pk}/change/"
        assert "+7999" in client.get(page).text
        assert client.post(page, price(prefix="+7912")).status_code == 302

    @pytest.mark.parametrize("prefix", ["7999", "+", "+-", "+7999x", "+7²", "+7999+8", "++7"])
    def test_a_prefix_that_matches_no_number_is_refused(
        self, prefix: str, admin_client: Client
    ) -> None:
        page = admin_client.post(f"{ADMIN}/price/add/", price(prefix=prefix))

        assert "A prefix is a + and digits" in page.text
        assert not Price.objects.exists()

    @pytest.mark.parametrize("prefix", ["", "+7", "+79991234567"])
    def test_a_prefix_of_any_length_is_taken(self, prefix: str, admin_client: Client) -> None:
        admin_client.post(f"{ADMIN}/price/add/", price(prefix=prefix))

        assert Price.objects.get().prefix == prefix

    def test_a_price_is_never_negative_and_may_be_left_out(self, admin_client: Client) -> None:
        assert admin_client.post(f"{ADMIN}/price/add/", price(amount="-1")).status_code == 200
        assert admin_client.post(f"{ADMIN}/price/add/", price(amount="")).status_code == 302
        assert Price.objects.get().amount is None

    def test_the_same_price_twice_is_refused_in_words(self, admin_client: Client) -> None:
        admin_client.post(f"{ADMIN}/price/add/", price())

        page = admin_client.post(f"{ADMIN}/price/add/", price())

        assert "already exists" in page.text

    def test_a_price_is_changed_and_deleted(self, admin_client: Client) -> None:
        row = PriceFactory(prefix="+7999")

        admin_client.post(f"{ADMIN}/price/{row.pk}/change/", price(amount="2"))
        row.refresh_from_db()
        assert row.amount == 2

        admin_client.post(f"{ADMIN}/price/{row.pk}/delete/", {"post": "yes"})
        assert not Price.objects.exists()


class TestUsage:
    def test_usage_is_shown_by_the_day(self, operator: Client) -> None:
        UsageFactory(since=timezone.now(), attempts=3, units=10_500)
        assert "1.05 RUB" in operator.get(f"{ADMIN}/usage/").text

    def test_what_was_billed_and_what_counts_are_both_shown(self, operator: Client) -> None:
        UsageFactory(since=timezone.now(), units=35_000, uncounted_units=99_955_000)
        assert "3.50 RUB of 9999.00 RUB billed" in operator.get(f"{ADMIN}/usage/").text

    def test_the_hours_of_blocks_are_no_days_of_the_site(self, admin_client: Client) -> None:
        UsageFactory(scope="+7999123", attempts=7)
        page = admin_client.get(f"{ADMIN}/usage/").text
        assert "+7999123" not in page
        assert "0 usage" in page
