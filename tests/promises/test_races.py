"""One race for every claim, on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from copy import copy
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone

from django_flashcall import services
from django_flashcall.backends import PhoneBackend
from django_flashcall.calls import dialing
from django_flashcall.choices import AttemptStatus, Channel, VerificationStatus
from django_flashcall.exceptions import (
    AttemptsExhausted,
    BlockLimitReached,
    CooldownActive,
    KeyReused,
    LimitReached,
    ProviderBusy,
    QuotaExceeded,
    VerificationEnded,
    WrongCode,
)
from django_flashcall.models import Phone, Usage, Verification, VerificationAttempt
from django_flashcall.operations.purging import purge
from django_flashcall.querysets import APPROVAL_LIFETIME
from tests.constants import NUMBER, VISITOR, Outbox
from tests.factories import AttemptFactory, PhoneFactory, PriceFactory, UsageFactory, UserFactory
from tests.promises.racers import (
    LIMITS,
    ROOMY,
    approved_verification,
    called_verification,
    forgotten_verification,
    insistent,
    starter,
)
from tests.racing import THREADS, answers, errors, race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]


@pytest.fixture(autouse=True)
def a_slot_for_everybody(flashcall: Any) -> None:
    """Let the database decide: the circuit breaker would refuse most of them before."""
    flashcall(CONCURRENT_CALLS=THREADS)


@pytest.fixture(params=[False, True], ids=["rows-absent", "rows-present"])
def rows(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin with nothing in the database, and with the number and the day there."""
    if request.param:
        PhoneFactory(number=NUMBER)
        UsageFactory(scope="", since=_today())
    yield


def _today() -> Any:
    local = timezone.localtime(timezone.now(), timezone.get_default_timezone())
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


class TestStarting:
    @pytest.mark.usefixtures("rows")
    def test_parallel_starts_of_one_number_are_one_call(self, outbox: Outbox) -> None:
        finishes = race(*[starter(key=uuid4()) for _ in range(THREADS)])
        assert errors(finishes) == {CooldownActive}
        assert len(answers(finishes)) == 1
        assert len(outbox) == 1
        assert Verification.objects.count() == VerificationAttempt.objects.count() == 1
        assert Usage.objects.get(scope="").attempts == 1

    @pytest.mark.usefixtures("rows")
    def test_one_form_posted_in_parallel_is_one_verification(self, outbox: Outbox) -> None:
        key = uuid4()
        finishes = race(*[starter(key=key) for _ in range(THREADS)])
        assert errors(finishes) == set()
        assert {verification.key for verification in answers(finishes)} == {key}
        assert len({verification.pk for verification in answers(finishes)}) == 1
        assert len(outbox) == 1
        assert Usage.objects.get(scope="").attempts == 1

    def test_one_key_for_many_numbers_calls_one_of_them(self, outbox: Outbox) -> None:
        key = uuid4()
        finishes = race(*[starter(f"+79991234{n:03}", key=key) for n in range(THREADS)])
        assert errors(finishes) == {KeyReused}
        assert len(answers(finishes)) == 1
        assert len(outbox) == 1
        assert Phone.objects.exclude(last_attempt_at=None).count() == 1

    def test_the_first_numbers_of_a_day_do_not_disturb_each_other(
        self, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(BLOCK_HOURLY_ATTEMPTS=THREADS)
        finishes = race(*[starter(f"+79991234{n:03}") for n in range(THREADS)])
        assert errors(finishes) == set()
        assert len(outbox) == Phone.objects.count() == THREADS
        assert Usage.objects.get(scope="").attempts == THREADS

    @pytest.mark.parametrize(
        ("limit", "numbers", "allowed"), LIMITS, ids=lambda value: str(value)[:40]
    )
    def test_of_one_start_too_many_exactly_the_limit_is_placed(
        self,
        limit: dict[str, Any],
        numbers: list[str],
        allowed: int,
        outbox: Outbox,
        flashcall: Any,
    ) -> None:
        flashcall(**ROOMY | limit)
        PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now())
        finishes = race(*[insistent(number) for number in numbers[:4]])
        cache.clear()  # as a flush, or a restart of the processes, does: nothing depends on it
        finishes += race(*[insistent(number) for number in numbers[4:]])
        assert errors(finishes) <= {BlockLimitReached, LimitReached, QuotaExceeded}
        assert len(outbox) == len(answers(finishes)) == allowed
        assert VerificationAttempt.objects.count() == allowed
        with pytest.raises((LimitReached, QuotaExceeded)):
            insistent(numbers[0])()
        assert len(outbox) == allowed


