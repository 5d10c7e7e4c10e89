"""What goes wrong, as arranged or by the number."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import pytest
import requests
from django.conf import LazySettings

from django_flashcall.simulator.exchange import Exchange, Received
from django_flashcall.simulator.faults import ERRORS, FAULTY_NUMBERS, Fault
from django_flashcall.simulator.testing import RunningSimulator, running_simulator
from tests.constants import DIGITS
from tests.simulator_client import ask, refusal


class TestArranging:
    @pytest.mark.parametrize("fault", sorted(ERRORS))
    def test_every_error_can_be_arranged(self, simulator: RunningSimulator, fault: str) -> None:
        simulator.arrange(fault)
        assert ask(simulator, number=DIGITS) == refusal(fault)
        assert simulator.calls == ()
        assert ask(simulator, number=DIGITS)["result"] == "ok"

    @pytest.mark.parametrize(
        ("number", "fault"),
        [(number, fault) for number, fault in FAULTY_NUMBERS.items() if fault in ERRORS],
    )
    def test_a_number_of_the_table_always_meets_its_error(
        self, simulator: RunningSimulator, number: str, fault: Fault
    ) -> None:
        assert ask(simulator, number=number) == refusal(fault.value)
        assert ask(simulator, number=number) == refusal(fault.value)

    def test_every_fault_has_a_number(self) -> None:
        assert set(FAULTY_NUMBERS.values()) == set(Fault)

    def test_a_fault_for_one_number_spares_the_others(self, simulator: RunningSimulator) -> None:
        simulator.arrange("not_enough_money", number=DIGITS)
        assert ask(simulator, number="79160000000")["result"] == "ok"
        assert ask(simulator, number=DIGITS) == refusal("not_enough_money")

    def test_a_fault_happens_as_often_as_arranged(self, simulator: RunningSimulator) -> None:
        simulator.arrange("user_disabled", times=2)
        results = [ask(simulator, number=DIGITS)["result"] for _ in range(3)]
        assert results == ["error", "error", "ok"]

    def test_a_request_that_fails_by_itself_uses_no_fault_up(
        self, simulator: RunningSimulator
    ) -> None:
        simulator.arrange("user_disabled")
        assert ask(simulator, number="") == refusal("number_is_empty")
        assert ask(simulator, number=DIGITS) == refusal("user_disabled")

    def test_a_fault_for_a_number_meets_its_sms_too(self, simulator: RunningSimulator) -> None:
        call = ask(simulator, number=DIGITS)
        simulator.arrange("user_disabled", number=DIGITS)
        assert ask(simulator, sms={"id": call["id"]}) == refusal("user_disabled")


class TestFaults:
    @pytest.mark.parametrize("number", [DIGITS, "79000000030"])
    def test_a_lost_call_is_billed_and_its_sms_arrives(
        self, simulator: RunningSimulator, number: str
    ) -> None:
        if number == DIGITS:
            simulator.arrange("lost_call")
        call = ask(simulator, number=number)
        assert call["result"] == "ok"
        assert simulator.exchange.ringing() == ()
        assert simulator.exchange.billed == Decimal("0.35")
        ask(simulator, sms={"id": call["id"]})
        assert [sms.code for sms in simulator.exchange.ringing()] == [call["code"]]

    def test_a_lost_answer_rings_and_is_cut_off(self, simulator: RunningSimulator) -> None:
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            ask(simulator, number="79000000040")
        assert len(simulator.exchange.ringing()) == 1
        assert simulator.exchange.billed == Decimal("0.35")

    def test_a_pooled_connection_survives_a_lost_answer(self, simulator: RunningSimulator) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = simulator.api_key
            for _ in range(2):
                session.post(simulator.url, json={"number": DIGITS}, timeout=5)
                with pytest.raises(requests.exceptions.ChunkedEncodingError):
                    session.post(simulator.url, json={"number": "79000000040"}, timeout=5)
        assert simulator.requests_received == 4

    def test_a_server_error_rings_nothing(self, simulator: RunningSimulator) -> None:
        simulator.arrange("http_500")
        response = requests.post(
            simulator.url,
            json={"number": DIGITS},
            headers={"Authorization": simulator.api_key},
            timeout=5,
        )
        assert response.status_code == 500
        assert simulator.calls == ()

    def test_a_slow_answer_rings_before_the_client_gives_up(
        self, simulator: RunningSimulator
    ) -> None:
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.post(
                simulator.url,
                json={"number": "79000000020"},
                headers={"Authorization": simulator.api_key},
                timeout=(5, 0.2),
            )
        assert len(simulator.exchange.ringing()) == 1

    def test_a_slow_answer_is_a_whole_answer(self, simulator: RunningSimulator) -> None:
        simulator.arrange("slow", seconds=0.01)
        assert ask(simulator, number=DIGITS)["result"] == "ok"


class TestServer:
    def test_a_reset_wakes_the_slow_answers(self) -> None:
        exchange = Exchange()
        sleeper = threading.Thread(target=exchange.pause, args=(60,), daemon=True)
        sleeper.start()
        deadline = time.monotonic() + 5
        while sleeper.is_alive() and time.monotonic() < deadline:
            exchange.reset()
            sleeper.join(0.01)
        assert not sleeper.is_alive()

    def test_the_memory_is_bounded_and_the_count_is_not(self) -> None:
        exchange = Exchange()
        for _ in range(600):
            exchange.receive(Received("", "{}"))
        assert exchange.requests_received == 600
        assert len(exchange.requests) == 500

    def test_a_stopped_simulator_answers_nobody(self, settings: LazySettings) -> None:
        settings.DEBUG = True
        with requests.Session() as session:
            with running_simulator() as simulator:
                session.get(simulator.handset_url, timeout=5)
            with pytest.raises(requests.exceptions.ConnectionError):
                session.get(simulator.handset_url, timeout=5)

    def test_parallel_requests_are_all_counted(self, simulator: RunningSimulator) -> None:
        callers = [
            threading.Thread(target=ask, args=(simulator,), kwargs={"number": DIGITS})
            for _ in range(20)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert simulator.requests_received == 20
        assert len({call.id for call in simulator.calls}) == 20
