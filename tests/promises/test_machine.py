"""A model that knows better: browsers, numbers and time in any order, and what must hold meanwhile.

Hypothesis presses the buttons. The model remembers what was called for whom; after every step the
record is held against what the site promises.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.conf import settings as live
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.db.models import Sum
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_flashcall import codes, services
from django_flashcall.choices import AttemptStatus, Channel, VerificationStatus
from django_flashcall.clock import day_of
from django_flashcall.conf import get_settings
from django_flashcall.exceptions import OutcomeUnknown
from django_flashcall.models import Phone, Price, Usage, Verification, VerificationAttempt
from django_flashcall.operations import purging
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import LocMemProvider, outbox
from tests.constants import DISTANT, NUMBER

NUMBERS = (NUMBER, DISTANT)


#: Limits that so few steps can reach.
DAILY_ATTEMPTS, DAILY_FAILED, MONTHLY_FAILED = 3, 4, 6


BEGIN = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)


#: So many lives are led; for a night a thousand.
EXAMPLES = int(os.environ.get("FLASHCALL_TEST_EXAMPLES", "25"))


class Death(BaseException):
    """The process is killed: nothing after this runs in it."""


class Forgetful(LocMemProvider):
    """Places the call, and may lose the answer, or the process."""

    deaths = 0

    def __init__(self, *, fault: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.fault = fault

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Choose codes that are the same each time that Hypothesis repeats what it did."""
        code = f"{1237 * (len(outbox) + 1) % 10_000:04}"
        return self._deliver(Channel.FLASH_CALL, number, code=code)

    def _deliver(self, channel: Channel, number: str, *, code: str) -> Answer:
        answer = super()._deliver(channel, number, code=code)
        if self.fault == "lost":
            raise OutcomeUnknown("lost on the way")
        if self.fault == "dies":
            Forgetful.deaths += 1
            raise Death
        return answer


