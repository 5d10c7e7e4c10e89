"""Beside a read replica, every decision is read where it was written.

Here each read from the replica is an error. ``nox -s tests`` runs many
other tests beside a replica that is empty and never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import Client, RequestFactory
from django.utils import timezone

from django_flashcall import services
from django_flashcall.accounts import change_number, confirm_number, numbers_of, release_numbers
from django_flashcall.choices import AttemptStatus, Purpose
from django_flashcall.databases import written_users
from django_flashcall.exceptions import CooldownActive, VerificationEnded
from django_flashcall.models import Phone, Price, Usage, Verification, VerificationAttempt
from django_flashcall.operations.adoption import Finding, link, survey
from django_flashcall.operations.conversion import watch_conversion
from django_flashcall.operations.purging import purge
from django_flashcall.visitors import sessions
from django_flashcall.visitors.visitor import Visitor
from tests.browser import Browser
from tests.constants import ADMIN, NUMBER, OTHER, PHONE_BACKEND, Clock, Outbox
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    UserFactory,
    VerificationFactory,
)
from tests.logins import log_in, start
from tests.routers import BROKEN, REPLICA, WRITTEN
from tests.userkind import FIELD

pytestmark = pytest.mark.django_db


class LateBackend(ModelBackend):
    """Finds users as they were before they were deactivated."""

    def get_user(self, user_id: Any) -> Any:
        """Return an active user from a replica."""
        user = written_users().get(pk=user_id)
        user.is_active, user._state.db = True, REPLICA
        return user


@pytest.fixture
def replica(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.DATABASE_ROUTERS = ["tests.routers.StrictRouter"]
    broken = connections.configure_settings({"default": {}, BROKEN: {}})[BROKEN]
    monkeypatch.setitem(connections.settings, BROKEN, broken)
    connections[BROKEN] = connections.create_connection(BROKEN)
    yield
    del connections[BROKEN]


def approve(purpose: str, *, user: Any, outbox: Outbox, number: str = NUMBER) -> Verification:
    visitor = Visitor(user=user)
    verification = start(number, purpose=purpose, visitor=visitor)
    return services.check_code(verification, outbox[-1].code, visitor=visitor)


def staff() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True), backend=PHONE_BACKEND)
    return client


@pytest.mark.usefixtures("replica")
class TestDecisions:
    def test_a_new_number_is_called_and_its_user_stays_logged_in(self, outbox: Outbox) -> None:
        browser = Browser()
        browser.ask(NUMBER)
        page = browser.answer(outbox[-1].code)

        assert page.text == f"welcome {written_users().get()}"
        assert browser.open("/welcome/").text == page.text

    def test_limits_are_counted_and_a_code_counts_once(self, outbox: Outbox) -> None:
        verification = start()
        with pytest.raises(CooldownActive):
            start()
        services.check_code(verification, outbox[-1].code, visitor=Visitor())
        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[-1].code, visitor=Visitor())
        assert log_in(verification) is not None
        assert log_in(verification) is None

    def test_a_number_is_called_again(self, outbox: Outbox, clock: Clock) -> None:
        verification = start()
        clock.shift(timedelta(minutes=2))
        services.resend(verification, visitor=Visitor())
        assert len(outbox) == 2

    @pytest.mark.usefixtures("user_phone_field")
    def test_a_number_is_confirmed_changed_and_released(self, outbox: Outbox) -> None:
        user = UserFactory(**{FIELD: ""})
        confirm_number(approve(Purpose.CONFIRM, user=user, outbox=outbox), user=user)
        assert getattr(user, FIELD) == NUMBER
        change = approve(Purpose.CHANGE, user=user, outbox=outbox, number=OTHER)
        change_number(change, user=user)
        assert [phone.number for phone in numbers_of(user)] == [OTHER]
        assert release_numbers(user.flashcall_phones.all()) == 1

    @pytest.mark.usefixtures("user_phone_field")
    def test_a_number_in_the_field_is_kept_if_the_replica_does_not_have_it_yet(
        self, outbox: Outbox
    ) -> None:
        user = UserFactory(**{FIELD: OTHER})
        setattr(user, FIELD, "")
        confirm_number(approve(Purpose.CONFIRM, user=user, outbox=outbox), user=user)
        assert getattr(user, FIELD) == OTHER

    def test_relations_and_refreshes_are_read_where_they_were_written(self) -> None:
        attempt = VerificationAttempt.objects.get(pk=AttemptFactory().pk)
        attempt.refresh_from_db()
        assert attempt.verification.phone.number
        assert attempt.verification.attempts.get() == attempt
        assert attempt.verification.phone.verifications.get() == attempt.verification

    @pytest.mark.parametrize("model", [Phone, Verification, VerificationAttempt, Price, Usage])
    def test_every_table_is_read_where_it_is_written(self, model: Any) -> None:
        assert model._default_manager.all().db == model._base_manager.all().db == WRITTEN
        assert model.objects.using("archive").db == "archive"

    def test_a_sweep_and_a_purge_find_their_rows(self) -> None:
        long_ago = timezone.now() - timedelta(days=91)
        old = PhoneFactory(created_at=long_ago, last_attempt_at=long_ago)
        AttemptFactory(
            verification__phone=old,
            verification__created_at=long_ago,
            created_at=long_ago,
            sent_at=long_ago,
            status=AttemptStatus.REQUESTED,
        )
        assert services.sweep_attempts() == 1
        purged = purge(now=timezone.now())
        assert (purged.verifications, purged.phones) == (1, 1)

    @pytest.mark.usefixtures("user_phone_field")
    def test_users_are_adopted(self) -> None:
        UserFactory(**{FIELD: NUMBER})
        assert [claim.finding for claim in link(survey())] == [Finding.LINK]
        assert Phone.objects.get().user_id == written_users().get().pk

    def test_a_user_who_was_deactivated_meanwhile_is_not_held(self, settings: Any) -> None:
        backend = f"{__name__}.LateBackend"
        settings.AUTHENTICATION_BACKENDS = [PHONE_BACKEND, backend]
        request = RequestFactory().get("/")
        request.session, request.user = SessionStore(), AnonymousUser()
        user = UserFactory()
        user.backend = backend
        sessions.hold_user(request, user)
        assert sessions.held_user(request) == user
        written_users().update(is_active=False)
        assert sessions.held_user(request) is None


@pytest.mark.usefixtures("replica")
class TestReports:
    @pytest.mark.parametrize("name", ["phone", "verification", "price", "usage"])
    def test_lists_of_the_admin_are_read_by_the_router(self, name: str) -> None:
        with pytest.raises(ImproperlyConfigured):
            staff().get(f"{ADMIN}/{name}/")

    def test_the_row_that_is_changed_is_read_where_it_is_written(self) -> None:
        phone = PhoneFactory()
        assert str(phone) in staff().get(f"{ADMIN}/phone/{phone.pk}/change/").text

    def test_the_conversion_is_read_by_the_router(self) -> None:
        with pytest.raises(ImproperlyConfigured):
            watch_conversion(now=timezone.now())


@pytest.mark.skipif(
    REPLICA not in connections.settings, reason="needs a replica: set FLASHCALL_TEST_REPLICA"
)
@pytest.mark.django_db(databases=[WRITTEN, REPLICA])
class TestFrozenReplicas:
    def test_a_list_shows_the_replica_and_its_actions_what_is_written(self) -> None:
        phone = PhoneFactory(user=UserFactory())
        VerificationFactory(phone=phone)
        client = staff()
        assert client.get(f"{ADMIN}/phone/").context["cl"].result_count == 0
        client.post(f"{ADMIN}/phone/", {"action": "release", "_selected_action": [phone.pk]})
        phone.refresh_from_db()
        assert phone.user_id is None

    def test_a_conversion_in_the_replica_sounds_no_alarm(self, warnings_sent: list[str]) -> None:
        watch_conversion(now=timezone.now())
        assert not warnings_sent
