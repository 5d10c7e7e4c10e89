"""The public verbs, each rule of a verification's life by its own test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.signals import user_login_failed
from django.db import connection, transaction
from django.dispatch import Signal
from django.test import RequestFactory
from django.utils import timezone

from django_flashcall import codes, services, signals
from django_flashcall.calls import channels, decoys, dialing
from django_flashcall.calls.outcomes import Outcome, conclude
from django_flashcall.choices import AttemptStatus, Channel, ErrorCode, Purpose, VerificationStatus
from django_flashcall.exceptions import (
    AttemptsExhausted,
    ChannelCooling,
    ChannelUnavailable,
    CodeMalformed,
    CodeUnknown,
    CooldownActive,
    KeyReused,
    LimitReached,
    NotSent,
    NumberBlocked,
    NumberRefused,
    OutcomeUnknown,
    ProviderBusy,
    ProviderError,
    TransactionOpen,
    VerificationEnded,
    WrongCode,
)
from django_flashcall.limits import breaker
from django_flashcall.models import Phone, Usage, Verification, VerificationAttempt
from django_flashcall.providers.locmem import Delivery, LocMemProvider
from django_flashcall.visitors.visitor import Visitor

from .factories import AttemptFactory, PhoneFactory, PriceFactory, UserFactory, VerificationFactory

pytestmark = pytest.mark.django_db

NUMBER = "+79991234567"
OTHER_NUMBER = "+79991234568"
NOON = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)

queue: list[int] = []


def enqueue(attempt_id: int) -> None:
    """Be a dialer that only writes down what a worker is to dial later."""
    queue.append(attempt_id)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Stop the time at noon in Moscow."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def queued(flashcall: Any) -> Iterator[list[int]]:
    """Hand calls to a queue, and return it."""
    queue.clear()
    flashcall(DIALER="tests.test_services.enqueue")
    yield queue
    queue.clear()


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """Return what all signals said, in order."""
    said: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        said.append(kwargs)

    for signal in ALL_SIGNALS:
        signal.connect(listen)
    yield said
    for signal in ALL_SIGNALS:
        signal.disconnect(listen)


ALL_SIGNALS: list[Signal] = [
    signals.verification_started,
    signals.attempt_finished,
    signals.code_rejected,
    signals.verification_approved,
    signals.verification_canceled,
    user_login_failed,
]


def start(number: str = NUMBER, **kwargs: Any) -> Verification:
    """Start a login from a known address, unless told otherwise."""
    known: dict[str, Any] = {"purpose": Purpose.LOGIN, "visitor": Visitor(address="203.0.113.7")}
    return services.start_verification(number, **known | kwargs)


def other_than(*deliveries: Delivery) -> str:
    """Return four digits that none of the calls carries."""
    taken = {delivery.code for delivery in deliveries}
    return next(code for code in ("0000", "1111", "2222", "3333") if code not in taken)


# --- start -------------------------------------------------------------------------------------


def test_a_start_calls_the_number_once_and_records_it(outbox: list[Delivery]) -> None:
    verification = start("8 (999) 123-45-67")
    attempt = verification.attempts.get()
    assert [(call.number, call.channel) for call in outbox] == [(NUMBER, Channel.FLASH_CALL)]
    assert (attempt.status, attempt.price) == (AttemptStatus.ACCEPTED, Decimal("0.35"))
    assert verification.address == "203.0.113.7"
    assert (verification.checks_left, verification.attempts_left) == (3, 2)


def test_a_start_keeps_the_code_as_a_digest_only(outbox: list[Delivery]) -> None:
    verification = start()
    digest = verification.attempts.get().code_digest
    assert len(digest) == 64
    assert codes.matches([outbox[0].code], [digest], number=NUMBER, key=verification.key)


def test_a_start_remembers_who_was_logged_in(visitor: Visitor) -> None:
    user = UserFactory()
    verification = start(visitor=Visitor(address="", user=user))
    assert (verification.user, verification.address) == (user, None)


def test_the_same_key_again_is_the_same_verification(outbox: list[Delivery]) -> None:
    key = uuid4()
    first, second = start(key=key), start("8 999 123 45 67", key=key)
    assert first == second
    assert len(outbox) == 1


def test_the_same_key_after_the_cooldown_calls_nobody(
    outbox: list[Delivery], clock: time_machine.Traveller
) -> None:
    key = uuid4()
    first = start(key=key)
    clock.shift(timedelta(minutes=3))
    assert start(key=key) == first
    assert len(outbox) == 1
    assert Usage.objects.get(scope="").attempts == 1


def test_the_same_key_on_a_blocked_number_is_the_same_verification() -> None:
    key = uuid4()
    first = start(key=key)
    Phone.objects.all().block(now=NOON)
    assert start(key=key) == first


def test_the_same_key_for_another_number_is_refused_and_calls_nobody(
    outbox: list[Delivery],
) -> None:
    key = uuid4()
    start(key=key)
    with pytest.raises(KeyReused):
        start(OTHER_NUMBER, key=key)
    assert len(outbox) == 1
    assert Phone.objects.get(number=OTHER_NUMBER).last_attempt_at is None


def test_the_same_key_for_another_purpose_is_refused() -> None:
    key = uuid4()
    start(key=key)
    with pytest.raises(KeyReused):
        start(key=key, purpose=Purpose.CONFIRM)


def test_starts_without_a_key_are_different_verifications(
    clock: time_machine.Traveller,
) -> None:
    first = start()
    clock.shift(timedelta(minutes=1))
    assert start() != first


def test_the_cooldown_grows_with_the_calls_of_a_day(clock: time_machine.Traveller) -> None:
    for seconds in (60, 120, 300, 300):
        start()
        clock.shift(timedelta(seconds=seconds - 1))
        with pytest.raises(CooldownActive):
            start()
        clock.shift(timedelta(seconds=1))


def test_the_cooldown_names_the_moment_when_a_call_is_possible_again(
    clock: time_machine.Traveller,
) -> None:
    start()
    clock.shift(timedelta(seconds=60))
    start()
    clock.shift(timedelta(seconds=61))
    with pytest.raises(CooldownActive) as caught:
        start()
    assert caught.value.retry_at == NOON + timedelta(seconds=60 + 120)


def test_a_refused_start_does_not_prolong_the_cooldown(clock: time_machine.Traveller) -> None:
    start()
    clock.shift(timedelta(seconds=60))
    start()
    clock.shift(timedelta(seconds=119))
    with pytest.raises(CooldownActive):
        start()
    assert Phone.objects.get().last_attempt_at == NOON + timedelta(seconds=60)
    clock.shift(timedelta(seconds=1))
    assert start().pk


def test_after_a_day_the_shortest_cooldown_holds_again(clock: time_machine.Traveller) -> None:
    for seconds in (60, 120, 300):
        start()
        clock.shift(timedelta(seconds=seconds))
    clock.shift(timedelta(days=1))
    start()
    clock.shift(timedelta(seconds=60))
    assert start().pk


def test_the_cooldown_of_one_number_holds_up_no_other(outbox: list[Delivery]) -> None:
    start()
    start(OTHER_NUMBER)
    assert [call.number for call in outbox] == [NUMBER, OTHER_NUMBER]


def test_a_blocked_number_is_not_called(outbox: list[Delivery]) -> None:
    PhoneFactory(number=NUMBER, blocked_at=NOON)
    with pytest.raises(NumberBlocked) as caught:
        start()
    assert caught.value.retry_at is None
    assert not outbox
    assert not Verification.objects.exists()


def test_a_number_blocked_during_its_cooldown_is_called_blocked() -> None:
    start()
    Phone.objects.all().block(now=NOON)
    with pytest.raises(NumberBlocked):
        start()


@pytest.mark.parametrize(("stopped", "asked"), [("", None), ("flash_call", "flash_call")])
def test_the_empty_prefix_stops_calls_at_once(
    stopped: str, asked: str | None, outbox: list[Delivery]
) -> None:
    PriceFactory(prefix="", channel=stopped, allowed=False)
    with pytest.raises(ChannelUnavailable):
        start(channel=asked)
    assert not outbox
    assert not Phone.objects.exists()


def test_who_names_no_channel_is_called_by_the_first_that_is_not_stopped() -> None:
    PriceFactory(prefix="", channel=Channel.FLASH_CALL, allowed=False)
    assert start().attempts.get().channel == Channel.VOICE


def test_a_channel_without_a_price_is_passed_over_while_spending_is_capped(flashcall: Any) -> None:
    flashcall(DAILY_SPEND=Decimal("100"))
    PriceFactory(prefix="", channel=Channel.VOICE, amount=Decimal("0.70"))
    assert start().attempts.get().channel == Channel.VOICE


def test_a_stopped_channel_leaves_the_others(outbox: list[Delivery]) -> None:
    PriceFactory(prefix="", channel=Channel.FLASH_CALL, allowed=False)
    start(channel=Channel.VOICE)
    assert [call.channel for call in outbox] == [Channel.VOICE]


def test_a_forbidden_prefix_is_not_called_though_a_longer_one_is_allowed(
    outbox: list[Delivery],
) -> None:
    PriceFactory(prefix="+7999", allowed=False)
    PriceFactory(prefix="+7999123", allowed=True)
    with pytest.raises(NumberRefused) as caught:
        start()
    assert caught.value.code == "number_forbidden"
    assert not outbox
    assert not Phone.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "8-800-FLOWERS", "123", "+1 202 555 0123", "+7 840 123 45 67"]
)
def test_a_number_that_may_not_be_called_leaves_no_row(text: str, outbox: list[Delivery]) -> None:
    with pytest.raises(NumberRefused):
        start(text)
    assert not outbox
    assert not Phone.objects.exists()


def test_the_first_channel_is_the_first_that_can_begin(
    outbox: list[Delivery], flashcall: Any
) -> None:
    flashcall(CHANNELS=[Channel.SMS, Channel.VOICE, Channel.FLASH_CALL])
    start()
    assert outbox[0].channel == Channel.VOICE


def test_a_verification_cannot_begin_with_an_sms(outbox: list[Delivery]) -> None:
    with pytest.raises(ChannelUnavailable):
        start(channel=Channel.SMS)
    assert not outbox
    assert not Verification.objects.exists()
    assert not Phone.objects.exists()


def test_no_usable_channel_is_an_error_of_ours(flashcall: Any) -> None:
    flashcall(CHANNELS=[Channel.SMS])
    with pytest.raises(ChannelUnavailable):
        start()


@pytest.mark.parametrize("channel", [Channel.VOICE, "pigeon"])
def test_a_start_refuses_a_channel_that_is_off(
    channel: str, flashcall: Any, outbox: list[Delivery]
) -> None:
    flashcall(CHANNELS=[Channel.FLASH_CALL])
    with pytest.raises(ChannelUnavailable):
        start(channel=channel)
    assert not outbox


@pytest.fixture
def busy(flashcall: Any) -> Iterator[None]:
    """Take the only line."""
    flashcall(CONCURRENT_CALLS=1)
    with breaker.slot(Channel.FLASH_CALL):
        yield


@pytest.mark.usefixtures("busy")
def test_a_start_while_all_lines_are_busy_leaves_no_row(outbox: list[Delivery]) -> None:
    with pytest.raises(ProviderBusy):
        start()
    assert not Phone.objects.exists()
    assert not outbox


def test_a_number_that_is_held_for_spam_is_reached_by_the_next_channel(
    flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(OPTIONS={"error_code": "number_in_spam_list"})
    start()
    flashcall(OPTIONS={})
    clock.shift(timedelta(minutes=11))
    assert start().attempts.get().channel == Channel.VOICE
    clock.shift(timedelta(minutes=11))
    with pytest.raises(ChannelCooling):
        start(channel=Channel.FLASH_CALL)
    clock.shift(timedelta(days=1))
    assert start().attempts.get().channel == Channel.FLASH_CALL


def test_a_start_while_calls_are_paused_leaves_no_row(outbox: list[Delivery]) -> None:
    for _ in range(breaker.MAX_FAILURES):
        with pytest.raises(OutcomeUnknown), breaker.slot(Channel.FLASH_CALL):
            raise OutcomeUnknown("ReadTimeout")
    with pytest.raises(ProviderBusy):
        start()
    assert not Phone.objects.exists()
    assert start(channel=Channel.VOICE).attempts.get().channel == Channel.VOICE


def test_busy_lines_tell_nothing_about_accounts(flashcall: Any) -> None:
    """A decoy needs no line, and is refused like any call."""
    flashcall(CONCURRENT_CALLS=1, SIGN_UP=False)
    with breaker.slot(Channel.FLASH_CALL), pytest.raises(ProviderBusy):
        start()
    assert start().is_decoy


def test_the_same_key_finds_its_call_while_all_lines_are_busy(flashcall: Any) -> None:
    key = uuid4()
    first = start(key=key)
    flashcall(CONCURRENT_CALLS=1)
    with breaker.slot(Channel.FLASH_CALL):
        assert start(key=key) == first


@pytest.mark.usefixtures("busy")
def test_a_form_that_found_all_lines_busy_can_be_sent_again(
    flashcall: Any, outbox: list[Delivery]
) -> None:
    key = uuid4()
    with pytest.raises(ProviderBusy):
        start(key=key)
    flashcall(CONCURRENT_CALLS=2)
    assert start(key=key) == start(key=key)
    assert len(outbox) == 1


@pytest.mark.parametrize("minutes", [5, 10], ids=["the-code", "the-verification"])
def test_a_code_that_waited_for_the_database_until_it_expired_opens_nothing(
    minutes: int, clock: time_machine.Traveller, outbox: list[Delivery], visitor: Visitor
) -> None:
    verification = start()
    counts = iter((False, True))

    def wait(execute: Any, sql: str, *statement: Any) -> Any:
        # Two rows change: the check is counted, and then the verification approved.
        if sql.startswith("UPDATE") and not next(counts):
            answer = execute(sql, *statement)
            clock.move_to(NOON + timedelta(minutes=minutes))
            return answer
        return execute(sql, *statement)

    with connection.execute_wrapper(wait), pytest.raises(VerificationEnded):
        services.check_code(verification, outbox[0].code, visitor=visitor)
    verification.refresh_from_db()
    assert (verification.checks, verification.approved_at) == (1, None)


def test_a_resend_while_all_lines_are_busy_costs_no_attempt(
    clock: time_machine.Traveller, flashcall: Any, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=2))
    flashcall(CONCURRENT_CALLS=1)
    with breaker.slot(Channel.FLASH_CALL), pytest.raises(ProviderBusy):
        services.resend(verification, visitor=visitor)
    verification.refresh_from_db()
    assert verification.attempt_count == 1
    services.resend(verification, visitor=visitor)


def test_a_provider_that_refuses_raises_nothing_at_the_start(flashcall: Any) -> None:
    flashcall(OPTIONS={"error_code": "not_enough_money"})
    attempt = start().attempts.get()
    assert (attempt.status, attempt.error_code) == (AttemptStatus.REJECTED, "not_enough_money")


def test_the_reservation_is_what_the_price_list_foretells(flashcall: Any) -> None:
    PriceFactory(prefix="+7", amount=Decimal("0.50"))
    flashcall(DIALER="tests.test_services.enqueue")
    attempt = start().attempts.get()
    assert attempt.reserved == Decimal("0.50")
    assert Usage.objects.get(scope="").spent == Decimal("0.50")


# --- resend ------------------------------------------------------------------------------------


def test_a_resend_takes_the_next_channel_in_order(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(seconds=60))
    services.resend(verification, visitor=visitor)
    clock.shift(timedelta(seconds=120))
    services.resend(verification, visitor=visitor)
    channels = [call.channel for call in outbox]
    assert channels == [Channel.FLASH_CALL, Channel.VOICE, Channel.SMS]


def test_the_last_channel_is_the_next_one_again() -> None:
    verification = VerificationFactory()
    for channel in Channel.values:
        AttemptFactory(verification=verification, channel=channel)
    assert channels.next_channel(verification) == Channel.SMS


def test_no_channel_left_is_an_error_of_ours(flashcall: Any) -> None:
    flashcall(CHANNELS=[])
    with pytest.raises(ChannelUnavailable):
        channels.next_channel(VerificationFactory())


def test_an_sms_carries_the_code_of_the_first_accepted_call(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(seconds=60))
    attempt = services.resend(verification, visitor=visitor, channel=Channel.SMS)
    attempt.refresh_from_db()
    assert attempt.call_id == outbox[0].id
    assert outbox[1].code == outbox[0].code
    assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


@pytest.mark.parametrize(
    "call",
    [
        {"status": AttemptStatus.REJECTED, "code": ""},
        {"status": AttemptStatus.UNKNOWN, "provider_id": ""},
        {"status": AttemptStatus.REQUESTED, "provider_id": ""},
        {"status": AttemptStatus.ACCEPTED, "provider_id": ""},
    ],
)
def test_an_sms_is_not_offered_without_an_accepted_call(
    call: dict[str, Any], visitor: Visitor, outbox: list[Delivery]
) -> None:
    moment = timezone.now() - timedelta(minutes=2)
    verification = AttemptFactory(
        verification__created_at=moment, created_at=moment, **call
    ).verification
    assert Channel.SMS not in channels.available_channels(verification)
    with pytest.raises(ChannelUnavailable):
        services.resend(verification, visitor=visitor, channel=Channel.SMS)
    assert not outbox


def test_a_channel_that_is_off_is_not_offered(flashcall: Any, visitor: Visitor) -> None:
    flashcall(CHANNELS=[Channel.FLASH_CALL])
    verification = AttemptFactory().verification
    assert channels.available_channels(verification) == [Channel.FLASH_CALL]
    with pytest.raises(ChannelUnavailable):
        services.resend(verification, visitor=visitor, channel=Channel.VOICE)


def test_a_resend_waits_for_the_cooldown_and_costs_no_attempt_until_then(
    outbox: list[Delivery], visitor: Visitor
) -> None:
    verification = start()
    with pytest.raises(CooldownActive):
        services.resend(verification, visitor=visitor)
    verification.refresh_from_db()
    assert verification.attempt_count == 1
    assert len(outbox) == 1


def test_a_resend_to_a_blocked_number_is_refused(
    clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    Phone.objects.all().block(now=NOON)
    clock.shift(timedelta(minutes=1))
    with pytest.raises(NumberBlocked):
        services.resend(verification, visitor=visitor)


def test_the_kill_switch_holds_for_a_resend(
    clock: time_machine.Traveller, visitor: Visitor, outbox: list[Delivery]
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=1))
    PriceFactory(prefix="", allowed=False)
    with pytest.raises(ChannelUnavailable):
        services.resend(verification, visitor=visitor)
    assert len(outbox) == 1


def test_a_verification_has_so_many_attempts(
    clock: time_machine.Traveller, flashcall: Any, visitor: Visitor, outbox: list[Delivery]
) -> None:
    flashcall(MAX_ATTEMPTS=2)
    verification = start()
    clock.shift(timedelta(seconds=60))
    services.resend(verification, visitor=visitor)
    clock.shift(timedelta(seconds=120))
    with pytest.raises(AttemptsExhausted):
        services.resend(verification, visitor=visitor)
    assert len(outbox) == 2


def test_a_resend_gives_back_no_checks(
    clock: time_machine.Traveller, visitor: Visitor, outbox: list[Delivery]
) -> None:
    verification = start()
    with pytest.raises(WrongCode):
        services.check_code(verification, other_than(*outbox), visitor=visitor)
    clock.shift(timedelta(seconds=60))
    services.resend(verification, visitor=visitor)
    verification.refresh_from_db()
    assert (verification.checks, verification.max_checks) == (1, 3)


@pytest.mark.parametrize(
    ("seconds_left", "is_called"), [(59, False), (60, False), (61, True)], ids=str
)
def test_no_call_is_placed_that_could_not_be_used_in_time(
    seconds_left: int,
    is_called: bool,
    clock: time_machine.Traveller,
    visitor: Visitor,
    outbox: list[Delivery],
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=10) - timedelta(seconds=seconds_left))
    try:
        services.resend(verification, visitor=visitor)
    except AttemptsExhausted:
        pass
    assert (len(outbox) == 2) is is_called


def test_no_call_is_placed_after_the_last_check(
    clock: time_machine.Traveller, visitor: Visitor, outbox: list[Delivery]
) -> None:
    verification = start()
    Verification.objects.update(checks=3)
    clock.shift(timedelta(minutes=1))
    with pytest.raises(AttemptsExhausted):
        services.resend(verification, visitor=visitor)
    assert len(outbox) == 1


@pytest.mark.parametrize("end", ["approved", "canceled"])
def test_no_call_is_placed_for_what_has_ended(
    end: str, clock: time_machine.Traveller, visitor: Visitor, outbox: list[Delivery]
) -> None:
    verification = start()
    if end == "approved":
        services.check_code(verification, outbox[0].code, visitor=visitor)
    else:
        services.cancel(verification)
    clock.shift(timedelta(minutes=1))
    with pytest.raises(AttemptsExhausted):
        services.resend(verification, visitor=visitor)
    assert len(outbox) == 1


def test_a_resend_by_another_user_is_refused(
    clock: time_machine.Traveller, outbox: list[Delivery]
) -> None:
    verification = start(visitor=Visitor(user=UserFactory()))
    clock.shift(timedelta(minutes=1))
    for stranger in (Visitor(), Visitor(user=UserFactory())):
        with pytest.raises(VerificationEnded):
            services.resend(verification, visitor=stranger)
    assert len(outbox) == 1


# --- check_code --------------------------------------------------------------------------------


def test_the_right_code_approves(outbox: list[Delivery], visitor: Visitor) -> None:
    verification = services.check_code(start(), outbox[0].code, visitor=visitor)
    assert verification.status == VerificationStatus.APPROVED
    verification.refresh_from_db()
    assert verification.status == VerificationStatus.APPROVED
    assert verification.checks == 1
    assert verification.consumed_at is None


def test_a_whole_pasted_number_counts_as_its_last_digits(
    outbox: list[Delivery], visitor: Visitor
) -> None:
    verification = start()
    text = f"+7 (495) 123-{outbox[0].code[:2]}-{outbox[0].code[2:]}"
    assert services.check_code(verification, text, visitor=visitor).approved_at


def test_a_whole_pasted_number_costs_one_check_though_lengths_differ(
    flashcall: Any,
    outbox: list[Delivery],
    clock: time_machine.Traveller,
    visitor: Visitor,
) -> None:
    flashcall(CODE_LENGTH=6)
    verification = start()
    clock.shift(timedelta(minutes=1))
    services.resend(verification, visitor=visitor)
    with pytest.raises(WrongCode):
        services.check_code(verification, f"+7999{'1234567'}", visitor=visitor)
    verification.refresh_from_db()
    assert verification.checks == 1
    assert [len(call.code) for call in outbox] == [6, 4]


def test_a_wrong_code_costs_one_check(outbox: list[Delivery], visitor: Visitor) -> None:
    verification = start()
    with pytest.raises(WrongCode) as caught:
        services.check_code(verification, other_than(*outbox), visitor=visitor)
    verification.refresh_from_db()
    assert (caught.value.checks_left, verification.checks) == (2, 1)
    assert verification.status == VerificationStatus.PENDING


@pytest.mark.parametrize("text", ["", "12a4", "123", "12345", "٣٣٣٣", "1" * 16])
def test_a_malformed_code_costs_nothing(text: str, visitor: Visitor) -> None:
    verification = start()
    with pytest.raises(CodeMalformed):
        services.check_code(verification, text, visitor=visitor)
    verification.refresh_from_db()
    assert verification.checks == 0


@pytest.mark.parametrize(
    ("fields", "code", "cause"),
    [
        ({"checks": 3}, "exhausted", "No tries are left for this code."),
        (
            {"status": VerificationStatus.CANCELED},
            "canceled",
            "was already used, or the request was canceled",
        ),
        (
            {"status": VerificationStatus.APPROVED, "approved_at": NOON},
            "approved",
            "was already used, or the request was canceled",
        ),
        (
            {"status": VerificationStatus.APPROVED, "approved_at": NOON, "consumed_at": NOON},
            "used",
            "was already used, or the request was canceled",
        ),
        ({"expires_at": NOON}, VerificationEnded.code, str(VerificationEnded())),
    ],
    ids=["exhausted", "canceled", "approved", "used", "expired"],
)
def test_what_ended_a_verification_is_said(
    fields: dict[str, Any],
    code: str,
    cause: str,
    clock: time_machine.Traveller,
    visitor: Visitor,
) -> None:
    verification = VerificationFactory(**{"created_at": NOON - timedelta(minutes=1)} | fields)
    AttemptFactory(verification=verification, created_at=NOON - timedelta(minutes=1))
    with pytest.raises(VerificationEnded) as caught:
        services.check_code(verification, "1234", visitor=visitor)
    assert caught.value.code == code
    assert cause in str(caught.value)


class WithOwnSms(LocMemProvider):
    """Sends an SMS without a call before it."""

    sms_needs_call = False


@pytest.mark.parametrize("held", [["flash_call"], ["flash_call", "voice"]])
def test_a_start_takes_the_first_channel_that_is_possible(
    held: list[str], flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(PROVIDER=f"{__name__}.{WithOwnSms.__name__}")
    phone = PhoneFactory(number=NUMBER)
    for channel in held:
        AttemptFactory(
            verification__phone=phone,
            verification__created_at=NOON - timedelta(hours=2),
            created_at=NOON - timedelta(hours=2),
            channel=channel,
            status=AttemptStatus.REJECTED,
            code="",
            error_code=ErrorCode.NUMBER_IN_SPAM_LIST,
        )
    assert start().attempts.get().channel == ["flash_call", "voice", "sms"][len(held)]


def test_three_wrong_codes_end_it_for_the_right_one_too(
    outbox: list[Delivery], visitor: Visitor
) -> None:
    verification = start()
    left = []
    for _ in range(3):
        with pytest.raises(WrongCode) as caught:
            services.check_code(verification, other_than(*outbox), visitor=visitor)
        left.append(caught.value.checks_left)
    with pytest.raises(VerificationEnded):
        services.check_code(verification, outbox[0].code, visitor=visitor)
    verification.refresh_from_db()
    assert left == [2, 1, 0]
    assert (verification.checks, verification.status) == (3, VerificationStatus.PENDING)


def test_the_last_check_may_be_the_right_one(outbox: list[Delivery], visitor: Visitor) -> None:
    verification = start()
    for _ in range(2):
        with pytest.raises(WrongCode):
            services.check_code(verification, other_than(*outbox), visitor=visitor)
    assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


def test_several_codes_live_together_and_share_the_checks(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=1))
    services.resend(verification, visitor=visitor, channel=Channel.FLASH_CALL)
    with pytest.raises(WrongCode) as caught:
        services.check_code(verification, other_than(*outbox), visitor=visitor)
    assert caught.value.checks_left == 2
    assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


def test_a_code_dies_before_its_verification(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=5))
    with pytest.raises(VerificationEnded):
        services.check_code(verification, outbox[0].code, visitor=visitor)
    verification.refresh_from_db()
    assert verification.checks == 0
    services.resend(verification, visitor=visitor)
    assert services.check_code(verification, outbox[1].code, visitor=visitor).approved_at


def test_an_old_code_is_a_wrong_one_beside_a_new_call(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = VerificationFactory(
        phone__number=NUMBER, created_at=NOON, expires_at=NOON + timedelta(minutes=10)
    )
    AttemptFactory(verification=verification, created_at=NOON, code="1234")
    AttemptFactory(verification=verification, created_at=NOON + timedelta(minutes=4), code="5678")
    clock.shift(timedelta(minutes=6))
    with pytest.raises(WrongCode):
        services.check_code(verification, "1234", visitor=visitor)
    assert services.check_code(verification, "5678", visitor=visitor).approved_at


def test_a_code_lives_to_its_last_second(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=5) - timedelta(seconds=1))
    assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


def test_no_code_outlives_its_verification(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=8))
    attempt = services.resend(verification, visitor=visitor)
    assert attempt.expires_at == verification.expires_at
    clock.shift(timedelta(minutes=2))
    with pytest.raises(VerificationEnded):
        services.check_code(verification, outbox[1].code, visitor=visitor)


def test_a_call_that_was_rejected_leaves_nothing_to_check(flashcall: Any, visitor: Visitor) -> None:
    flashcall(OPTIONS={"error_code": "not_enough_money"})
    verification = start()
    with pytest.raises(CodeUnknown):
        services.check_code(verification, "1234", visitor=visitor)
    verification.refresh_from_db()
    assert verification.checks == 0


def test_a_canceled_verification_opens_for_nobody(outbox: list[Delivery], visitor: Visitor) -> None:
    verification = start()
    services.cancel(verification)
    with pytest.raises(VerificationEnded):
        services.check_code(verification, outbox[0].code, visitor=visitor)


def test_a_code_approves_once(outbox: list[Delivery], visitor: Visitor) -> None:
    verification = services.check_code(start(), outbox[0].code, visitor=visitor)
    with pytest.raises(VerificationEnded):
        services.check_code(verification, outbox[0].code, visitor=visitor)


def test_the_code_of_another_verification_opens_nothing(
    outbox: list[Delivery], visitor: Visitor
) -> None:
    first, second = start(), start(OTHER_NUMBER)
    if outbox[0].code == outbox[1].code:  # one time in ten thousand
        first.attempts.update(code_digest=second.attempts.get().code_digest)
    with pytest.raises(WrongCode):
        services.check_code(first, outbox[1].code, visitor=visitor)


def test_a_digest_that_was_copied_to_another_verification_opens_nothing(visitor: Visitor) -> None:
    one, other = AttemptFactory(code="1234"), AttemptFactory(code="5678")
    VerificationAttempt.objects.filter(pk=other.pk).update(code_digest=one.code_digest)
    with pytest.raises(WrongCode):
        services.check_code(other.verification, "1234", visitor=visitor)


def test_a_verification_of_a_user_is_checked_by_no_other(outbox: list[Delivery]) -> None:
    owner = UserFactory()
    verification = start(visitor=Visitor(user=owner))
    for stranger in (Visitor(), Visitor(user=UserFactory())):
        with pytest.raises(VerificationEnded):
            services.check_code(verification, outbox[0].code, visitor=stranger)
    verification.refresh_from_db()
    assert verification.checks == 0
    approved = services.check_code(verification, outbox[0].code, visitor=Visitor(user=owner))
    assert approved.approved_at


def test_a_code_made_under_the_last_secret_key_still_opens(
    outbox: list[Delivery], settings: Any, visitor: Visitor
) -> None:
    verification = start()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key, as long as Django wants it to be, or nearly so"
    assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


def test_a_code_tried_while_the_call_is_placed_costs_nothing(
    queued: list[int], visitor: Visitor
) -> None:
    verification = start()
    with pytest.raises(CodeUnknown):
        services.check_code(verification, "1234", visitor=visitor)
    verification.refresh_from_db()
    assert verification.checks == 0


# --- cancel and sweep --------------------------------------------------------------------------


def test_a_verification_is_canceled_once() -> None:
    verification = start()
    assert services.cancel(verification) is True
    assert services.cancel(verification) is False


def test_an_approved_verification_is_not_canceled(outbox: list[Delivery], visitor: Visitor) -> None:
    verification = services.check_code(start(), outbox[0].code, visitor=visitor)
    assert services.cancel(verification) is False
    verification.refresh_from_db()
    assert verification.status == VerificationStatus.APPROVED


def test_the_sweep_takes_calls_whose_answer_will_not_come(
    clock: time_machine.Traveller,
) -> None:
    killed = AttemptFactory(status=AttemptStatus.REQUESTED, created_at=NOON)
    clock.shift(timedelta(seconds=59))
    assert services.sweep_attempts() == 0
    clock.shift(timedelta(seconds=1))
    assert services.sweep_attempts() == 1
    killed.refresh_from_db()
    assert killed.status == AttemptStatus.UNKNOWN
    assert services.sweep_attempts() == 0


def test_the_sweep_takes_calls_that_no_worker_dialled_in_time(
    clock: time_machine.Traveller, queued: list[int]
) -> None:
    attempt = start().attempts.get()
    clock.shift(timedelta(minutes=5) - timedelta(seconds=1))
    assert services.sweep_attempts() == 0
    clock.shift(timedelta(seconds=1))
    assert services.sweep_attempts() == 1
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.UNKNOWN


def test_a_number_that_is_known_is_called_in_the_first_call_of_an_hour(
    clock: time_machine.Traveller, outbox: list[Delivery]
) -> None:
    start()
    clock.shift(timedelta(hours=2))
    start()
    assert Usage.objects.filter(scope="+7999123").count() == len(outbox) == 2
    assert Usage.objects.get(scope="").attempts == 2


def test_a_call_is_expected_by_the_first_channel_that_is_not_stopped() -> None:
    now = timezone.now()
    assert channels.expected_channel(now=now) == Channel.FLASH_CALL
    PriceFactory(channel=Channel.FLASH_CALL, allowed=False, valid_from=now)
    assert channels.expected_channel(now=now) == Channel.VOICE
    PriceFactory(channel="", allowed=False, valid_from=now)
    assert channels.expected_channel(now=now) == Channel.FLASH_CALL


def test_no_sms_at_all_can_be_wanted(
    clock: time_machine.Traveller, flashcall: Any, visitor: Visitor
) -> None:
    flashcall(DAILY_SMS=0)
    verification = start()
    clock.shift(timedelta(minutes=1))
    assert Channel.SMS not in channels.available_channels(verification)
    with pytest.raises(ChannelUnavailable):
        services.resend(verification, visitor=visitor, channel=Channel.SMS)


def test_the_sweep_takes_calls_that_a_clock_in_the_future_left(
    clock: time_machine.Traveller,
) -> None:
    clock.shift(timedelta(days=365))
    requested = {"status": AttemptStatus.REQUESTED, "sent_at": timezone.now()}
    AttemptFactory(created_at=timezone.now(), **requested)
    clock.move_to(NOON)
    assert services.sweep_attempts() == 1


def test_a_check_of_what_is_purged_at_this_moment_is_over(
    outbox: list[Delivery], visitor: Visitor
) -> None:
    verification = start()

    def purge(execute: Any, sql: str, *statement: Any) -> Any:
        if sql.startswith("UPDATE"):
            Verification.objects.filter(pk=verification.pk).delete()
        return execute(sql, *statement)

    with connection.execute_wrapper(purge), pytest.raises(VerificationEnded):
        services.check_code(verification, outbox[0].code, visitor=visitor)


def test_a_resend_of_what_was_purged_meanwhile_is_over(
    clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = Verification.objects.get(pk=start().pk)
    Phone.objects.filter(pk=verification.phone_id).delete()
    with pytest.raises(VerificationEnded):
        services.resend(verification, visitor=visitor, channel=Channel.VOICE)


@pytest.mark.parametrize("status", [AttemptStatus.ACCEPTED, AttemptStatus.UNKNOWN])
def test_the_sweep_leaves_what_is_known(status: str, clock: time_machine.Traveller) -> None:
    AttemptFactory(status=status, created_at=NOON - timedelta(days=1))
    assert services.sweep_attempts() == 0


# --- decoys ------------------------------------------------------------------------------------


def known_number() -> str:
    """Return a number that has a user."""
    return str(PhoneFactory(number=NUMBER, user=UserFactory()).number)


def answers(number: str, clock: time_machine.Traveller, outbox: list[Delivery]) -> list[object]:
    """Return what a visitor is told of a login by ``number``, wrong codes and resends included."""
    visitor = Visitor(address="203.0.113.7")
    verification = start(number, key=uuid4())
    told: list[object] = [verification.status, channels.available_channels(verification)]
    told.append([(row.status, row.channel, row.error_code) for row in verification.attempts.all()])
    wrong = other_than(*outbox)
    for text in ("12a4", "12345", wrong, wrong):
        told.append(_refusal(services.check_code, verification, text, visitor=visitor))
    told.append(_refusal(services.resend, verification, visitor=visitor))
    for seconds in (60, 120, 180):
        clock.shift(timedelta(seconds=seconds))
        told.append(_refusal(services.resend, verification, visitor=visitor))
        told.append(channels.available_channels(verification))
    told += [(row.status, row.channel, row.code_length) for row in verification.attempts.all()]
    for _ in range(2):
        wrong = other_than(*outbox)
        told.append(_refusal(services.check_code, verification, wrong, visitor=visitor))
    verification.refresh_from_db()
    return [*told, verification.checks_left, verification.attempts_left]


def _refusal(verb: Any, *args: Any, **kwargs: Any) -> object:
    try:
        verb(*args, **kwargs)
    except Exception as error:
        return type(error), str(error), getattr(error, "code", None)
    return None


def test_a_decoy_answers_like_a_real_verification(
    flashcall: Any, clock: time_machine.Traveller, outbox: list[Delivery]
) -> None:
    flashcall(SIGN_UP=False)
    real = answers(known_number(), clock, outbox)
    clock.move_to(NOON)
    decoy = answers(OTHER_NUMBER, clock, outbox)
    assert real == decoy


@pytest.mark.parametrize("purpose", [Purpose.LOGIN, "".join(["log", "in"])], ids=["ours", "text"])
def test_a_decoy_calls_nobody_and_is_settled_at_nothing(
    purpose: str, flashcall: Any, outbox: list[Delivery]
) -> None:
    flashcall(SIGN_UP=False)
    PriceFactory(amount=Decimal("0.50"))
    verification = start(purpose=purpose)
    attempt = verification.attempts.get()
    assert verification.is_decoy
    assert not outbox
    assert (attempt.reserved, attempt.cost) == (Decimal("0.50"), Decimal(0))
    assert Usage.objects.get(scope="").units == 0


def test_a_decoy_is_refused_like_a_call(flashcall: Any) -> None:
    flashcall(SIGN_UP=False, DAILY_SPEND=Decimal("0.40"))
    PriceFactory(amount=Decimal("0.50"))
    with pytest.raises(LimitReached):
        start()
    assert Usage.objects.get(scope="").units == 0


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), NotSent("refused")])
def test_a_decoy_that_fails_is_settled_at_nothing(flashcall: Any, error: ProviderError) -> None:
    flashcall(SIGN_UP=False)
    PriceFactory(amount=Decimal("0.50"))
    decoys.remember(Channel.FLASH_CALL, seconds=0, error=error)
    attempt = start().attempts.get()
    assert attempt.status == error.status
    assert attempt.cost == 0
    assert Usage.objects.get(scope="").units == 0


def test_a_decoy_that_is_swept_is_settled_at_nothing_and_once(
    flashcall: Any, clock: time_machine.Traveller
) -> None:
    flashcall(SIGN_UP=False, DIALER=f"{__name__}.dial_later")
    PriceFactory(amount=Decimal("0.50"))
    attempt = start().attempts.get()
    assert Usage.objects.get(scope="").spent == Decimal("0.50")
    clock.shift(timedelta(minutes=6))
    assert services.sweep_attempts() == 1
    attempt.refresh_from_db()
    assert (attempt.status, attempt.cost) == (AttemptStatus.UNKNOWN, 0)
    assert not conclude(attempt, Outcome(status=AttemptStatus.ACCEPTED, code="x"))
    assert Usage.objects.get(scope="").units == 0


def dial_later(attempt_id: int) -> None:
    """Leave the attempt in a queue."""


def test_a_decoy_opens_with_no_code(flashcall: Any) -> None:
    flashcall(SIGN_UP=False)
    verification = start()
    attempt = verification.attempts.get()
    every = (f"{code:04}" for code in range(10_000))
    digests = [attempt.code_digest]
    assert not codes.matches(every, digests, number=NUMBER, key=verification.key)


def test_a_decoy_answers_like_a_call_that_waits_in_the_queue(
    flashcall: Any, queued: list[int]
) -> None:
    flashcall(SIGN_UP=False)
    real, decoy = start(known_number()), start(OTHER_NUMBER)
    for verification in (real, decoy):
        verification.refresh_from_db()
    assert channels.available_channels(real) == channels.available_channels(decoy)
    assert real.attempts.get().status == decoy.attempts.get().status


def test_a_decoy_stays_one_though_its_number_gets_a_user_meanwhile(
    flashcall: Any,
    clock: time_machine.Traveller,
    visitor: Visitor,
    outbox: list[Delivery],
) -> None:
    flashcall(SIGN_UP=False)
    verification = start()
    Phone.objects.update(user=UserFactory())
    clock.shift(timedelta(minutes=1))
    services.resend(verification, visitor=visitor)
    assert not outbox


def test_with_sign_up_off_a_known_number_is_called(flashcall: Any, outbox: list[Delivery]) -> None:
    flashcall(SIGN_UP=False)
    assert not start(known_number()).is_decoy
    assert len(outbox) == 1


def test_with_sign_up_off_an_unknown_number_may_still_be_confirmed(
    flashcall: Any, outbox: list[Delivery]
) -> None:
    flashcall(SIGN_UP=False)
    assert not start(purpose=Purpose.CONFIRM).is_decoy
    assert len(outbox) == 1


# --- a dialer that is a queue ------------------------------------------------------------------


def test_a_queue_dials_later(queued: list[int], outbox: list[Delivery], visitor: Visitor) -> None:
    verification = start()
    assert verification.attempts.get().status == AttemptStatus.REQUESTED
    assert not outbox
    dialing.dial(queued[0])
    assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at


def test_the_same_key_is_the_same_verification_while_it_is_queued(queued: list[int]) -> None:
    key = uuid4()
    assert start(key=key) == start(key=key)
    assert len(queued) == 1


# --- a transaction of the caller's -------------------------------------------------------------


@pytest.mark.parametrize("is_known", [True, False])
def test_a_start_inside_a_transaction_is_refused_before_any_insert(
    is_known: bool, outbox: list[Delivery]
) -> None:
    if is_known:
        start()
    counts = [model.objects.count() for model in (Phone, Verification, Usage)]
    calls = len(outbox)
    with transaction.atomic(), pytest.raises(TransactionOpen, match="non_atomic_requests"):
        start()
    assert [model.objects.count() for model in (Phone, Verification, Usage)] == counts
    assert len(outbox) == calls


def test_a_check_inside_a_transaction_is_refused(outbox: list[Delivery], visitor: Visitor) -> None:
    verification = start()
    with transaction.atomic(), pytest.raises(TransactionOpen):
        services.check_code(verification, outbox[0].code, visitor=visitor)
    verification.refresh_from_db()
    assert (verification.status, verification.checks) == (VerificationStatus.PENDING, 0)


def test_a_resend_inside_a_transaction_is_refused(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=1))
    with transaction.atomic(), pytest.raises(TransactionOpen):
        services.resend(verification, visitor=visitor)
    assert len(outbox) == 1


def test_a_cancellation_inside_a_transaction_is_refused() -> None:
    verification = start()
    with transaction.atomic(), pytest.raises(TransactionOpen):
        services.cancel(verification)


# --- signals -----------------------------------------------------------------------------------


def test_a_login_is_told_by_signals_in_order(
    heard: list[dict[str, Any]], outbox: list[Delivery], visitor: Visitor
) -> None:
    verification = start()
    services.check_code(verification, outbox[0].code, visitor=visitor)
    told = [said["signal"] for said in heard]
    assert told == [
        signals.verification_started,
        signals.attempt_finished,
        signals.verification_approved,
    ]
    assert heard[0]["verification"] == verification
    assert heard[1]["attempt"].status == AttemptStatus.ACCEPTED


def test_the_same_key_again_is_told_once(heard: list[dict[str, Any]]) -> None:
    key = uuid4()
    start(key=key)
    start(key=key)
    started = [said for said in heard if said["signal"] is signals.verification_started]
    assert len(started) == 1


def test_a_wrong_code_is_a_failed_login_with_a_masked_number(
    heard: list[dict[str, Any]], outbox: list[Delivery]
) -> None:
    request = RequestFactory().post("/")
    verification = start()
    heard.clear()
    with pytest.raises(WrongCode):
        services.check_code(verification, other_than(*outbox), visitor=Visitor(request=request))
    rejected, failed = heard
    assert (rejected["signal"], rejected["checks_left"]) == (signals.code_rejected, 2)
    assert failed["signal"] is user_login_failed
    assert failed["credentials"] == {"number": "+7••••••••67"}
    assert failed["request"] is request


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.SECOND_STEP])
def test_a_wrong_code_of_another_purpose_is_no_failed_login(
    purpose: str, heard: list[dict[str, Any]], outbox: list[Delivery], visitor: Visitor
) -> None:
    verification = start(purpose=purpose)
    with pytest.raises(WrongCode):
        services.check_code(verification, other_than(*outbox), visitor=visitor)
    assert user_login_failed not in [said["signal"] for said in heard]


def test_a_cancellation_is_told_once(heard: list[dict[str, Any]]) -> None:
    verification = start()
    heard.clear()
    for _ in range(2):
        services.cancel(verification)
        assert [said["signal"] for said in heard] == [signals.verification_canceled]


def test_a_resend_is_told_when_its_call_is_placed(
    heard: list[dict[str, Any]], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    verification = start()
    clock.shift(timedelta(minutes=1))
    heard.clear()
    attempt = services.resend(verification, visitor=visitor)
    finished = [said for said in heard if said["signal"] is signals.attempt_finished]
    assert [said["attempt"] for said in finished] == [attempt]


def test_receivers_that_fail_break_nothing(
    outbox: list[Delivery], clock: time_machine.Traveller, visitor: Visitor
) -> None:
    def fail(**kwargs: Any) -> None:
        raise LookupError("a mistake in the site")

    for signal in ALL_SIGNALS:
        signal.connect(fail)
    try:
        verification = start()
        with pytest.raises(WrongCode):
            services.check_code(verification, other_than(*outbox), visitor=visitor)
        assert services.check_code(verification, outbox[0].code, visitor=visitor).approved_at
        assert services.cancel(start(OTHER_NUMBER)) is True
    finally:
        for signal in ALL_SIGNALS:
            signal.disconnect(fail)
