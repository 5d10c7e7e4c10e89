"""Logging in, with user models of every kind.

Run as it is, this is about Django's own user; the last test runs it again for each other kind.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.test import Client, RequestFactory
from django.utils import timezone

from django_flashcall.backends import PhoneBackend
from django_flashcall.models import Phone
from django_flashcall.phone import spellings
from tests.constants import NUMBER, ROOT, Outbox
from tests.userkind import FIELD, FIELDS, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("user_phone_field")]


SPELLINGS = spellings(NUMBER)


@pytest.fixture
def proven(flashcall: Any) -> None:
    flashcall(USER_PHONES_PROVEN=True)


def log_in(client: Client, outbox: Outbox, number: str = NUMBER) -> Any:
    """Ask for a call, type the code, and return the answer to that."""
    page = client.post("/phone/login/", {"number": number})
    return client.post(page.url, {"code": outbox[-1].code})


def user_of(client: Client) -> Any:
    request = RequestFactory().get("/")
    request.session = client.session
    return get_user(request)


def run_for(kind: str, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Run these tests in a process of their own, for users of another kind."""
    names = ["test_user_models.py", "operations/test_adoption.py"]
    if kind == "named_by_phone":
        names.append("panel/test_named_by_number.py")
    files = [str(ROOT / "tests" / name) for name in names]
    # Each with a directory of its own: they would clean up each other's.
    options = ["-q", "-n0", "-p", "no:cacheprovider", "--basetemp", str(scratch)]
    command = [sys.executable, "-m", "pytest", *options, *files]
    environment = os.environ | {"FLASHCALL_TEST_USER": kind, "PYTEST_ADDOPTS": ""}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, env=environment, cwd=ROOT, text=True, check=False, **output)


class TestUserModels:
    def test_a_new_number_gets_a_user_whom_the_model_accepts(
        self, client: Client, outbox: Outbox
    ) -> None:
        assert log_in(client, outbox).url == "/welcome/"
        user = user_of(client)
        user.full_clean(exclude=["password", "last_name"])
        assert not user.has_usable_password()
        assert str(getattr(user, FIELD)) == NUMBER
        assert Phone.objects.get().user == user

    def test_the_next_login_finds_the_same_user(self, client: Client, outbox: Outbox) -> None:
        with time_machine.travel(timezone.now()) as clock:
            log_in(client, outbox)
            clock.shift(timedelta(minutes=5))
            again = Client()
            assert log_in(again, outbox).url == "/welcome/"
        assert user_of(again) == user_of(client)
        assert get_user_model().objects.count() == 1

    @pytest.mark.usefixtures("proven")
    @pytest.mark.parametrize("spelling", SPELLINGS[::40])
    def test_a_user_logs_in_by_a_number_that_is_stored_in_another_spelling(
        self, spelling: str, client: Client, outbox: Outbox
    ) -> None:
        user = make_user(spelling)
        assert log_in(client, outbox).url == "/welcome/"
        assert user_of(client) == user
        phone = Phone.objects.get()
        assert phone.user == user
        assert phone.verified_at is not None

    def test_a_user_is_found_by_the_number_in_any_usual_spelling(self) -> None:
        for spelling in SPELLINGS:
            user = make_user(spelling)
            assert PhoneBackend().find_user(NUMBER) == user
            user.delete()

    def test_a_number_that_nobody_proved_opens_nothing(
        self, client: Client, outbox: Outbox
    ) -> None:
        make_user(NUMBER)
        page = log_in(client, outbox)
        assert "but was never confirmed" in page.text
        assert not user_of(client).is_authenticated
        assert get_user_model().objects.count() == 1

    @pytest.mark.usefixtures("proven")
    def test_a_number_of_two_users_opens_neither(self, client: Client, outbox: Outbox) -> None:
        make_user(NUMBER)
        make_user("8 (999) 123-45-67")
        if FIELD == "phone_number":
            get_user_model().objects.update(phone_number=NUMBER)
        page = log_in(client, outbox)
        assert "You cannot log in with this number." in page.text
        assert get_user_model().objects.count() == 2

    @pytest.mark.usefixtures("proven")
    def test_who_is_linked_goes_before_who_only_says_so(
        self, client: Client, outbox: Outbox
    ) -> None:
        owner = make_user()
        Phone.objects.create(number=NUMBER, user=owner, verified_at=timezone.now())
        make_user(NUMBER)
        log_in(client, outbox)
        assert user_of(client) == owner

    def test_with_sign_up_off_who_has_the_number_is_called(
        self, client: Client, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(SIGN_UP=False)
        client.post("/phone/login/", {"number": "+79991234568"})
        assert not outbox
        make_user(NUMBER)
        client.post("/phone/login/", {"number": NUMBER})
        assert len(outbox) == 1

    def test_a_password_still_works(self, client: Client) -> None:
        user = make_user(NUMBER)
        assert client.login(username=user.get_username(), password="correct horse")
        assert user_of(client) == user

    @pytest.mark.skipif(bool(settings.USER), reason="this is one of them")
    @pytest.mark.parametrize("kind", FIELDS)
    def test_all_of_it_holds_for_users_of_another_kind(self, kind: str, tmp_path: Path) -> None:
        run = run_for(kind, tmp_path / "scratch")
        assert run.returncode == 0, run.stdout
