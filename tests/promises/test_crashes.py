"""Killed, or cut off from the database, between any two steps: what was promised still holds.

Every statement of a start, a resend, a check, a login and a purge is struck once before and once
after it runs. What came of it is then looked at as whoever restarts the site would find it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import Error, connection, connections
from django.utils import timezone

from django_flashcall import services
from django_flashcall.backends import PhoneBackend
from django_flashcall.choices import AttemptStatus, Channel, Purpose, VerificationStatus
from django_flashcall.exceptions import VerificationEnded
from django_flashcall.models import Phone, Usage, Verification, VerificationAttempt
from django_flashcall.operations.purging import purge
from django_flashcall.providers.base import Answer
from django_flashcall.providers.mobilgroup import MobilgroupProvider
from django_flashcall.simulator.exchange import PRICES
from django_flashcall.simulator.testing import RunningSimulator
from tests.constants import VISITOR
from tests.factories import (
    AttemptFactory,
    PhoneFactory,
    PriceFactory,
    UsageFactory,
    VerificationFactory,
)
from tests.forks import FORKING, exit_code, forking

pytestmark = pytest.mark.django_db(transaction=True)


KILLED = -signal.SIGKILL


Blow = Callable[[], None]


Runner = Callable[[], Any]


Crash = Callable[..., bool]


POOL_SIZE = 6


def kill() -> None:
    """End this process as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def cut() -> None:
    """End this thread's connection, as a database that restarts does."""
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid]
            )
        else:
            cursor.execute(f"KILL {connection.connection.thread_id()}")
    other.close()


def cut_all() -> None:
    """End all connections to the database, as a restart of the server does."""
    other = connection.copy(alias="other")
    del other.settings_dict["OPTIONS"]["pool"]
    with other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    other.close()


class Strike:
    """Strikes at one of the statements that follow, before it runs or right after."""

    def __init__(self, blow: Blow, *, at: int, after: bool) -> None:
        self.blow, self.left, self.after = blow, at, after

    def __call__(self, execute: Callable[..., Any], *statement: Any) -> Any:
        """Run one statement."""
        self.left -= 1
        if self.left == 0 and not self.after:
            self.blow()
        result = execute(*statement)
        if self.left == 0 and self.after:
            self.blow()
        return result


def die(work: Runner, strike: Strike) -> bool:
    """Do ``work`` in a process that is killed over it; tell whether it was."""

    def struck() -> bool:
        with connection.execute_wrapper(strike):
            work()
        return True

    return end(struck) == KILLED


def end(work: Callable[[], bool]) -> int:
    """Do ``work`` in a process of its own, and return how that ended: well, or killed."""
    connections.close_all()  # or the first to end would end the other's connection, too
    code = exit_code(work)
    assert code in (0, KILLED)
    return code


def lose_connection(work: Runner, strike: Strike) -> bool:
    """Do ``work`` with a connection that is cut meanwhile; tell whether it was."""
    try:
        with connection.execute_wrapper(strike):
            work()
    except Error:
        assert strike.left <= 0
    connection.close()
    return strike.left <= 0


@pytest.fixture(
    params=[
        pytest.param((die, kill), id="killed", marks=FORKING),
        pytest.param(
            (lose_connection, cut),
            id="cut-off",
            marks=pytest.mark.skipif(
                connection.vendor == "sqlite",
                reason="SQLite has no connection to cut: set FLASHCALL_TEST_DATABASE",
            ),
        ),
    ]
)
def crash(request: pytest.FixtureRequest) -> Crash:
    """Return a function that strikes at one statement of some work."""
    survive, blow = request.param

    def crash(work: Runner, *, at: int, after: bool) -> bool:
        struck: bool = survive(work, Strike(blow, at=at, after=after))
        return struck

    return crash


@pytest.fixture(params=[False, True], ids=["before", "after"])
def after(request: pytest.FixtureRequest) -> bool:
    is_after: bool = request.param
    return is_after


@pytest.fixture(autouse=True)
def provider(simulator: RunningSimulator, flashcall: Any) -> None:
    use(MobilgroupProvider, simulator, flashcall)
    # Above what is billed, so that each answer settles it, too.
    for channel, amount in PRICES.items():
        PriceFactory(
            channel=channel, amount=2 * amount, valid_from=timezone.now() - timedelta(hours=1)
        )


def use(provider: type[MobilgroupProvider], simulator: RunningSimulator, flashcall: Any) -> None:
    flashcall(
        PROVIDER=f"{provider.__module__}.{provider.__qualname__}",
        OPTIONS={"api_key": simulator.api_key, "url": simulator.url},
        BLOCK_HOURLY_ATTEMPTS=1000,
    )


def start(number: str, *, key: UUID) -> Verification:
    return services.start_verification(number, purpose=Purpose.LOGIN, visitor=VISITOR, key=key)


