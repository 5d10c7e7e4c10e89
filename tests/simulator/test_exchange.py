"""The simulator's API against the provider's description, over real HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import requests

from django_flashcall.simulator.protocol import Kind
from django_flashcall.simulator.testing import RunningSimulator
from tests.constants import DIGITS
from tests.simulator_client import ask, ask_raw, refusal


class TestCalls:
    def test_a_flash_call_is_answered_in_the_words_of_the_description(
        self,
        simulator: RunningSimulator,
    ) -> None:
        answer = ask(simulator, number=DIGITS, capacity="4")
        (call,) = simulator.calls
        assert answer == {
            "result": "ok",
            "id": call.id,
            "number": DIGITS,
            "price": "0.35",
            "code": call.calling_number[-4:],
        }

    @pytest.mark.parametrize("capacity", ["1", "3", "6", "8"])
    def test_the_last_digits_of_the_calling_number_are_the_code(
        self, simulator: RunningSimulator, capacity: str
    ) -> None:
        code = ask(simulator, number=DIGITS, capacity=capacity)["code"]
        (call,) = simulator.calls
        assert len(code) == int(capacity)
        assert call.calling_number.endswith(code)
        assert call.calling_number.startswith("7495")
        assert len(call.calling_number) == 11

    def test_four_digits_are_the_code_unless_asked_otherwise(
        self, simulator: RunningSimulator
    ) -> None:
        assert len(ask(simulator, number=DIGITS)["code"]) == 4

    def test_a_flash_call_may_end_in_a_code_of_the_clients_own(
        self, simulator: RunningSimulator
    ) -> None:
        answer = ask(simulator, number=DIGITS, flashcall={"code": "0042"})
        assert answer["code"] == "0042"
        assert simulator.calls[0].calling_number.endswith("0042")

    def test_a_voice_call_speaks_the_last_digits_of_its_number(
        self, simulator: RunningSimulator
    ) -> None:
        answer = ask(simulator, number=DIGITS, voice={})
        (call,) = simulator.calls
        assert call.kind is Kind.VOICE
        assert answer["code"] == call.spoken == call.calling_number[-4:]
        assert answer["price"] == "0.70"

    def test_a_voice_call_speaks_the_code_it_is_given(self, simulator: RunningSimulator) -> None:
        answer = ask(simulator, number=DIGITS, voice={"code": "0042"})
        assert answer["code"] == simulator.calls[0].spoken == "0042"
        assert simulator.calls[0].speech.split() == ["0", "0", "4", "2"]

    def test_a_voice_call_speaks_twice_on_demand(self, simulator: RunningSimulator) -> None:
        ask(simulator, number=DIGITS, voice={"code": "0042", "repeat": "1"})
        assert simulator.calls[0].speech.split() == ["0", "0", "4", "2,", "0", "0", "4", "2"]

    def test_a_voice_call_comes_from_a_registered_number(self, simulator: RunningSimulator) -> None:
        voice = {"code": "1234", "repeat": "1", "ani": "74959999999"}
        ask(simulator, number=DIGITS, voice=voice)
        assert simulator.calls[0].calling_number == "74959999999"

    def test_an_unregistered_calling_number_is_refused(self, simulator: RunningSimulator) -> None:
        answer = ask(simulator, number=DIGITS, voice={"ani": "74950000000"})
        assert answer == refusal("ani_phone_not_valid")

    def test_a_site_registers_its_own_numbers(
        self, simulator: RunningSimulator, settings: Any
    ) -> None:
        settings.SIMULATOR_ANI = ["78120000000"]
        assert ask(simulator, number=DIGITS, voice={"ani": "78120000000"})["result"] == "ok"

    def test_an_sms_carries_the_code_of_the_call_it_names(
        self, simulator: RunningSimulator
    ) -> None:
        call = ask(simulator, number=DIGITS, capacity="4")
        ask(simulator, number="79160000000", capacity="4")
        sms = ask(simulator, sms={"id": call["id"]})
        assert sms == {
            "result": "ok",
            "id": simulator.calls[0].id,
            "number": DIGITS,
            "price": "1.60",
            "code": call["code"],
        }
        assert call["code"] in simulator.calls[0].text

    def test_an_sms_cannot_name_an_sms(self, simulator: RunningSimulator) -> None:
        call = ask(simulator, number=DIGITS)
        sms = ask(simulator, sms={"id": call["id"]})
        assert ask(simulator, sms={"id": sms["id"]}) == refusal("unknown_request")

    def test_an_sms_cannot_name_what_never_was(self, simulator: RunningSimulator) -> None:
        assert ask(simulator, sms={"id": "1"}) == refusal("unknown_request")


class TestRequests:
    @pytest.mark.parametrize(
        "document",
        [
            [],
            "text",
            None,
            {"number": 79991234567},
            {"number": DIGITS, "capacity": 4},
            {"number": DIGITS, "capacity": "0"},
            {"number": DIGITS, "capacity": "9"},
            {"number": DIGITS, "capacity": "²"},
            {"number": DIGITS, "capacity": "5", "voice": {}},
            {"number": DIGITS, "voice": "yes"},
            {"number": DIGITS, "voice": {"code": 1234}},
            {"number": DIGITS, "voice": {"code": "123"}},
            {"number": DIGITS, "voice": {"repeat": 1}},
            {"number": DIGITS, "voice": {"repeat": "2"}},
            {"number": DIGITS, "voice": {"speed": "1"}},
            {"number": DIGITS, "voice": {}, "flashcall": {"code": "1234"}},
            {"number": DIGITS, "settings": {"capacity": "4"}},
            {"number": DIGITS, "security": "simulator-key"},
            {"settings": {"number": DIGITS}},
            {"number": DIGITS, "sms": {"id": "1"}},
            {"sms": {}},
            {"sms": {"id": 1}},
        ],
    )
    def test_what_the_description_does_not_show_is_refused(
        self, simulator: RunningSimulator, document: Any
    ) -> None:
        assert ask_raw(simulator, document) == refusal("unknown_request")
        assert simulator.calls == ()

    @pytest.mark.parametrize("body", [b"", b"{", b"number=79991234567", b"\xff"])
    def test_what_is_no_json_is_refused(self, simulator: RunningSimulator, body: bytes) -> None:
        headers = {"Authorization": simulator.api_key}
        answer = requests.post(simulator.url, data=body, headers=headers, timeout=5)
        assert answer.json() == refusal("unknown_request")

    @pytest.mark.parametrize("number", ["", "+79991234567", "8 999 123", "abc", "٧٩٩٩١٢٣٤٥٦٧"])
    def test_a_number_is_digits_only(self, simulator: RunningSimulator, number: str) -> None:
        assert ask(simulator, number=number) == refusal("number_is_empty")

    def test_a_call_needs_a_number(self, simulator: RunningSimulator) -> None:
        assert ask(simulator, capacity="4") == refusal("number_is_empty")

    @pytest.mark.parametrize("number", ["7999123456", "799912345678", "89991234567", "0044", "123"])
    def test_a_number_must_lead_somewhere(self, simulator: RunningSimulator, number: str) -> None:
        assert ask(simulator, number=number) == refusal("number_not_valid")

    def test_the_key_may_stand_in_the_body(self, simulator: RunningSimulator) -> None:
        document = {"security": {"apiKey": simulator.api_key}, "number": DIGITS}
        answer = requests.post(simulator.url, json=document, timeout=5)
        assert answer.json()["result"] == "ok"
        assert simulator.calls[0].key == simulator.api_key

    @pytest.mark.parametrize(
        ("header", "security"),
        [
            ({}, {}),
            ({"Authorization": "wrong"}, {}),
            ({"Authorization": "Bearer simulator-key"}, {}),
            ({"Authorization": "wrong"}, {"apiKey": "simulator-key"}),
            ({}, {"apiKey": "wrong"}),
            ({}, {"apiKey": 1}),
            ({}, {"ApiKey": "simulator-key"}),
            ({}, "simulator-key"),
        ],
    )
    def test_another_key_opens_nothing(
        self, simulator: RunningSimulator, header: dict[str, str], security: Any
    ) -> None:
        document = {"security": security, "number": DIGITS}
        answer = requests.post(simulator.url, json=document, headers=header, timeout=5)
        assert answer.status_code == 200
        assert answer.json() == refusal("authorisation_failed")

    def test_a_site_chooses_its_own_key(self, simulator: RunningSimulator, settings: Any) -> None:
        settings.SIMULATOR_API_KEY = "another"
        assert simulator.api_key == "another"
        assert ask(simulator, number=DIGITS)["result"] == "ok"

    def test_only_post_is_answered(self, simulator: RunningSimulator) -> None:
        assert requests.get(simulator.url, timeout=5).status_code == 405

    def test_every_request_is_counted_and_only_calls_are_billed(
        self, simulator: RunningSimulator
    ) -> None:
        ask(simulator, number="")
        ask(simulator, number=DIGITS, capacity="4")
        ask(simulator, number=DIGITS, voice={})
        assert simulator.requests_received == 3
        assert simulator.exchange.billed == Decimal("1.05")
        assert '"voice"' in simulator.exchange.requests[0].body
        assert simulator.exchange.requests[0].authorization == simulator.api_key

    def test_the_latest_call_comes_first(self, simulator: RunningSimulator) -> None:
        ask(simulator, number=DIGITS)
        ask(simulator, number="79160000000")
        assert [call.number for call in simulator.calls] == ["79160000000", DIGITS]

    def test_the_key_is_not_in_what_a_failing_test_prints(
        self, simulator: RunningSimulator
    ) -> None:
        ask(simulator, number=DIGITS)
        assert simulator.api_key not in repr(simulator.calls)
        assert simulator.api_key not in repr(simulator.exchange.requests)
