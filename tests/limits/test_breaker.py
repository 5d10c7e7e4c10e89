"""Tests."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from django_flashcall.choices import Channel, ErrorCode
from django_flashcall.exceptions import NotSent, OutcomeUnknown, ProviderBusy, ProviderRefused
from django_flashcall.limits import breaker
from django_flashcall.limits.breaker import MAX_FAILURES, PAUSE, running
from tests import doubles
from tests.constants import Clock
from tests.forks import forking, in_a_fork

FLASH_CALL = Channel.FLASH_CALL


def call(*, error: Exception | None = None, channel: str = FLASH_CALL) -> None:
    """Take a slot for a call, which ``error`` may end."""
    with breaker.slot(channel):
        if error:
            raise error


def fail(times: int = MAX_FAILURES, *, error: Exception | None = None) -> None:
    for _ in range(times):
        with pytest.raises(Exception):  # noqa: B017
            call(error=error or OutcomeUnknown("ReadTimeout"))


def decoy(*, error: Exception | None = None) -> None:
    """Take a slot for a decoy, which draws an answer or ``error``."""
    with breaker.decoy_slot(FLASH_CALL):
        if error:
            raise error


def look(channel: str = FLASH_CALL) -> None:
    breaker.refuse_if_paused(channel, now=timezone.now())


def reserve() -> None:
    with breaker.reserve_slot(now=timezone.now()):
        call()


REDIS = os.environ.get("FLASHCALL_TEST_REDIS", "")


CACHES = {
    "local memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "files": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache"},
    "database": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "caches"},
    "redis": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS},
}


NO_REDIS = "name a Redis server, such as FLASHCALL_TEST_REDIS=redis://127.0.0.1:6379/15"


KINDS = [
    pytest.param(kind, marks=pytest.mark.skipif(kind == "redis" and not REDIS, reason=NO_REDIS))
    for kind in CACHES
]


def run_in_threads(count: int, work: Any) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class TestInFlight:
    def test_at_most_the_configured_number_is_placed_at_once(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=2)

        with ExitStack() as calls:
            for _ in range(2):
                calls.enter_context(breaker.slot(FLASH_CALL))
            with pytest.raises(NotSent, match="too many concurrent calls"):
                call()
            with pytest.raises(ProviderBusy):
                reserve()

        call()
        reserve()
        assert running.count == 0

    def test_a_reserved_slot_is_the_one_that_is_used(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=1)

        with breaker.reserve_slot(now=timezone.now()):
            call()
            assert running.count == 1
        call()

    def test_a_slot_that_another_thread_reserved_is_not_used(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=1)
        refused: list[Exception] = []

        def try_to_call() -> None:
            try:
                call()
            except NotSent as error:
                refused.append(error)

        with breaker.reserve_slot(now=timezone.now()):
            run_in_threads(1, try_to_call)

        assert len(refused) == 1

    def test_a_call_that_fails_frees_its_slot(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=1)

        for error in (NotSent("x"), OutcomeUnknown("x"), ProviderRefused("x"), KeyError("x")):
            fail(1, error=error)

        assert running.count == 0

    def test_a_refused_call_does_not_free_the_slot_of_another(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=1)

        with breaker.slot(FLASH_CALL):
            for _ in range(2):
                with pytest.raises(NotSent):
                    call()

    def test_of_fifty_threads_as_many_get_a_slot_as_there_are(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=3)
        together, done = threading.Barrier(50), threading.Barrier(50)
        held: list[int] = []

        def try_to_call() -> None:
            together.wait()
            try:
                with breaker.slot(FLASH_CALL):
                    held.append(1)
                    done.wait()
            except NotSent:
                done.wait()

        run_in_threads(50, try_to_call)

        assert len(held) == 3
        assert running.count == 0

    @forking
    def test_a_fork_begins_with_all_slots_free(self, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=1)

        with breaker.slot(FLASH_CALL):
            assert in_a_fork(lambda: running.count == 0)


class TestPause:
    @pytest.mark.parametrize(
        "error",
        [
            OutcomeUnknown("ReadTimeout"),
            NotSent("ConnectTimeout"),
            KeyError("a mistake in a provider"),
            ProviderRefused(ErrorCode.NOT_ENOUGH_MONEY),
            ProviderRefused(ErrorCode.AUTHORISATION_FAILED),
            ProviderRefused(ErrorCode.USER_DISABLED),
        ],
        ids=str,
    )
    def test_follows_when_the_provider_fails_again_and_again(
        self, clock: Clock, error: Exception
    ) -> None:
        fail(MAX_FAILURES - 1, error=error)
        look()
        fail(1, error=error)

        with pytest.raises(ProviderBusy):
            look()
        with pytest.raises(NotSent, match="paused"):
            call()

    def test_does_not_follow_from_numbers_that_cannot_be_called(self, clock: Clock) -> None:
        fail(2 * MAX_FAILURES, error=ProviderRefused(ErrorCode.NUMBER_NOT_VALID))

        call()

    def test_does_not_follow_if_an_answer_came_between(self, clock: Clock) -> None:
        fail(MAX_FAILURES - 1)
        call()
        fail(MAX_FAILURES - 1)

        call()

    def test_follows_on_a_quiet_site_too(self, clock: Clock) -> None:
        for _ in range(MAX_FAILURES):
            fail(1)
            clock.shift(breaker.PAUSE)
            clock.shift(breaker.FAILURE_WINDOW - 2 * breaker.PAUSE)
        fail(1)

        with pytest.raises(ProviderBusy):
            look()

    def test_is_not_put_off_by_numbers_that_cannot_be_called(self, clock: Clock) -> None:
        for _ in range(MAX_FAILURES):
            fail(1)
            fail(1, error=ProviderRefused(ErrorCode.NUMBER_NOT_VALID))

        with pytest.raises(ProviderBusy):
            look()

    def test_does_not_follow_from_failures_long_ago(self, clock: Clock) -> None:
        fail(MAX_FAILURES - 1)
        clock.shift(breaker.FAILURE_WINDOW)
        fail(1)

        call()

    def test_of_one_channel_leaves_the_others_alone(self, clock: Clock) -> None:
        fail()

        look(Channel.SMS)
        call(channel=Channel.SMS)

    def test_says_when_to_come_back(self, clock: Clock) -> None:
        fail()

        with pytest.raises(ProviderBusy) as caught:
            look()

        assert caught.value.retry_at == timezone.now() + PAUSE
        assert str(caught.value) == "We cannot place calls at the moment. Try again after 12:01."

    def test_ends_with_one_call_that_tries(self, clock: Clock) -> None:
        fail()
        clock.shift(PAUSE)

        look()
        with breaker.slot(FLASH_CALL):
            for _ in range(3):
                with pytest.raises(NotSent, match="paused"):
                    call()

        call()

    def test_lets_no_second_call_try_while_the_first_waits_for_its_answer(
        self, clock: Clock
    ) -> None:
        fail()
        clock.shift(PAUSE)

        with breaker.slot(FLASH_CALL, patience=3 * PAUSE):
            clock.shift(2 * PAUSE)
            with pytest.raises(NotSent, match="paused"):
                call()

    def test_goes_on_if_that_one_fails(self, clock: Clock) -> None:
        fail()
        for _ in range(3):
            clock.shift(PAUSE)
            fail(1)
            with pytest.raises(ProviderBusy):
                look()

    def test_lets_one_of_fifty_threads_try(self, clock: Clock, flashcall: Any) -> None:
        flashcall(CONCURRENT_CALLS=50)
        fail()
        clock.shift(PAUSE)
        together, done = threading.Barrier(50), threading.Barrier(50)
        tried: list[int] = []

        def try_to_call() -> None:
            together.wait()
            try:
                with breaker.slot(FLASH_CALL):
                    tried.append(1)
                    done.wait()
            except NotSent:
                done.wait()

        run_in_threads(50, try_to_call)

        assert len(tried) == 1

    def test_is_logged_once_at_each_end(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        fail()
        clock.shift(PAUSE)
        fail(1)
        clock.shift(PAUSE)
        call()
        call()

        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("ERROR", "channel=flash_call paused: the provider failed 5 times in a row"),
            ("WARNING", "channel=flash_call no longer paused: the provider answers"),
        ]

    def test_is_not_known_to_a_dead_cache_which_stops_nobody(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.CACHES = {"default": {"BACKEND": "tests.doubles.DeadCache"}}

        fail(2 * MAX_FAILURES)
        look()
        call()

        assert "circuit breaker without cache: ConnectionRefusedError" in caplog.text


class TestDecoys:
    def test_that_fail_begin_a_pause_like_calls(self, clock: Clock) -> None:
        for _ in range(MAX_FAILURES):
            look()
            with pytest.raises(OutcomeUnknown):
                decoy(error=OutcomeUnknown("like a recent call"))
        with pytest.raises(ProviderBusy):
            look()

    def test_are_refused_during_a_pause_and_while_one_call_tries(self, clock: Clock) -> None:
        fail()
        with pytest.raises(NotSent, match="paused"):
            decoy()
        clock.shift(PAUSE)
        with breaker.slot(FLASH_CALL), pytest.raises(NotSent, match="paused"):
            decoy()

    def test_may_be_the_one_that_tries(self, clock: Clock) -> None:
        fail()
        clock.shift(PAUSE)
        with breaker.decoy_slot(FLASH_CALL), pytest.raises(NotSent, match="paused"):
            call()

    def test_that_fail_after_a_pause_prolong_it_like_calls(self, clock: Clock) -> None:
        fail()
        clock.shift(PAUSE)
        with pytest.raises(OutcomeUnknown):
            decoy(error=OutcomeUnknown("like a recent call"))
        with pytest.raises(ProviderBusy):
            look()

    def test_that_are_answered_after_a_pause_end_it_for_all(self, clock: Clock) -> None:
        fail()
        clock.shift(PAUSE)
        decoy()
        look()
        with breaker.slot(FLASH_CALL):
            call()

    @pytest.mark.parametrize("is_decoy", [True, False])
    def test_that_end_a_pause_leave_it_to_the_next_failure(
        self, is_decoy: bool, clock: Clock
    ) -> None:
        fail()
        clock.shift(PAUSE)
        decoy()
        with pytest.raises(OutcomeUnknown):
            (decoy if is_decoy else call)(error=OutcomeUnknown("ReadTimeout"))
        with pytest.raises(ProviderBusy):
            look()
        clock.shift(PAUSE)
        with breaker.slot(FLASH_CALL), pytest.raises(NotSent, match="paused"):
            call()

    def test_that_end_a_pause_are_confirmed_by_a_call(self, clock: Clock) -> None:
        fail()
        clock.shift(PAUSE)
        decoy()
        call()
        fail(MAX_FAILURES - 1)
        look()

    def test_that_are_answered_do_not_hide_calls_that_fail(self, clock: Clock) -> None:
        for _ in range(MAX_FAILURES):
            look()
            fail(1)
            with suppress(NotSent):
                decoy()
        with pytest.raises(ProviderBusy):
            look()

    @pytest.mark.parametrize("error", [None, OutcomeUnknown("ReadTimeout")])
    def test_ask_the_cache_the_same_as_calls(self, error: Exception | None, settings: Any) -> None:
        settings.CACHES = {"default": {"BACKEND": "tests.doubles.WatchedCache"}}
        asked = []
        for place in (call, decoy):
            doubles.commands.clear()
            with suppress(OutcomeUnknown):
                place(error=error)
            asked.append(list(doubles.commands))
        assert asked[0] == asked[1] != []

    def test_are_no_reason_to_report_that_the_provider_answers(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        fail()
        clock.shift(PAUSE)
        decoy()
        assert "answers" not in caplog.text


@pytest.mark.django_db
class TestCaches:
    @pytest.fixture(params=KINDS)
    def cached(self, request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> None:
        kind = {"LOCATION": str(tmp_path), **CACHES[request.param]}
        settings.CACHES = {"default": {**kind, "KEY_PREFIX": f"flashcall-{os.getpid()}"}}
        if request.param == "database":
            call_command("createcachetable")
        cache.clear()

    @pytest.mark.usefixtures("cached")
    def test_of_every_kind_know_of_a_pause(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        fail()
        with pytest.raises(ProviderBusy):
            look()

        cache.delete("flashcall.pause.flash_call")  # as if the time were over: Redis has its own
        look()
        with breaker.slot(FLASH_CALL), pytest.raises(NotSent, match="paused"):
            call()
        call()
        assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]

    def test_that_keep_nothing_stop_nobody_and_are_no_reason_to_complain(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

        fail(2 * MAX_FAILURES)
        look()
        call()

        assert not caplog.records