def moments(crash: Crash, work: Callable[[int], Runner], *, after: bool) -> Iterator[int]:
    """Strike at the first statement, the second and so on, until there is none to strike at."""
    for moment in count(1):
        if not crash(work(moment), at=moment, after=after):
            assert moment > 1
            return
        yield moment


@contextmanager
def restarted() -> Iterator[None]:
    """Come back when the sweep is due, and let it run."""
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        services.sweep_attempts()
        assert not VerificationAttempt.objects.filter(status=AttemptStatus.REQUESTED).exists()
        yield


def nothing_billed_is_missing(simulator: RunningSimulator) -> None:
    """Hold the record against the provider's bill."""
    kept = sum(attempt.spent for attempt in VerificationAttempt.objects.all())
    spent = sum(day.spent for day in Usage.objects.filter(scope=""))
    assert kept >= simulator.exchange.billed
    assert spent >= simulator.exchange.billed


def goes_on(number: str, *, key: UUID, simulator: RunningSimulator) -> None:
    """Send the form again and ask for another call if none came: some code opens the account."""
    before = simulator.requests_received
    verification = start(number, key=key)
    if simulator.requests_received == before:
        services.resend(verification, visitor=VISITOR)
    assert simulator.requests_received == before + 1
    services.check_code(verification, simulator.calls[0].code, visitor=VISITOR)
    assert PhoneBackend().authenticate(None, verification=verification) is not None


def number_of(moment: int) -> str:
    return f"+7999{moment:03}4567"


def approved(phone: Phone) -> Verification:
    verification: Verification = VerificationFactory(
        phone=phone, status=VerificationStatus.APPROVED, approved_at=timezone.now(), checks=1
    )
    return verification


class DiesBeforeAsking(MobilgroupProvider):
    """Is killed with the request in hand."""

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Never ask."""
        kill()
        raise AssertionError


class DiesWithTheAnswer(MobilgroupProvider):
    """Is killed when it knows the answer, and before anybody else does."""

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Ask."""
        super().flash_call(number, length=length, code=code)
        kill()
        raise AssertionError


class LosesTheDatabase(MobilgroupProvider):
    """Takes so long that the database has closed the connection meanwhile."""

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Ask."""
        answer = super().flash_call(number, length=length, code=code)
        cut()
        return answer


class LosesThePool(MobilgroupProvider):
    """Takes so long that the database server has restarted meanwhile."""

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Ask."""
        answer = super().flash_call(number, length=length, code=code)
        cut_all()
        return answer


@pytest.fixture
def pool() -> Iterator[Any]:
    """Take the connections from a pool that does not check them."""
    connection.close()
    connection.settings_dict["OPTIONS"]["pool"] = {"min_size": POOL_SIZE, "max_size": POOL_SIZE}
    connection.pool.open()
    connection.pool.wait()
    yield connection.pool
    connection.close()
    connection.close_pool()
    del connection.settings_dict["OPTIONS"]["pool"]


