"""A model that knows better: browsers, numbers and time in any order, and what must hold meanwhile.

Hypothesis presses the buttons. The model remembers what was called for whom; after every step the
record is held against what the site promises.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.conf import settings as live
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db.models import Sum
from django.test import Client, override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_flashcall import services
from django_flashcall.clock import day_of
from django_flashcall.conf import get_settings
from django_flashcall.models import Phone, Price, Usage, Verification, VerificationAttempt
from django_flashcall.providers.locmem import outbox
from django_flashcall.words import AttemptStatus, VerificationStatus

NUMBERS = ("+79991234567", "+79997654321")
BEGIN = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)


@dataclass
class Tab:
    """A browser with one page: whose code it waits for."""

    client: Client = field(default_factory=Client)
    number: str = ""
    url: str = ""


class Visitors(RuleBasedStateMachine):
    """Two browsers, two numbers."""

    def __init__(self) -> None:
        super().__init__()
        for model in (Verification, Phone, Usage, Price, get_user_model()):
            model._default_manager.all().delete()
        cache.clear()
        outbox.clear()
        Price.objects.create(amount=Decimal("0.35"), valid_from=BEGIN - timedelta(days=1))
        self.clock = time_machine.travel(BEGIN, tick=False)
        self.time = self.clock.start()
        self.tabs = [Tab(), Tab()]
        self.logins: Counter[str] = Counter()

    def teardown(self) -> None:
        """Let the time go on."""
        self.clock.stop()

    @rule(one=st.sampled_from([0, 1]), number=st.sampled_from(NUMBERS))
    def start(self, one: int, number: str) -> None:
        """Type a number."""
        tab = self.tabs[one]
        page: Any = tab.client.post("/phone/login/", {"number": number})
        if page.status_code == 302:
            tab.number, tab.url = number, page.url

    @rule(one=st.sampled_from([0, 1]), channel=st.sampled_from(["flash_call", "voice", "sms"]))
    def resend(self, one: int, channel: str) -> None:
        """Ask for another call, if there is a page with that button."""
        if self.tabs[one].url:
            self.tabs[one].client.post(self.tabs[one].url, {"channel": channel})

    @rule(
        one=st.sampled_from([0, 1]),
        kind=st.sampled_from(["right", "wrong", "other's", "earlier", "malformed", "whole"]),
    )
    def enter(self, one: int, kind: str) -> None:
        """Type a code on the page, and log out again if that opened an account."""
        tab = self.tabs[one]
        if not tab.url:
            return
        tab.client.post(tab.url, {"code": self.code_for(tab, kind)})
        if "_auth_user_id" not in tab.client.session:
            return
        user = tab.client.session["_auth_user_id"]
        assert [phone.number for phone in Phone.objects.filter(user=user)] == [tab.number]
        assert kind != "malformed"
        self.logins[tab.url] += 1
        tab.client.session.flush()
        tab.client.cookies.pop("sessionid", None)
        tab.url = ""

    def code_for(self, tab: Tab, kind: str) -> str:
        """Return what somebody types who sees a phone, or somebody else's."""
        mine = [call.code for call in outbox if call.number == tab.number]
        others = [call.code for call in outbox if call.number != tab.number]
        right = mine[-1] if mine else "0000"
        return {
            "right": right,
            "wrong": f"{(int(right) + 1) % 10_000:04}",
            "other's": others[-1] if others else "1111",
            "earlier": mine[0] if mine else "2222",
            "malformed": "12e4",
            "whole": f"+7 495 000 {right}",
        }[kind]

    @rule(minutes=st.sampled_from([1, 2, 5, 6, 11, 60, 60 * 12, 60 * 24]))
    def wait(self, minutes: int) -> None:
        """Do nothing for a while."""
        self.time.shift(timedelta(minutes=minutes))

    @rule(seconds=st.sampled_from([1, 30, 3600]))
    def jump(self, seconds: int) -> None:
        """Have the server's clock set back."""
        self.time.shift(-timedelta(seconds=seconds))

    @rule(error_code=st.sampled_from(["", "", "not_enough_money", "number_not_valid"]))
    def change_the_provider(self, error_code: str) -> None:
        """Let the provider fail, or recover."""
        live.FLASHCALL = {**live.FLASHCALL, "OPTIONS": {"error_code": error_code}}

    @rule()
    def restart(self) -> None:
        """Restart all processes, with an empty cache, and sweep."""
        cache.clear()
        services.sweep_attempts()

    @rule(one=st.sampled_from([0, 1]))
    @precondition(lambda self: any(tab.url for tab in self.tabs))
    def give_up(self, one: int) -> None:
        """Take another number."""
        if self.tabs[one].url:
            self.tabs[one].client.post(self.tabs[one].url, {"cancel": "1"})

    @invariant()
    def one_verification_is_one_login(self) -> None:
        """No page logged in twice, and no approval was used that was not given."""
        assert all(count == 1 for count in self.logins.values())
        used = Verification.objects.exclude(consumed_at=None)
        assert used.count() >= sum(self.logins.values())
        assert not used.exclude(status=VerificationStatus.APPROVED).exists()

    @invariant()
    def calls_stay_within_their_quotas(self) -> None:
        """No number rings more often in any day than it may, strangers and known browsers apart."""
        rows = VerificationAttempt.objects.order_by("created_at").values_list(
            "verification__phone", "verification__device", "created_at"
        )
        asked: dict[Any, list[datetime]] = {}
        for phone, device, created_at in rows:
            asked.setdefault((phone, device), []).append(created_at)
        limit = get_settings().DAILY_ATTEMPTS
        for times in asked.values():
            for first, last in zip(times, times[limit:], strict=False):
                assert last - first >= timedelta(days=1)

    @invariant()
    def guesses_stay_within_their_quotas(self) -> None:
        """No number is guessed at more often than all windows allow."""
        for phone in Phone.objects.all():
            rows = phone.verifications.filter(device=None)
            wrong = sum(row.checks - (row.approved_at is not None) for row in rows)
            days = max((max(r.created_at for r in rows) - BEGIN).days, 0) + 1 if rows else 1
            assert wrong <= get_settings().MONTHLY_FAILED_CHECKS * (days // 30 + 2)

    @invariant()
    def no_call_is_left_in_the_air(self) -> None:
        """Whatever happens, it is known what became of each call."""
        assert not VerificationAttempt.objects.filter(status=AttemptStatus.REQUESTED).exists()

    @invariant()
    def money_is_conserved(self) -> None:
        """The sums of the days are those of the calls."""
        spent: Counter[datetime] = Counter()
        for attempt in VerificationAttempt.objects.all():
            spent[day_of(attempt.created_at)] += attempt.cost
        days = {row.since: row.spent for row in Usage.objects.filter(scope="")}
        assert {day: cost for day, cost in spent.items() if cost} == {
            day: cost for day, cost in days.items() if cost
        }
        placed = Usage.objects.filter(scope="").aggregate(sum=Sum("attempts"))["sum"] or 0
        assert placed == VerificationAttempt.objects.count()
        assert len(outbox) <= placed

    @invariant()
    def no_code_is_in_the_record(self) -> None:
        """Codes are kept as digests only."""
        for attempt in VerificationAttempt.objects.exclude(code_digest=""):
            assert len(attempt.code_digest) == 64


@pytest.mark.django_db
def test_nothing_that_visitors_do_breaks_a_promise() -> None:
    with override_settings(FLASHCALL={**live.FLASHCALL, "RATES": {}}):
        run_state_machine_as_test(
            Visitors,
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
