"""The list of numbers: finding, blocking and releasing them."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from django_flashcall.choices import VerificationStatus
from django_flashcall.models import Phone
from tests.constants import ADMIN, NUMBER
from tests.factories import PhoneFactory, UserFactory, VerificationFactory
from tests.panel.clients import client_with

pytestmark = pytest.mark.django_db


class TestSearching:
    @pytest.mark.parametrize("spelling", [NUMBER, "8 (999) 123-45-67", "79991234567"])
    def test_a_whole_number_is_found_in_any_spelling(self, operator: Client, spelling: str) -> None:
        for number in (NUMBER, "+79991234568"):
            VerificationFactory(phone__number=number)
        for name in ("verification", "phone"):
            page = operator.get(f"{ADMIN}/{name}/", {"q": spelling})
            assert page.context["cl"].result_count == 1

    def test_a_part_of_a_number_finds_nothing(self, operator: Client) -> None:
        VerificationFactory(phone__number=NUMBER)
        page = operator.get(f"{ADMIN}/verification/", {"q": "123"})
        assert page.context["cl"].result_count == 0

    @pytest.mark.parametrize("name", ["verification", "phone"])
    @pytest.mark.parametrize("part", ["+7999123", "4567", "%", "_", "999", "x"])
    def test_no_part_of_a_number_finds_anything(
        self, name: str, part: str, operator: Client
    ) -> None:
        VerificationFactory(phone__number=NUMBER)

        page = operator.get(f"{ADMIN}/{name}/", {"q": part})

        assert page.context["cl"].result_count == 0


class TestBlocking:
    def test_numbers_are_blocked_and_unblocked_and_that_is_logged(
        self, admin_client: Client
    ) -> None:
        phone = PhoneFactory()
        chosen = {"_selected_action": [phone.pk]}
        page = admin_client.post(f"{ADMIN}/phone/", {"action": "block", **chosen}, follow=True)
        assert "1 number was blocked." in page.text
        phone.refresh_from_db()
        assert phone.blocked_at is not None
        page = admin_client.post(f"{ADMIN}/phone/", {"action": "unblock", **chosen}, follow=True)
        assert "1 number was unblocked." in page.text
        phone.refresh_from_db()
        assert phone.blocked_at is None
        assert LogEntry.objects.count() == 2

    def test_a_number_that_lost_user_is_released(self, admin_client: Client) -> None:
        phone, other = PhoneFactory(user=UserFactory()), PhoneFactory(user=UserFactory())
        called = VerificationFactory(phone=phone)
        chosen = {"action": "release", "_selected_action": [phone.pk, PhoneFactory().pk]}
        page = admin_client.post(f"{ADMIN}/phone/", chosen, follow=True)
        assert "1 number was released." in page.text
        for row in (phone, other, called):
            row.refresh_from_db()
        assert (phone.user, phone.verified_at) == (None, None)
        assert called.status == VerificationStatus.CANCELED
        assert other.user is not None
        assert LogEntry.objects.get().get_change_message() == "Released."

    def test_who_may_only_look_cannot_block(self, operator: Client) -> None:
        phone = PhoneFactory()
        operator.post(f"{ADMIN}/phone/", {"action": "block", "_selected_action": [phone.pk]})
        assert not Phone.objects.exclude(blocked_at=None).exists()

    def test_blocking_is_offered_only_to_who_may_block(self, operator: Client) -> None:
        PhoneFactory()

        assert "Block: never call these numbers" not in operator.get(f"{ADMIN}/phone/").text
        blocker = client_with("view_phone", "change_phone")
        assert "Block: never call these numbers" in blocker.get(f"{ADMIN}/phone/").text

    def test_what_is_logged_of_a_block_names_the_number_masked(self) -> None:
        phone = PhoneFactory(number=NUMBER)
        blocker = client_with("view_phone", "change_phone")

        blocker.post(f"{ADMIN}/phone/", {"action": "block", "_selected_action": [phone.pk]})

        entry = LogEntry.objects.get()
        assert entry.object_repr == str(phone)
        assert NUMBER not in f"{entry.object_repr} {entry.change_message}"

    def test_only_what_was_blocked_now_is_counted_and_logged(self, admin_client: Client) -> None:
        blocked, free = PhoneFactory(blocked_at=timezone.now()), PhoneFactory()
        chosen = {"action": "block", "_selected_action": [blocked.pk, free.pk]}

        page = admin_client.post(f"{ADMIN}/phone/", chosen, follow=True)

        assert "1 number was blocked." in page.text
        assert LogEntry.objects.get().object_id == str(free.pk)