@dataclass
class Tab:
    """A browser with one page: whose code it waits for."""

    client: Client = field(default_factory=Client)
    number: str = ""
    url: str = ""

    def copy(self) -> Tab:
        """Return this browser as it is now, should somebody keep its cookies."""
        copy = Tab(number=self.number, url=self.url)
        copy.client.cookies.load(self.client.cookies.output(header="", sep=";"))
        return copy


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A guess that was compared: on which verification, when that began, and whether it was right.

    Counted here and not read from the record, which is what is to be judged.
    """

    key: Any
    number: str
    began: datetime
    is_stranger: bool
    is_right: bool


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
        self.used: list[tuple[Tab, str]] = []
        self.logins: Counter[str] = Counter()
        self.comparisons: list[Comparison] = []
        self.arrivals: list[Any] = []
        self.spy = patch.object(codes, "matches", self.watch(codes.matches))
        self.spy.start()
        user_logged_in.connect(self.note_login)
        self.gone: Counter[str] = Counter()
        self.codes: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
        Forgetful.deaths = 0
        live.FLASHCALL = {**live.FLASHCALL, "OPTIONS": {}}
        self.purged_until = BEGIN - timedelta(days=1000)

    def teardown(self) -> None:
        """Let the time go on."""
        user_logged_in.disconnect(self.note_login)
        self.spy.stop()
        self.clock.stop()

    def note_login(self, sender: Any, user: Any, **kwargs: Any) -> None:
        """Hear of each login from Django itself."""
        self.arrivals.append(user)

    def watch(self, compare: Any) -> Any:
        """Return ``compare``, watched."""

        def watched(guesses: Any, digests: Any, *, number: str, key: Any) -> bool:
            is_right: bool = compare(guesses, digests, number=number, key=key)
            row = Verification.objects.get(key=key)
            seen = {"key": key, "number": number, "began": row.created_at, "is_right": is_right}
            self.comparisons.append(Comparison(is_stranger=not row.is_trusted, **seen))
            return is_right

        return watched

    @rule(one=st.sampled_from([0, 1]), number=st.sampled_from(NUMBERS))
    def start(self, one: int, number: str) -> None:
        """Type a number."""
        tab, before = self.tabs[one], len(outbox)
        with suppress(Death):
            page: Any = tab.client.post("/phone/login/", {"number": number})
            if page.status_code == 302:
                tab.number, tab.url = number, page.url
                self.remember_calls(tab, since=before)

    @rule(one=st.sampled_from([0, 1]), channel=st.sampled_from(["flash_call", "voice", "sms"]))
    def resend(self, one: int, channel: str) -> None:
        """Ask for another call, if there is a page with that button."""
        tab, before = self.tabs[one], len(outbox)
        if tab.url:
            with suppress(Death):
                tab.client.post(tab.url, {"channel": channel})
            self.remember_calls(tab, since=before)

    def remember_calls(self, tab: Tab, *, since: int) -> None:
        """Note which codes a page may be opened with, and until when."""
        until = timezone.now() + get_settings().CODE_LIFETIME
        assert all(call.number == tab.number for call in outbox[since:])
        self.codes[tab.url] += [(call.code, until) for call in outbox[since:]]

    @rule(
        one=st.sampled_from([0, 1]),
        kind=st.sampled_from(["right", "wrong", "other's", "earlier", "malformed", "whole"]),
    )
    def enter(self, one: int, kind: str) -> None:
        """Type a code on the page; whoever is logged in stays so until they log out."""
        tab = self.tabs[one]
        if not tab.url:
            return
        typed, before, come = self.code_for(tab, kind), tab.copy(), len(self.arrivals)
        tab.client.post(tab.url, {"code": typed})
        if len(self.arrivals) == come:
            return
        user = tab.client.session["_auth_user_id"]
        assert [phone.number for phone in Phone.objects.filter(user=user)] == [tab.number]
        now = timezone.now()
        assert any(typed.endswith(code) and now < until for code, until in self.codes[tab.url])
        self.logins[tab.url] += 1
        self.used += [(before, typed), (tab.copy(), typed)]
        tab.url = ""

    @rule(one=st.sampled_from([0, 1]))
    def log_out(self, one: int) -> None:
        """Leave, and keep the device's cookie."""
        self.tabs[one].client.logout()

    @rule()
    @precondition(lambda self: self.used)
    def type_used_codes_again(self) -> None:
        """Come back with the cookies of before and after each login, and type its code again."""
        come = len(self.arrivals)
        for tab, typed in self.used:
            tab.copy().client.post(tab.url, {"code": typed})
        assert len(self.arrivals) == come

    @rule(one=st.sampled_from([0, 1]))
    def come_too_late(self, one: int) -> None:
        """Type the right code when its time is over, and that of the verification is not."""
        tab, come = self.tabs[one], len(self.arrivals)
        if not tab.url or not self.codes[tab.url]:
            return
        self.time.move_to(max(timezone.now(), *(until for _, until in self.codes[tab.url])))
        tab.client.post(tab.url, {"code": self.code_for(tab, "right")})
        assert len(self.arrivals) == come

    @rule(number=st.sampled_from(NUMBERS))
    def bomb(self, number: str) -> None:
        """Let strangers ask for calls, each in a new browser, more often than a day has."""
        for _ in range(DAILY_ATTEMPTS + 1):
            with suppress(Death):
                Client().post("/phone/login/", {"number": number})
            self.time.shift(timedelta(minutes=6))

    @rule(number=st.sampled_from(NUMBERS))
    def try_all_codes(self, number: str) -> None:
        """Let a stranger guess, ask for another call, and guess again, as long as anything goes."""
        stranger = Tab()
        for channel in ("", "voice", "flash_call", ""):
            with suppress(Death):
                data = {"channel": channel} if channel else {"number": number}
                page: Any = stranger.client.post(stranger.url or "/phone/login/", data)
                stranger.url = page.url if page.status_code == 302 else stranger.url
            for _ in range(2 if stranger.url else 0):
                stranger.client.post(stranger.url, {"code": "9999"})
            self.time.shift(timedelta(minutes=2))

    @rule(one=st.sampled_from([0, 1]))
    def guess(self, one: int) -> None:
        """Type wrong codes as long as the page takes them."""
        for _ in range(get_settings().MAX_CHECKS):
            self.enter(one, "wrong")

    @rule(one=st.sampled_from([0, 1]))
    def enter_elsewhere(self, one: int) -> None:
        """Type the right code of one browser's page in the other browser."""
        tab, other, come = self.tabs[one], self.tabs[1 - one], len(self.arrivals)
        if tab.url:
            other.client.post(tab.url, {"code": self.code_for(tab, "right")})
            assert len(self.arrivals) == come

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

    @rule(minutes=st.sampled_from([1, 2, 5, 6, 11, 60, 60 * 12, 60 * 24, 60 * 24 * 91]))
    def wait(self, minutes: int) -> None:
        """Do nothing for a while."""
        self.time.shift(timedelta(minutes=minutes))

    @rule(seconds=st.sampled_from([1, 30, 3600]))
    def jump(self, seconds: int) -> None:
        """Set the server's clock back."""
        self.time.shift(-timedelta(seconds=seconds))

    @rule(
        error_code=st.sampled_from(["", "", "not_enough_money", "number_not_valid"]),
        fault=st.sampled_from(["", "", "lost", "dies"]),
    )
    def change_the_provider(self, error_code: str, fault: str) -> None:
        """Let the provider fail, its answers be lost or kill the process, or all be well again."""
        options = {"error_code": error_code, "fault": fault}
        live.FLASHCALL = {**live.FLASHCALL, "OPTIONS": options}

    @rule()
    def purge(self) -> None:
        """Forget what is old; what was called, spent and used stays counted."""
        before = self.counts()
        purging.purge(now=timezone.now())
        self.gone += before - self.counts()
        self.purged_until = max(self.purged_until, timezone.now() - get_settings().KEEP)

    def counts(self) -> Counter[str]:
        """Count what a purge takes away."""
        used = Verification.objects.exclude(consumed_at=None).count()
        return Counter(attempts=VerificationAttempt.objects.count(), used=used)

    @rule()
    def restart(self) -> None:
        """Restart all processes, with an empty cache, and sweep."""
        cache.clear()
        self.time.shift(timedelta(minutes=1))
        services.sweep_attempts()
        in_the_air = VerificationAttempt.objects.filter(status=AttemptStatus.REQUESTED)
        assert not in_the_air.filter(sent_at__lte=timezone.now() - timedelta(minutes=1)).exists()

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
        assert len(self.arrivals) == sum(self.logins.values())
        used = Verification.objects.exclude(consumed_at=None)
        assert used.count() + self.gone["used"] >= sum(self.logins.values())
        assert not used.exclude(status=VerificationStatus.APPROVED).exists()

    @invariant()
    def calls_stay_within_their_quotas(self) -> None:
        """No number rings more often in any day than it may, strangers and known browsers apart."""
        rows = VerificationAttempt.objects.order_by("created_at").values_list(
            "verification__phone", "verification__is_trusted", "created_at"
        )
        asked: dict[Any, list[datetime]] = {}
        for phone, is_trusted, created_at in rows:
            asked.setdefault((phone, not is_trusted), []).append(created_at)
        limit = DAILY_ATTEMPTS
        for times in asked.values():
            for first, last in zip(times, times[limit:], strict=False):
                assert last - first >= timedelta(days=1)

    @invariant()
    def guesses_stay_within_their_quotas(self) -> None:
        """No verification, and no number in a day or month, is guessed at too often."""
        of_one = Counter(one.key for one in self.comparisons)
        assert max(of_one.values(), default=0) <= get_settings().MAX_CHECKS
        wrong = [one for one in self.comparisons if one.is_stranger and not one.is_right]
        windows = [(timedelta(days=1), DAILY_FAILED), (timedelta(days=30), MONTHLY_FAILED)]
        for window, limit in windows:
            for first in wrong:
                end = first.began + window
                near = [one for one in wrong if one.number == first.number]
                assert sum(first.began <= one.began < end for one in near) <= limit

    @invariant()
    def only_death_leaves_a_call_in_the_air(self) -> None:
        """Whatever else happens, it is known what became of each call."""
        in_the_air = VerificationAttempt.objects.filter(status=AttemptStatus.REQUESTED)
        assert in_the_air.count() <= Forgetful.deaths

    @invariant()
    def money_is_conserved(self) -> None:
        """The sums of the days are those of the calls."""
        spent: Counter[datetime] = Counter()
        for attempt in VerificationAttempt.objects.all():
            spent[day_of(attempt.created_at)] += attempt.spent
        days = {row.since: row.spent for row in Usage.objects.filter(scope="")}
        whole = {day for day in {*spent, *days} if day > self.purged_until}
        assert all(spent[day] == days.get(day, 0) for day in whole)
        placed = Usage.objects.filter(scope="").aggregate(sum=Sum("attempts"))["sum"] or 0
        assert placed == VerificationAttempt.objects.count() + self.gone["attempts"]
        assert len(outbox) <= placed
        assert sum(days.values()) >= Decimal("0.35") * len(outbox)

    @invariant()
    def no_code_is_in_the_record(self) -> None:
        """Codes are kept as digests only."""
        for attempt in VerificationAttempt.objects.exclude(code_digest=""):
            assert len(attempt.code_digest) == 64


class TestMachine:
    @pytest.mark.django_db
    @pytest.mark.parametrize("engine", ["db", "signed_cookies"])
    def test_nothing_that_visitors_do_breaks_a_promise(self, engine: str) -> None:
        forgetful = f"{__name__}.{Forgetful.__name__}"
        keys = {
            "PROVIDER": forgetful,
            "RATES": {},
            "DAILY_ATTEMPTS": DAILY_ATTEMPTS,
            "DAILY_FAILED_CHECKS": DAILY_FAILED,
            "MONTHLY_FAILED_CHECKS": MONTHLY_FAILED,
        }
        sessions = f"django.contrib.sessions.backends.{engine}"
        with override_settings(FLASHCALL=live.FLASHCALL | keys, SESSION_ENGINE=sessions):
            run_state_machine_as_test(
                Visitors,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
