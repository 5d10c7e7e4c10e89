"""What visitors and staff do on a site whose only database is named ``main``.

Django's test runner runs this in a process of its own, for ``tests/promises/test_elsewhere.py``.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.checks import run_checks
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError
from django.test import Client, TransactionTestCase
from django.utils import timezone

from django_flashcall.exceptions import TransactionOpen
from django_flashcall.models import Phone, Price, VerificationAttempt
from django_flashcall.operations.pricelist import save_prices
from django_flashcall.providers.locmem import outbox
from tests.browser import Browser, prove
from tests.constants import ADMIN, CHANGE, CONFIRM, NUMBER, OTHER, PASSWORD
from tests.factories import AttemptFactory, PhoneFactory, UserFactory


class SiteTest(TransactionTestCase):
    databases = {"main"}

    def setUp(self) -> None:
        outbox.clear()
        cache.clear()

    def staff(self) -> Client:
        user = UserFactory(is_staff=True, is_superuser=True, password="!")
        user.set_password(PASSWORD)
        user.save()
        client = Client()
        client.login(username=user.username, password=PASSWORD)
        return client

    def log_in(self) -> Browser:
        browser = Browser()
        browser.ask(NUMBER)
        browser.answer(outbox[-1].code)
        return browser

    def test_a_visitor_logs_in(self) -> None:
        page = self.log_in().page
        self.assertEqual(page.text, f"welcome {get_user_model().objects.get()}")

    def test_a_user_changes_the_number(self) -> None:
        browser = self.log_in()
        prove(browser, CHANGE, OTHER, outbox)
        self.assertEqual(Phone.objects.exclude(user=None).get().number, OTHER)

    def test_a_user_confirms_a_number(self) -> None:
        browser = self.log_in()
        prove(browser, CONFIRM, OTHER, outbox)
        self.assertEqual(Phone.objects.exclude(user=None).count(), 2)

    def test_the_error_of_a_page_with_a_transaction_names_its_database(self) -> None:
        with self.assertRaisesRegex(TransactionOpen, r"non_atomic_requests\(using='main'\)"):
            Client().post("/atomic/", {"number": NUMBER})
        self.assertFalse(Phone.objects.exists())

    def test_staff_release_block_and_unblock_numbers(self) -> None:
        phone = PhoneFactory(user=UserFactory())
        client = self.staff()
        for action in ("release", "block", "unblock", "distrust"):
            chosen = {"action": action, "_selected_action": [phone.pk]}
            page = client.post(f"{ADMIN}/phone/", chosen, follow=True)
            self.assertIn("1 number", page.text)
        self.assertIsNone(Phone.objects.get().user)

    def test_staff_see_every_list(self) -> None:
        attempt = AttemptFactory()
        client = self.staff()
        for name in ("phone", "verification", "price", "usage"):
            self.assertEqual(client.get(f"{ADMIN}/{name}/").status_code, 200)
        url = f"{ADMIN}/verification/{attempt.verification.pk}/change/"
        self.assertEqual(client.get(url).status_code, 200)

    def test_staff_import_prices(self) -> None:
        file = SimpleUploadedFile("prices.csv", b"prefix,amount\n7999,0.35\n")
        page = self.staff().post(f"{ADMIN}/price/import/", {"file": file}, follow=True)
        self.assertIn("1 price was imported.", page.text)

    def test_prices_are_imported_all_or_none(self) -> None:
        wrong = Price(prefix="+7998", amount=Decimal(-1))
        with self.assertRaises(IntegrityError):
            save_prices([Price(prefix="+7999", amount=Decimal(1)), wrong])
        self.assertFalse(Price.objects.exists())

    def test_commands_work(self) -> None:
        long_ago = timezone.now() - timedelta(days=91)
        old = PhoneFactory(created_at=long_ago, last_attempt_at=long_ago)
        AttemptFactory(verification__phone=old, verification__created_at=long_ago)
        UserFactory(last_name=NUMBER)
        self.run_command("flashcall_sweep")
        self.run_command("flashcall_purge")
        self.run_command("flashcall_adopt", "--apply")
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "prices.csv")
            path.write_text("prefix,amount\n7999,0.35\n")
            self.run_command("flashcall_prices", "--import", str(path))
            self.run_command("flashcall_prices", "--export", str(path))
        self.assertFalse(VerificationAttempt.objects.exists())
        self.assertTrue(Price.objects.exists())
        self.assertTrue(Phone.objects.filter(number=NUMBER).exclude(user=None).exists())

    def test_checks_find_nothing_that_names_a_database(self) -> None:
        found = run_checks(databases=["main"], include_deployment_checks=True)
        self.assertFalse([message for message in found if "database" in message.msg])

    def run_command(self, *arguments: Any) -> None:
        call_command(*arguments, stdout=StringIO())