class TestCrashes:
    def test_a_start(self, crash: Crash, after: bool, simulator: RunningSimulator) -> None:
        keys: dict[int, UUID] = {}

        def starting(moment: int) -> Runner:
            keys[moment] = uuid4()
            return partial(start, number_of(moment), key=keys[moment])

        struck = 0
        for struck in moments(crash, starting, after=after):
            asked = [call for call in simulator.calls if f"+{call.number}" == number_of(struck)]
            assert len(asked) <= 1
            nothing_billed_is_missing(simulator)
        assert struck >= 11
        with restarted():
            for moment in range(1, struck + 1):
                goes_on(number_of(moment), key=keys[moment], simulator=simulator)
            nothing_billed_is_missing(simulator)

    def test_a_resend(self, crash: Crash, after: bool, simulator: RunningSimulator) -> None:
        long_ago = timezone.now() - timedelta(minutes=2)

        def resending(moment: int) -> Runner:
            phone = PhoneFactory(number=number_of(moment), last_attempt_at=long_ago)
            verification = VerificationFactory(phone=phone, created_at=long_ago)
            AttemptFactory(verification=verification, created_at=long_ago)
            return partial(services.resend, verification, visitor=VISITOR)

        struck = 0
        for struck in moments(crash, resending, after=after):
            asked = [call for call in simulator.calls if f"+{call.number}" == number_of(struck)]
            assert len(asked) <= 1
            nothing_billed_is_missing(simulator)
        assert struck >= 9
        with restarted():
            for verification in Verification.objects.filter(attempt_count__lt=3):
                assert verification.attempts.count() == verification.attempt_count
                services.resend(verification, visitor=VISITOR, channel=Channel.VOICE)
                services.check_code(verification, simulator.calls[0].code, visitor=VISITOR)

    def test_a_check(self, crash: Crash, after: bool) -> None:
        verifications: dict[int, Verification] = {}

        def checking(moment: int) -> Runner:
            verification = VerificationFactory(phone__number=number_of(moment))
            AttemptFactory(verification=verification, code="1234")
            verifications[moment] = verification
            return partial(services.check_code, verification, "1234", visitor=VISITOR)

        struck = 0
        for struck in moments(crash, checking, after=after):
            verification = Verification.objects.get(pk=verifications[struck].pk)
            is_approved = verification.status == VerificationStatus.APPROVED
            assert verification.checks == 1 or not is_approved
            if is_approved:
                with pytest.raises(VerificationEnded):
                    services.check_code(verification, "1234", visitor=VISITOR)
            else:
                services.check_code(verification, "1234", visitor=VISITOR)
            assert PhoneBackend().authenticate(None, verification=verification) is not None
        assert struck >= 3

    def test_a_first_login(self, crash: Crash, after: bool) -> None:
        verifications: dict[int, Verification] = {}

        def logging_in(moment: int) -> Runner:
            verifications[moment] = approved(PhoneFactory(number=number_of(moment)))
            return lambda: PhoneBackend().authenticate(None, verification=verifications[moment])

        struck = 0
        for struck in moments(crash, logging_in, after=after):
            phone = Phone.objects.get(number=number_of(struck))
            user = PhoneBackend().authenticate(None, verification=approved(phone))
            phone.refresh_from_db()
            assert user is not None
            assert phone.user == user
        assert struck >= 5
        # The last login, which nothing struck, made one more.
        assert (
            get_user_model().objects.count()
            == Phone.objects.exclude(user=None).count()
            == struck + 1
        )

    def test_a_purge(self, crash: Crash, after: bool) -> None:
        long_ago = timezone.now() - timedelta(days=91)
        young = AttemptFactory()

        def purging(moment: int) -> Runner:
            old = PhoneFactory(created_at=long_ago, last_attempt_at=long_ago)
            AttemptFactory(verification__phone=old, verification__created_at=long_ago)
            UsageFactory(scope="+7999123", since=long_ago - timedelta(hours=moment))
            return partial(purge, now=timezone.now())

        struck = 0
        for struck in moments(crash, purging, after=after):
            # It goes by whole verifications: what is left has all its attempts.
            assert Verification.objects.count() == VerificationAttempt.objects.count() <= struck + 1
        assert struck >= 9
        # The last one, which nothing struck, went on where the others had ended.
        assert VerificationAttempt.objects.get() == young
        assert Verification.objects.get() == young.verification
        assert Phone.objects.get() == young.verification.phone
        assert not Usage.objects.exists()


class TestKilledProcesses:
    @forking
    @pytest.mark.parametrize(
        ("provider_class", "calls"), [(DiesBeforeAsking, 0), (DiesWithTheAnswer, 1)]
    )
    def test_beside_the_request(
        self,
        provider_class: type[MobilgroupProvider],
        calls: int,
        simulator: RunningSimulator,
        flashcall: Any,
    ) -> None:
        key = uuid4()
        use(provider_class, simulator, flashcall)
        code = end(lambda: bool(start(number_of(1), key=key)))
        use(MobilgroupProvider, simulator, flashcall)

        assert code == KILLED
        assert simulator.requests_received == calls
        with restarted():
            assert VerificationAttempt.objects.get().status == AttemptStatus.UNKNOWN
            nothing_billed_is_missing(simulator)
            goes_on(number_of(1), key=key, simulator=simulator)


class TestConnections:
    @pytest.mark.skipif(
        connection.vendor == "sqlite",
        reason="SQLite has no connection to cut: set FLASHCALL_TEST_DATABASE",
    )
    def test_an_answer_outlives_the_connection(
        self, simulator: RunningSimulator, flashcall: Any
    ) -> None:
        use(LosesTheDatabase, simulator, flashcall)

        verification = start(number_of(1), key=uuid4())

        assert VerificationAttempt.objects.get().status == AttemptStatus.ACCEPTED
        services.check_code(verification, simulator.calls[0].code, visitor=VISITOR)

    @pytest.mark.skipif(
        connection.vendor != "postgresql",
        reason="only PostgreSQL has a pool in Django: set FLASHCALL_TEST_DATABASE=postgresql",
    )
    def test_an_answer_outlives_all_connections_of_a_pool(
        self, pool: Any, simulator: RunningSimulator, flashcall: Any
    ) -> None:
        use(LosesThePool, simulator, flashcall)

        verification = start(number_of(1), key=uuid4())

        assert VerificationAttempt.objects.get().status == AttemptStatus.ACCEPTED
        assert simulator.requests_received == 1
        # Not all of them: a thread of the pool replaces them at the same time.
        assert pool.get_stats()["returns_bad"] > 0
        services.check_code(verification, simulator.calls[0].code, visitor=VISITOR)