class TestChecking:
    def test_parallel_wrong_codes_never_share_a_check(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verification = called_verification()
        comparisons = count()
        compare = services.matches

        def counted(*args: Any, **kwargs: Any) -> bool:
            next(comparisons)
            return compare(*args, **kwargs)

        monkeypatch.setattr(services, "matches", counted)
        guesses = [f"{code:04}" for code in range(5000, 5000 + THREADS)]

        def guess(code: str) -> Callable[[], Verification]:
            return lambda: services.check_code(verification_of(), code, visitor=VISITOR)

        def verification_of() -> Verification:
            return Verification.objects.select_related("phone").get(pk=verification.pk)

        finishes = race(*[guess(code) for code in guesses])
        compared = [finish for finish in finishes if isinstance(finish.error, WrongCode)]
        assert errors(finishes) == {WrongCode, VerificationEnded}
        assert len(compared) == verification.max_checks
        assert next(comparisons) == verification.max_checks
        verification.refresh_from_db()
        assert verification.checks == verification.max_checks

    def test_the_right_code_in_parallel_approves_once(self) -> None:
        verification = called_verification(max_checks=THREADS)

        def check() -> Verification:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return services.check_code(mine, "1234", visitor=VISITOR)

        finishes = race(*[check] * THREADS)
        assert errors(finishes) == {VerificationEnded}
        assert len(answers(finishes)) == 1
        verification.refresh_from_db()
        assert verification.status == VerificationStatus.APPROVED

    def test_a_right_code_beside_the_last_wrong_ones_counts_like_them(self) -> None:
        verification = called_verification()

        def check(code: str) -> Callable[[], Verification]:
            return lambda: services.check_code(
                Verification.objects.select_related("phone").get(pk=verification.pk),
                code,
                visitor=VISITOR,
            )

        finishes = race(check("1234"), *[check("9999")] * (THREADS - 1))
        wrong = [finish for finish in finishes if isinstance(finish.error, WrongCode)]
        assert errors(finishes) <= {WrongCode, VerificationEnded}
        assert len(wrong) + len(answers(finishes)) <= verification.max_checks
        verification.refresh_from_db()
        assert verification.checks <= verification.max_checks


class TestLoggingIn:
    def test_an_approval_logs_in_once(self) -> None:
        verification = approved_verification(PhoneFactory(number=NUMBER))

        def log_in() -> Any:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return PhoneBackend().authenticate(None, verification=mine)

        finishes = race(*[log_in] * THREADS)
        assert errors(finishes) == set()
        users = [user for user in answers(finishes) if user is not None]
        assert len(users) == 1
        assert get_user_model().objects.count() == 1

    def test_parallel_logins_by_a_new_number_make_one_user(self) -> None:
        phone = PhoneFactory(number=NUMBER)
        keys = [approved_verification(phone).pk for _ in range(THREADS)]

        def log_in(pk: int) -> Callable[[], Any]:
            return lambda: PhoneBackend().authenticate(
                None, verification=Verification.objects.select_related("phone").get(pk=pk)
            )

        finishes = race(*[log_in(pk) for pk in keys])
        assert errors(finishes) == set()
        assert len(set(answers(finishes))) == 1
        assert get_user_model().objects.count() == 1
        phone.refresh_from_db()
        assert phone.user == answers(finishes)[0]


class TestResending:
    def test_parallel_resends_are_one_call_for_each_cooldown(self, outbox: Outbox) -> None:
        verification = called_verification()

        def resend() -> VerificationAttempt:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return services.resend(mine, visitor=VISITOR)

        finishes = race(*[resend] * THREADS)
        assert errors(finishes) <= {CooldownActive, AttemptsExhausted}
        assert len(answers(finishes)) == 1
        assert len(outbox) == 1
        verification.refresh_from_db()
        assert verification.attempt_count == VerificationAttempt.objects.count() == 2

    def test_parallel_resends_never_pass_the_last_attempt(
        self, outbox: Outbox, flashcall: Any
    ) -> None:
        flashcall(COOLDOWNS=[timedelta(0)])
        verification = called_verification()

        def resend() -> VerificationAttempt:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return services.resend(mine, visitor=VISITOR, channel=Channel.FLASH_CALL)

        finishes = race(*[resend] * THREADS)
        assert errors(finishes) <= {AttemptsExhausted, CooldownActive}
        assert 1 <= len(answers(finishes)) <= verification.attempts_left
        assert len(outbox) == len(answers(finishes))
        verification.refresh_from_db()
        assert verification.attempt_count == VerificationAttempt.objects.count()


class TestDialing:
    def test_an_attempt_is_dialled_once_however_many_workers_get_it(self, outbox: Outbox) -> None:
        attempt = AttemptFactory(
            status=AttemptStatus.REQUESTED, sent_at=None, provider_id="", price=None, code=""
        )
        finishes = race(*[lambda: dialing.dial(attempt.pk)] * THREADS)
        assert errors(finishes) == set()
        assert len(outbox) == 1
        attempt.refresh_from_db()
        assert attempt.status == AttemptStatus.ACCEPTED


class TestPurging:
    def test_a_number_that_is_purged_while_it_is_called_is_called_once(
        self, outbox: Outbox
    ) -> None:
        long_ago = timezone.now() - timedelta(days=91)
        PhoneFactory(number=NUMBER, created_at=long_ago, last_attempt_at=long_ago)
        forget = partial(purge, now=timezone.now())
        finishes = race(*[starter(), forget] * (THREADS // 2))
        assert errors(finishes) <= {CooldownActive, ProviderBusy}
        assert len(outbox) == 1
        assert VerificationAttempt.objects.get().verification.phone == Phone.objects.get()

    def test_several_purges_delete_each_row_once(self, outbox: Outbox) -> None:
        long_ago = timezone.now() - timedelta(days=91)
        for _ in range(5):
            AttemptFactory(verification__created_at=long_ago)
        finishes = race(*[partial(purge, now=timezone.now())] * THREADS)
        assert errors(finishes) == set()
        assert not Verification.objects.exists()
        assert not VerificationAttempt.objects.exists()


class TestEverything:
    def test_everything_at_once_raises_only_errors_of_ours(self, outbox: Outbox) -> None:
        verification = called_verification()
        old = forgotten_verification()

        def mine() -> Verification:
            return Verification.objects.select_related("phone").get(pk=verification.pk)

        finishes = race(
            *[starter() for _ in range(4)],
            partial(services.resend, copy(old), visitor=VISITOR),
            partial(services.check_code, copy(old), "1234", visitor=VISITOR),
            partial(services.cancel, copy(old)),
            starter(old.number),
            *[lambda: services.resend(mine(), visitor=VISITOR)] * 4,
            *[lambda: services.check_code(mine(), "1234", visitor=VISITOR)] * 2,
            *[lambda: services.check_code(mine(), "9999", visitor=VISITOR)] * 2,
            *[lambda: services.cancel(mine())] * 2,
            *[services.sweep_attempts] * 2,
            *[lambda: purge(now=timezone.now())] * 2,
        )
        errors(finishes)
        assert not Verification.objects.filter(pk=old.pk).exists()
        assert Verification.objects.filter(phone__number=old.number).count() == 1
        assert [call.number for call in outbox].count(old.number) == 1
        assert len(outbox) <= 2
        verification.refresh_from_db()
        assert verification.checks <= verification.max_checks
        assert verification.attempt_count == verification.attempts.count()


class TestExpiry:
    def test_a_code_that_expires_while_it_is_checked_was_right_in_time_or_is_worth_nothing(
        self,
    ) -> None:
        verification = called_verification(max_checks=THREADS)

        def check() -> Verification:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return services.check_code(mine, "1234", visitor=VISITOR)

        with time_machine.travel(timezone.now()) as clock:
            finishes = race(
                *[check] * (THREADS // 2),
                lambda: clock.move_to(verification.expires_at),
                *[check] * (THREADS // 2),
            )
        assert errors(finishes) <= {VerificationEnded}
        verification.refresh_from_db()
        is_approved = verification.status == VerificationStatus.APPROVED
        assert sum(isinstance(answer, Verification) for answer in answers(finishes)) == is_approved
        assert not is_approved or verification.approved_at < verification.expires_at

    def test_an_approval_that_grows_old_while_it_is_used_logs_in_once_or_never(self) -> None:
        verification = approved_verification(PhoneFactory(number=NUMBER))

        def log_in() -> Any:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return PhoneBackend().authenticate(None, verification=mine)

        with time_machine.travel(timezone.now()) as clock:
            finishes = race(
                *[log_in] * (THREADS // 2),
                lambda: clock.shift(APPROVAL_LIFETIME),
                *[log_in] * (THREADS // 2),
            )
        assert errors(finishes) == set()
        verification.refresh_from_db()
        is_used = verification.consumed_at is not None
        assert sum(user is not None for user in answers(finishes)) == is_used
        assert get_user_model().objects.count() == is_used

    def test_a_failed_sign_up_gives_its_approval_back_and_at_most_one_other_uses_it(self) -> None:
        verification = approved_verification(PhoneFactory(number=NUMBER))
        faults = iter([LookupError()] * (THREADS // 2))

        class Failing(PhoneBackend):
            def create_user(self, number: str) -> AbstractBaseUser | None:
                if fault := next(faults, None):
                    raise fault
                return super().create_user(number)

        def log_in() -> Any:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return Failing().authenticate(None, verification=mine)

        finishes = race(*[log_in] * THREADS)
        assert errors(finishes) == set()
        verification.refresh_from_db()
        is_used = verification.consumed_at is not None
        assert verification.refusal_code == ("" if is_used else "sign_up_failed")
        assert sum(user is not None for user in answers(finishes)) == is_used
        assert get_user_model().objects.count() == is_used

    def test_a_login_that_is_refused_is_recorded_as_refused_whoever_wins(self) -> None:
        staff = UserFactory(is_staff=True)
        verification = approved_verification(PhoneFactory(number=NUMBER, user=staff))

        def log_in() -> Any:
            mine = Verification.objects.select_related("phone").get(pk=verification.pk)
            return PhoneBackend().authenticate(None, verification=mine)

        finishes = race(*[log_in] * THREADS)
        assert [*map(bool, answers(finishes))] == [False] * THREADS
        verification.refresh_from_db()
        assert verification.refusal_code == "staff"

    def test_a_cancellation_and_the_right_code_have_one_winner(self) -> None:
        verification = called_verification(max_checks=THREADS)

        def mine() -> Verification:
            return Verification.objects.select_related("phone").get(pk=verification.pk)

        finishes = race(
            *[lambda: services.cancel(mine())] * (THREADS // 2),
            *[lambda: services.check_code(mine(), "1234", visitor=VISITOR)] * (THREADS // 2),
        )
        assert errors(finishes) <= {VerificationEnded}
        won = [answer for answer in answers(finishes) if answer]
        assert len(won) == 1
        verification.refresh_from_db()
        is_approved = verification.status == VerificationStatus.APPROVED
        assert is_approved is isinstance(won[0], Verification)


class TestSweeping:
    @pytest.mark.skipif(
        connection.vendor == "sqlite",
        reason="SQLite has one writer, nobody waits on a row: set FLASHCALL_TEST_DATABASE",
    )
    def test_an_answer_that_is_being_written_is_not_swept_away(self) -> None:
        attempt = AttemptFactory(
            status=AttemptStatus.REQUESTED, created_at=timezone.now() - timedelta(minutes=4)
        )
        is_written = threading.Event()

        def answer() -> None:
            with transaction.atomic():
                rows = VerificationAttempt.objects.filter(pk=attempt.pk)
                assert rows.conclude(status=AttemptStatus.ACCEPTED, provider_id="7")
                is_written.set()
                # The commit comes while the sweep waits on this row; there is nothing to ask
                # whether it does, so it is given a moment.
                threading.Event().wait(1)

        def sweep() -> int:
            is_written.wait(10)
            return services.sweep_attempts()

        finishes = race(answer, sweep)
        assert errors(finishes) == set()
        attempt.refresh_from_db()
        assert attempt.status == AttemptStatus.ACCEPTED

    def test_sweeps_and_answers_do_not_disturb_each_other(self) -> None:
        long_ago = timezone.now() - timedelta(hours=1)
        left = AttemptFactory.create_batch(
            40, status=AttemptStatus.REQUESTED, created_at=long_ago, sent_at=long_ago
        )

        def start_some(first: int) -> Callable[[], Any]:
            numbers = [f"+7999{first:03}{n:04}" for n in range(5)]
            return lambda: [starter(number)() for number in numbers]

        def sweep_often() -> int:
            return sum(services.sweep_attempts() for _ in range(10))

        finishes = race(*[start_some(100 + n) for n in range(12)], *[sweep_often] * 4)

        assert not errors(finishes)
        assert sum(answers(finishes)[12:]) == len(left)
        started = VerificationAttempt.objects.exclude(pk__in=[attempt.pk for attempt in left])
        assert set(started.values_list("status", flat=True)) == {AttemptStatus.ACCEPTED}
