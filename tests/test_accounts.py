"""Tests."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from django_flashcall import accounts
from django_flashcall.choices import Purpose, VerificationStatus
from django_flashcall.exceptions import NumberTaken, VerificationEnded
from django_flashcall.models import Phone, Verification
from tests.factories import PhoneFactory, UserFactory, VerificationFactory
from tests.racing import THREADS, answers, errors, race

PURPOSES = [Purpose.CONFIRM, Purpose.CHANGE, Purpose.REAUTHENTICATE]


VERBS: dict[str, Any] = {
    Purpose.CONFIRM: accounts.confirm_number,
    Purpose.CHANGE: accounts.change_number,
    Purpose.REAUTHENTICATE: partial(accounts.prove_again, added_before=None),
}


def approved(purpose: str, user: Any, **fields: Any) -> Verification:
    """Return an approval that ``user`` asked for."""
    row = {
        "purpose": purpose,
        "user": user,
        "status": VerificationStatus.APPROVED,
        "approved_at": timezone.now(),
        "checks": 1,
    }
    if purpose == Purpose.REAUTHENTICATE and "phone" not in fields:
        row["phone"] = PhoneFactory(user=user)
    verification: Verification = VerificationFactory(**row | fields)
    return verification


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", PURPOSES)
class TestAnApproval:
    def test_is_good_once(self, purpose: str) -> None:
        user = UserFactory()
        verification = approved(purpose, user)
        assert VERBS[purpose](verification, user=user).user == user
        with pytest.raises(VerificationEnded):
            VERBS[purpose](verification, user=user)

    def test_is_good_for_who_asked_only(self, purpose: str) -> None:
        verification = approved(purpose, UserFactory())
        with pytest.raises(VerificationEnded):
            VERBS[purpose](verification, user=UserFactory())
        verification.refresh_from_db()
        assert verification.consumed_at is None

    def test_is_good_for_what_was_asked_only(self, purpose: str) -> None:
        user = UserFactory()
        for other in {*PURPOSES, Purpose.LOGIN, Purpose.SECOND_STEP} - {purpose}:
            with pytest.raises(VerificationEnded):
                VERBS[purpose](approved(other, user), user=user)

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": VerificationStatus.PENDING, "approved_at": None},
            {"status": VerificationStatus.CANCELED, "approved_at": None},
        ],
        ids=lambda fields: fields["status"],
    )
    def test_must_be_one(self, purpose: str, fields: dict[str, Any]) -> None:
        user = UserFactory()
        with pytest.raises(VerificationEnded):
            VERBS[purpose](approved(purpose, user, **fields), user=user)

    def test_grows_old(self, purpose: str) -> None:
        user, earlier = UserFactory(), timezone.now() - timedelta(minutes=5)
        with pytest.raises(VerificationEnded):
            VERBS[purpose](approved(purpose, user, approved_at=earlier), user=user)


@pytest.mark.django_db
class TestNumbers:
    def test_of_a_user_are_those_they_proved_the_latest_first(self) -> None:
        user, now = UserFactory(), timezone.now()
        older = PhoneFactory(user=user, verified_at=now - timedelta(days=1))
        newer = PhoneFactory(user=user, verified_at=now)
        PhoneFactory(user=user, verified_at=None)
        PhoneFactory(user=UserFactory())
        assert accounts.numbers_of(user) == [newer, older]

    def test_that_are_released_are_unowned_and_their_calls_are_ended(self) -> None:
        user = UserFactory()
        phone, other = PhoneFactory(user=user), PhoneFactory(user=user)
        called, calling = VerificationFactory(phone=phone), VerificationFactory(phone=other)
        assert accounts.release_numbers(Phone.objects.filter(pk=phone.pk)) == 1
        called.refresh_from_db()
        calling.refresh_from_db()
        assert (called.status, calling.status) == ("canceled", "pending")
        assert accounts.numbers_of(user) == [other]


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_of_many_who_confirm_one_number_at_once_one_gets_it(self) -> None:
        phone, users = PhoneFactory(), UserFactory.create_batch(THREADS)
        asked = [(approved(Purpose.CONFIRM, user, phone=phone), user) for user in users]
        finishes = race(*(partial(accounts.confirm_number, one, user=user) for one, user in asked))
        [won] = answers(finishes)
        assert errors(finishes) == {NumberTaken}
        assert Phone.objects.get(pk=phone.pk).user == won.user

    @pytest.mark.parametrize("purpose", PURPOSES)
    def test_an_approval_that_is_used_in_parallel_is_used_once(self, purpose: str) -> None:
        user = UserFactory()
        verification = approved(purpose, user)
        finishes = race(*[partial(VERBS[purpose], verification, user=user)] * THREADS)
        assert len(answers(finishes)) == 1
        assert errors(finishes) == {VerificationEnded}

    def test_changes_in_parallel_leave_one_number(self) -> None:
        user = UserFactory()
        old = PhoneFactory(user=user)
        changes = [approved(Purpose.CHANGE, user) for _ in range(THREADS)]
        finishes = race(*(partial(accounts.change_number, one, user=user) for one in changes))
        assert len(answers(finishes)) == THREADS
        assert Phone.objects.filter(user=user).count() == 1
        old.refresh_from_db()
        assert old.user is None


class TestReleasing:
    @pytest.mark.django_db
    def test_a_release_that_the_database_aborts_is_carried_out_whole(self) -> None:
        verification = VerificationFactory(phone=PhoneFactory(user=UserFactory()))
        aborted = iter([True])

        def abort(execute: Any, sql: str, *statement: Any) -> Any:
            if "trusted_since" in sql and sql.startswith("UPDATE") and next(aborted, False):
                raise OperationalError(1213, "Deadlock found when trying to get lock")
            return execute(sql, *statement)

        with connection.execute_wrapper(abort):
            assert accounts.release_numbers(Phone.objects.all()) == 1
        verification.refresh_from_db()
        assert verification.status == VerificationStatus.CANCELED
        assert verification.phone.user is None
