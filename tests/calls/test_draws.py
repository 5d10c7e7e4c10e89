"""A decoy is drawn from past calls as the next call may be."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean

import pytest

from django_flashcall.calls.draws import (
    FAILED_FOR,
    FIRST_CALLS,
    MAX_PAST_CALLS,
    PastCall,
    draw,
    failure_rate,
    shorten,
)
from tests.probing import DELAYS, Delay, seeded


def past(outcomes: str) -> list[PastCall]:
    """Return calls, one every ten seconds: a dot is an answer, any other letter is an error."""
    errors = (letter.strip(".") for letter in outcomes)
    return [PastCall(seconds=1, error=error, at=10 * turn) for turn, error in enumerate(errors)]


def rate_after(outcomes: str, *, rest: float = 10) -> float:
    calls = past(outcomes)
    return failure_rate(calls, now=calls[-1].at + rest)


def taking(times: Iterable[float]) -> list[PastCall]:
    return [PastCall(seconds=seconds, at=turn) for turn, seconds in enumerate(times)]


def times(calls: list[PastCall], count: int = 1000) -> list[float]:
    """Return the times of ``count`` draws."""
    random = seeded(1)
    return [draw(calls, now=1000, random=random).seconds for _ in range(count)]


def errors(calls: list[PastCall], *, now: float, count: int = 1000) -> list[str]:
    random = seeded(1)
    return [draw(calls, now=now, random=random).error for _ in range(count)]


class TestFailures:
    def test_one_among_many_answers_means_little(self) -> None:
        assert rate_after("." * 100 + "x") < 0.15

    def test_several_in_a_row_mean_that_the_provider_is_down(self) -> None:
        assert rate_after("." * 100 + "xxx") > 0.8
        assert rate_after("." * 100 + "xxxxx") > 0.9

    def test_answers_after_them_mean_that_it_is_up_again(self) -> None:
        assert rate_after("." * 100 + "x" * 20 + "...") < 0.1

    @pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 0.5, 0.8])
    def test_come_as_often_as_lately(self, rate: float) -> None:
        random = seeded(1)
        rates = [
            rate_after("".join("x" if random.random() < rate else "." for _ in range(150)))
            for _ in range(50)
        ]
        assert mean(rates) == pytest.approx(rate, abs=0.03)

    def test_mean_less_with_time(self) -> None:
        rates = [rate_after("." * 100 + "x" * 5, rest=rest) for rest in (10, 300, 1800, 3600)]
        assert rates == sorted(rates, reverse=True)
        assert rates[0] > 0.9
        assert rates[-1] < 0.3

    def test_are_drawn_for_a_while_only(self) -> None:
        calls = past("x" * 20)
        latest = calls[-1].at
        assert "x" in errors(calls, now=latest + FAILED_FOR - 1)
        assert set(errors(calls, now=latest + FAILED_FOR)) == {""}

    def test_are_not_drawn_if_no_call_has_failed(self) -> None:
        assert set(errors(past("." * 3), now=30)) == {""}

    def test_are_of_the_latest_kinds(self) -> None:
        drawn = errors(past("x" * 50 + "y" * 8), now=580)
        assert "y" in drawn
        assert "x" not in drawn

    def test_do_not_change_if_the_clock_is_set_back(self) -> None:
        calls = past("." * 50 + "xxx")
        assert failure_rate(calls, now=0) == pytest.approx(failure_rate(calls, now=520))


class TestTimes:
    @pytest.mark.parametrize("delay", ["uniform", "heavy-tailed"])
    def test_are_never_exactly_those_of_past_calls(self, delay: str) -> None:
        calls = taking(self.drawn(DELAYS[delay]))
        assert not {call.seconds for call in calls} & set(times(calls))

    @pytest.mark.parametrize("delay", ["uniform", "heavy-tailed"])
    def test_are_spread_like_those_of_past_calls(self, delay: str) -> None:
        known = sorted(self.drawn(DELAYS[delay]))
        drawn = sorted(times(taking(self.drawn(DELAYS[delay]))))
        assert known[0] <= drawn[0]
        assert drawn[-1] <= known[-1] * (1 + 1e-9)
        for share in (0.1, 0.25, 0.5, 0.75, 0.9):
            ours, theirs = (len(rows) * share for rows in (drawn, known))
            assert drawn[int(ours)] == pytest.approx(known[int(theirs)], rel=0.25)

    def test_that_are_equal_stay_equal(self) -> None:
        assert times(taking([0.5] * 20)) == pytest.approx([0.5] * 1000)

    def test_of_two_groups_stay_in_them(self) -> None:
        random = seeded(1)
        groups = [random.gauss(3.3 if turn % 3 else 0.3, 0.02) for turn in range(90)]
        assert not [seconds for seconds in times(taking(groups)) if 0.5 < seconds < 3]

    def test_of_failures_are_those_of_the_same_failure(self) -> None:
        calls = [
            PastCall(seconds=20 if turn % 2 else 1, error="x" * (turn % 2)) for turn in range(9)
        ]
        random = seeded(1)
        drawn = [draw(calls, now=calls[-1].at, random=random) for _ in range(100)]
        assert {(one.error, round(one.seconds)) for one in drawn} == {("", 1), ("x", 20)}

    def test_of_a_single_call_vary(self) -> None:
        drawn = times(taking([1]))
        assert len(set(drawn)) == len(drawn)
        assert 0.9 <= min(drawn) < 0.95 < 1.05 < max(drawn) <= 1.1

    def test_before_the_first_call_are_spread(self) -> None:
        drawn = times([])
        assert len(set(drawn)) == len(drawn)
        assert min(drawn) >= FIRST_CALLS[0].seconds
        assert max(drawn) <= FIRST_CALLS[-1].seconds * (1 + 1e-9)

    @staticmethod
    def drawn(delay: Delay) -> list[float]:
        random = seeded(7)
        return [delay(random) for _ in range(100)]


class TestMemory:
    def test_keeps_the_latest_calls_in_order_and_each_once(self) -> None:
        calls = past("." * (MAX_PAST_CALLS + 5))
        assert shorten([*reversed(calls), *calls]) == calls[5:]

    def test_keeps_answers_while_the_provider_is_down(self) -> None:
        kept = shorten(past("." * 10 + "x" * 500))
        assert [call.error for call in kept] == [""] * 10 + ["x"] * MAX_PAST_CALLS
