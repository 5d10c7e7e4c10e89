"""Several processes, killed and restarted in the middle: the database alone decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import time_machine
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_flashcall import services
from django_flashcall.choices import AttemptStatus
from django_flashcall.models import Usage, Verification, VerificationAttempt
from django_flashcall.simulator.testing import RunningSimulator
from tests.constants import NUMBER
from tests.factories import PriceFactory
from tests.promises.racers import LIMITS, ROOMY
from tests.racing import THREADS, answers, errors, race
from tests.served import Served, Visitor, serving, until

pytest.importorskip("gunicorn", reason="the server of these tests: pip install gunicorn")


pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.served]


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path, simulator: RunningSimulator, flashcall: Any) -> Iterator[Serve]:
    """Return a function that serves the site, with the simulator as its provider."""
    options = {"api_key": simulator.api_key, "url": simulator.url}
    provider = "django_flashcall.providers.mobilgroup.MobilgroupProvider"
    common = {"PROVIDER": provider, "OPTIONS": options, "CONCURRENT_CALLS": 8, "RATES": {}}
    with ExitStack() as sites:

        def begin(**keys: Any) -> Served:
            PriceFactory(amount=Decimal("0.35"), valid_from=timezone.now() - timedelta(hours=1))
            flashcall(**common | keys)
            return sites.enter_context(serving(tmp_path, **common | keys))

        yield begin


def asking(site: Served, number: str) -> Callable[[], str]:
    """Return a runner that asks for a call, and again while the number was called just now."""

    def ask() -> str:
        visitor = Visitor(site)
        text = visitor.press("Call me", number=number)
        while "We have just called this number" in text or "cannot call anybody" in text:
            text = visitor.press("Call me", number=number)
        return text

    return ask


class TestProcesses:
    @pytest.mark.parametrize(
        ("limit", "numbers", "allowed"), LIMITS, ids=lambda value: str(value)[:40]
    )
    def test_of_one_call_too_many_exactly_the_limit_reaches_the_provider(
        self,
        limit: dict[str, Any],
        numbers: list[str],
        allowed: int,
        serve: Serve,
        simulator: RunningSimulator,
    ) -> None:
        site = serve(**ROOMY | limit)

        finishes = race(*[asking(site, number) for number in numbers[:4]])
        site.restart()
        finishes += race(*[asking(site, number) for number in numbers[4:]])

        assert errors(finishes) == set()
        assert sum("Too many calls" in text for text in answers(finishes)) == len(numbers) - allowed
        assert simulator.requests_received == VerificationAttempt.objects.count() == allowed
        day = Usage.objects.get(scope="")
        assert (day.attempts, day.spent) == (allowed, allowed * Decimal("0.35"))

    def test_one_form_that_reaches_all_processes_is_one_call(
        self, serve: Serve, simulator: RunningSimulator
    ) -> None:
        visitor = Visitor(serve())
        twins = [visitor.twin() for _ in range(THREADS)]

        finishes = race(*[lambda twin=twin: twin.press("Call me", number=NUMBER) for twin in twins])

        assert errors(finishes) == set()
        assert simulator.requests_received == Verification.objects.count() == 1
        assert len({twin.url for twin in twins}) == 1

    def test_the_right_code_that_reaches_all_processes_is_one_login(
        self, serve: Serve, simulator: RunningSimulator
    ) -> None:
        visitor = Visitor(serve())
        visitor.press("Call me", number=NUMBER)
        twins = [visitor.twin() for _ in range(THREADS)]
        code = simulator.calls[0].code

        finishes = race(*[lambda twin=twin: twin.press("Continue", code=code) for twin in twins])

        assert errors(finishes) == set()
        assert Verification.objects.exclude(consumed_at=None).count() == 1
        assert get_user_model().objects.count() == 1

    def test_wrong_codes_that_reach_all_processes_share_the_checks(
        self, serve: Serve, simulator: RunningSimulator
    ) -> None:
        visitor = Visitor(serve())
        visitor.press("Call me", number=NUMBER)
        right = simulator.calls[0].code
        wrong = [f"{(int(right) + n) % 10_000:04}" for n in range(1, THREADS + 1)]
        twins = [visitor.twin() for _ in wrong]

        finishes = race(
            *[
                lambda twin=twin, code=code: twin.press("Continue", code=code)
                for twin, code in zip(twins, wrong, strict=True)
            ]
        )

        assert errors(finishes) == set()
        verification = Verification.objects.get()
        assert verification.checks == verification.max_checks
        visitor.press("Continue", code=right)
        assert not get_user_model().objects.exists()

    def test_processes_that_are_killed_while_the_provider_is_asked_leave_nothing_in_the_air(
        self, serve: Serve, simulator: RunningSimulator
    ) -> None:
        site = serve()
        numbers = [f"+7999{n:03}4567" for n in range(THREADS)]
        visitors = [Visitor(site) for _ in numbers]
        simulator.arrange("slow", times=len(numbers), seconds=3)

        def ask(visitor: Visitor, number: str) -> Callable[[], Any]:
            return lambda: visitor.press("Call me", number=number)

        def kill() -> None:
            until(lambda: simulator.requests_received >= len(numbers) // 2)
            site.kill_workers()

        cut = race(kill, *[ask(one, number) for one, number in zip(visitors, numbers, strict=True)])

        assert not errors(cut[:1])
        assert any(isinstance(finish.error, requests.ConnectionError) for finish in cut)
        assert simulator.requests_received <= VerificationAttempt.objects.count()
        assert VerificationAttempt.objects.filter(status=AttemptStatus.REQUESTED).exists()
        with time_machine.travel(timezone.now() + timedelta(minutes=6)):
            services.sweep_attempts()
        assert not VerificationAttempt.objects.filter(status=AttemptStatus.REQUESTED).exists()
        kept = sum(attempt.spent for attempt in VerificationAttempt.objects.all())
        assert kept >= simulator.exchange.billed
        assert Usage.objects.get(scope="").spent >= simulator.exchange.billed
        # The visitors go on: by the same form, which is the same call.
        before = simulator.requests_received
        began = set(Verification.objects.values_list("phone__number", flat=True))
        for visitor, number in zip(visitors, numbers, strict=True):
            if number in began and "Call me" in visitor.page.buttons:
                visitor.press("Call me", number=number)
                assert "/phone/code/" in visitor.url
        assert simulator.requests_received == before
