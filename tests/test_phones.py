"""Changes of numbers: claims, proofs and blocks."""

from __future__ import annotations

from datetime import datetime

import pytest

from django_flashcall.choices import VerificationStatus
from django_flashcall.models import Phone
from tests.constants import NOON
from tests.factories import PhoneFactory, UserFactory
from tests.rows import MINUTE, SECOND, fresh, only

pytestmark = pytest.mark.django_db


#: What ends a verification, each in its own way, seen at ``NOON``.
ENDED = pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"status": VerificationStatus.CANCELED}, id="canceled"),
        pytest.param({"status": VerificationStatus.APPROVED, "approved_at": NOON}, id="approved"),
        pytest.param({"expires_at": NOON}, id="expired"),
        pytest.param({"checks": 3}, id="exhausted"),
    ],
)


class TestClaimingACall:
    @pytest.mark.parametrize(
        ("last_attempt_at", "claimed"),
        [
            (None, True),
            (NOON - MINUTE, True),
            (NOON - MINUTE + SECOND, False),
            (NOON, False),
        ],
    )
    def test_waits_for_the_cooldown(self, last_attempt_at: datetime | None, claimed: bool) -> None:
        phone = PhoneFactory(last_attempt_at=last_attempt_at)

        assert only(phone).claim_call(now=NOON, cooldown=MINUTE) is claimed
        assert fresh(phone).last_attempt_at == (NOON if claimed else last_attempt_at)

    def test_is_refused_for_a_blocked_number(self) -> None:
        phone = PhoneFactory(blocked_at=NOON)

        assert not only(phone).claim_call(now=NOON, cooldown=MINUTE)
        assert fresh(phone).last_attempt_at is None

    def test_works_once(self) -> None:
        phone = PhoneFactory()

        claims = [only(phone).claim_call(now=NOON, cooldown=MINUTE) for _ in range(2)]

        assert claims == [True, False]


class TestClaimingASignUp:
    def test_works_for_a_number_without_a_user(self) -> None:
        phone = PhoneFactory()

        assert only(phone).claim_sign_up(now=NOON)
        assert fresh(phone).verified_at == NOON

    def test_is_refused_for_a_number_with_one(self) -> None:
        phone = PhoneFactory(user=UserFactory(), verified_at=None)

        assert not only(phone).claim_sign_up(now=NOON)
        assert fresh(phone).verified_at is None


class TestProving:
    def test_again_moves_the_time_of_the_last_proof(self) -> None:
        phone = PhoneFactory(user=UserFactory(), verified_at=NOON - MINUTE)

        assert only(phone).prove_again(user=phone.user, now=NOON, since=None)
        assert fresh(phone).verified_at == NOON

    def test_again_is_refused_for_what_was_never_proved(self) -> None:
        phone = PhoneFactory(user=UserFactory(), verified_at=None)

        assert not only(phone).prove_again(user=phone.user, now=NOON, since=None)

    def test_again_is_refused_to_anybody_else(self) -> None:
        phone = PhoneFactory(user=UserFactory(), verified_at=NOON)

        assert not only(phone).prove_again(user=UserFactory(), now=NOON, since=None)

    @pytest.mark.parametrize(("ago", "is_enough"), [(1, True), (2, True), (3, False)])
    def test_again_may_ask_for_a_proof_since_a_day(self, ago: int, is_enough: bool) -> None:
        phone = PhoneFactory(user=UserFactory(), verified_at=NOON - ago * MINUTE)

        proved = only(phone).prove_again(user=phone.user, now=NOON, since=NOON - 2 * MINUTE)

        assert proved is is_enough

    def test_for_the_first_time_binds_the_number(self) -> None:
        phone, user = PhoneFactory(), UserFactory()

        assert only(phone).bind(user=user, now=NOON)
        assert (fresh(phone).user, fresh(phone).verified_at) == (user, NOON)

    @pytest.mark.parametrize(
        ("proved", "since", "claimed"),
        [
            (None, None, True),
            (NOON, None, False),
            (NOON - MINUTE, NOON - MINUTE, False),
            (NOON - MINUTE - SECOND, NOON - MINUTE, True),
        ],
    )
    def test_takes_a_number_that_another_user_never_proved_or_long_ago(
        self, proved: datetime | None, since: datetime | None, claimed: bool
    ) -> None:
        phone, user = PhoneFactory(user=UserFactory(), verified_at=proved), UserFactory()

        assert (
            only(phone).claim_for(user=user, now=NOON, dormant_since=since, added_at=None)
            is claimed
        )
        assert (fresh(phone).user == user) is claimed

    @pytest.mark.parametrize("is_mine", [True, False])
    def test_takes_ones_own_number_and_an_unowned_one(self, is_mine: bool) -> None:
        user = UserFactory()
        phone = PhoneFactory(user=user if is_mine else None)

        assert only(phone).claim_for(user=user, now=NOON, dormant_since=None, added_at=None)
        assert fresh(phone).user == user

    @pytest.mark.parametrize(
        ("is_mine", "proved", "added_at"),
        [(True, NOON, NOON - MINUTE), (True, None, NOON), (False, NOON - MINUTE, NOON)],
    )
    def test_notes_when_a_number_was_added_unless_it_was_proved_by_the_same_user_before(
        self, is_mine: bool, proved: datetime | None, added_at: datetime
    ) -> None:
        user = UserFactory()
        owner = user if is_mine else UserFactory()
        phone = PhoneFactory(user=owner, verified_at=proved, added_at=NOON - MINUTE)

        assert only(phone).claim_for(user=user, now=NOON, dormant_since=NOON, added_at=NOON)
        assert fresh(phone).added_at == added_at

    @pytest.mark.parametrize(("is_mine", "added_at"), [(True, None), (False, NOON)])
    def test_notes_when_a_login_added_a_number(
        self, is_mine: bool, added_at: datetime | None
    ) -> None:
        user = UserFactory()
        phone = PhoneFactory(user=user if is_mine else None)

        assert only(phone).bind(user=user, now=NOON)
        assert fresh(phone).added_at == added_at

    def test_ends_with_a_release(self) -> None:
        phone = PhoneFactory(user=UserFactory())

        assert only(phone).release(now=NOON) == 1
        assert (fresh(phone).user, fresh(phone).verified_at) == (None, None)


class TestBlocking:
    def test_counts_the_numbers_that_were_not_blocked_before(self) -> None:
        blocked, free = PhoneFactory(blocked_at=NOON - MINUTE), PhoneFactory()

        assert Phone.objects.block(now=NOON) == 1
        assert fresh(blocked).blocked_at == NOON - MINUTE
        assert fresh(free).blocked_at == NOON

    def test_is_undone(self) -> None:
        PhoneFactory(blocked_at=NOON)
        PhoneFactory()

        assert Phone.objects.unblock() == 1
        assert not Phone.objects.exclude(blocked_at=None).exists()
