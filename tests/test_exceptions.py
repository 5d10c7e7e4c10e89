"""Tests."""

from __future__ import annotations

import pickle

import pytest
import time_machine

from django_flashcall.exceptions import (
    AttemptsExhausted,
    CallDenied,
    ChallengeRequired,
    ChannelSuspended,
    ChannelUnavailable,
    CodeMalformed,
    CodeMistaken,
    CodeRefused,
    CooldownActive,
    FlashCallError,
    KeyReused,
    LimitReached,
    NotSent,
    NumberBlocked,
    NumberRefused,
    OutcomeUnknown,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    QuotaExceeded,
    RateExceeded,
    StartRefused,
    TransactionOpen,
    VerificationEnded,
    WrongCode,
)
from tests.constants import NOON


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "family", "code"),
        [
            (NumberRefused(), FlashCallError, "number_malformed"),
            (CooldownActive(), StartRefused, "cooldown"),
            (NumberBlocked(), StartRefused, "blocked"),
            (RateExceeded(), StartRefused, "rate"),
            (QuotaExceeded(), StartRefused, "quota"),
            (ChannelSuspended(), QuotaExceeded, "suspended"),
            (LimitReached(), StartRefused, "limit"),
            (CallDenied(), StartRefused, "denied"),
            (ChallengeRequired(), StartRefused, "challenge"),
            (ProviderBusy(), StartRefused, "busy"),
            (ChannelUnavailable(), StartRefused, "channel"),
            (AttemptsExhausted(), StartRefused, "attempts"),
            (KeyReused(), StartRefused, "key"),
            (CodeMalformed(), CodeRefused, "code_malformed"),
            (CodeMistaken(), CodeRefused, "own_digits"),
            (WrongCode(checks_left=1), CodeRefused, "wrong_code"),
            (VerificationEnded(), CodeRefused, "expired"),
            (ProviderRefused("not_enough_money"), ProviderError, "provider"),
            (NotSent("ConnectTimeout"), ProviderError, "provider"),
            (OutcomeUnknown("ReadTimeout"), ProviderError, "provider"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
    )
    def test_each_error_has_a_family_and_a_code_for_programs(
        self, error: FlashCallError, family: type[FlashCallError], code: str
    ) -> None:
        assert isinstance(error, family)
        assert isinstance(error, FlashCallError)
        assert error.code == code

    def test_a_mistake_of_the_calling_code_is_not_caught_with_the_others(self) -> None:
        assert not issubclass(TransactionOpen, FlashCallError)

    def test_an_error_speaks_with_its_own_words_or_the_given_ones(self) -> None:
        assert str(NumberRefused()) == "Enter a phone number."
        assert str(NumberRefused("Not this one.")) == "Not this one."

    def test_a_message_without_params_may_hold_a_percent_sign(self) -> None:
        assert str(NumberRefused("100% wrong")) == "100% wrong"

    def test_the_triple_is_that_of_djangos_validation_error(self) -> None:
        error = NumberRefused("%(country)s is too far.", code="far", params={"country": "Peru"})

        assert (error.message, error.code, error.params) == (
            "%(country)s is too far.",
            "far",
            {"country": "Peru"},
        )
        assert str(error) == "Peru is too far."


class TestStartRefused:
    @time_machine.travel(NOON, tick=False)
    def test_names_the_time_to_come_back_on_the_sites_clock(self) -> None:
        error = CooldownActive(retry_at=NOON.replace(minute=2))

        assert str(error) == ("We have just called this number. You can ask again after 12:02.")

    @pytest.mark.parametrize("error", [NumberBlocked(), ChannelUnavailable(), KeyReused()])
    def test_names_no_time_where_waiting_does_not_help(self, error: StartRefused) -> None:
        assert error.retry_at is None
        assert "%" not in str(error)


class TestWrongCode:
    @pytest.mark.parametrize(
        ("checks_left", "text"),
        [
            (2, "The digits did not match. You have 2 tries left."),
            (1, "The digits did not match. You have 1 try left."),
            (0, "The digits did not match, and no tries are left."),
        ],
    )
    def test_says_how_many_tries_are_left(self, checks_left: int, text: str) -> None:
        error = WrongCode(checks_left=checks_left)

        assert str(error) == text
        assert error.checks_left == checks_left


class TestProviderError:
    def test_shows_the_reason_in_the_log_and_not_to_the_visitor(self) -> None:
        error = OutcomeUnknown("ReadTimeout")

        assert str(error) == error.reason == "ReadTimeout"
        assert str(error.message) == "The call could not be placed."

    def test_keeps_the_code_of_a_refusal(self) -> None:
        assert ProviderRefused("not_enough_money").error_code == "not_enough_money"


class TestPickling:
    @pytest.mark.parametrize(
        "error",
        [
            NumberRefused("Not this one.", code="number_type"),
            CooldownActive(retry_at=NOON),
            WrongCode(checks_left=2),
            ProviderRefused("not_enough_money"),
            NotSent("ConnectTimeout"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_an_error_survives_the_way_from_another_process(self, error: FlashCallError) -> None:
        """Parallel test runners and queues send exceptions pickled."""
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301

        assert type(copy) is type(error)
        assert (str(copy), copy.code) == (str(error), error.code)
