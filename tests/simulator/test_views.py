"""The handset, its control requests, which are served only with ``DEBUG``."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from django_flashcall.simulator.forms import digits_of
from django_flashcall.simulator.testing import RunningSimulator
from tests.constants import DIGITS
from tests.simulator_client import ask, refusal


def page(simulator: RunningSimulator, path: str = "", language: str = "en") -> str:
    response = requests.get(
        simulator.handset_url + path, headers={"Accept-Language": language}, timeout=5
    )
    assert response.status_code == 200
    return response.text


def post(simulator: RunningSimulator, path: str, **request: Any) -> requests.Response:
    return requests.post(simulator.handset_url + path, timeout=5, **request)


class TestHandset:
    def test_an_untouched_handset_is_silent(self, simulator: RunningSimulator) -> None:
        assert "No calls yet." in page(simulator)

    def test_a_missed_call_marks_the_digits_that_are_the_code(
        self, simulator: RunningSimulator
    ) -> None:
        code = ask(simulator, number=DIGITS, capacity="6")["code"]
        marked = re.findall("<mark>(.*?)</mark>", page(simulator))
        assert [re.sub(r"\D", "", digits) for digits in marked] == [code]

    def test_a_missed_call_shows_which_number_it_rang(self, simulator: RunningSimulator) -> None:
        ask(simulator, number=DIGITS)
        assert "+7 999 123-45-67" in page(simulator, "calls/")

    def test_a_voice_call_shows_what_it_speaks(self, simulator: RunningSimulator) -> None:
        ask(simulator, number=DIGITS, voice={"code": "0042"})
        assert "<q>0\N{NO-BREAK SPACE}0\N{NO-BREAK SPACE}4\N{NO-BREAK SPACE}2</q>" in page(
            simulator
        )

    def test_an_sms_shows_its_text(self, simulator: RunningSimulator) -> None:
        call = ask(simulator, number=DIGITS)
        ask(simulator, sms={"id": call["id"]})
        assert f"Your code: {call['code']}" in page(simulator, "calls/")
        assert f"Ваш код: {call['code']}" in page(simulator, "calls/", "ru")

    def test_a_lost_call_does_not_ring(self, simulator: RunningSimulator) -> None:
        simulator.arrange("lost_call")
        ask(simulator, number=DIGITS)
        assert "No calls yet." in page(simulator)

    def test_the_latest_call_stands_first(self, simulator: RunningSimulator) -> None:
        ask(simulator, number=DIGITS)
        ask(simulator, number="79160000000")
        text = page(simulator, "calls/")
        assert text.index("+7 916") < text.index("+7 999")

    @pytest.mark.parametrize("number", [DIGITS, "%2B7 999 123-45-67"])
    def test_a_handset_may_belong_to_one_number(
        self, simulator: RunningSimulator, number: str
    ) -> None:
        ask(simulator, number=DIGITS)
        ask(simulator, number="79160000000")
        text = page(simulator, f"?number={number}")
        assert "+7 999 123-45-67" in text
        assert "+7 916 000-00-00" not in text
        assert f'data-source="/calls/?number={DIGITS}"' in text

    def test_a_strange_number_is_harmless(self, simulator: RunningSimulator) -> None:
        assert "<script>" not in page(simulator, "?number=<script>")

    def test_the_handset_speaks_the_browsers_language(self, simulator: RunningSimulator) -> None:
        assert '<html lang="en">' in page(simulator)
        russian = page(simulator, language="ru")
        assert '<html lang="ru">' in russian
        assert "Звонков пока не было." in russian

    def test_the_handset_needs_no_inline_script_or_style(self, simulator: RunningSimulator) -> None:
        ask(simulator, number=DIGITS)
        text = page(simulator)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=)|javascript:", text)

    def test_without_scripts_the_handset_refreshes_itself(
        self, simulator: RunningSimulator
    ) -> None:
        refresh = '<noscript><meta http-equiv="refresh" content="3"></noscript>'
        assert refresh in page(simulator)
        paused = page(simulator, "?paused=1")
        assert refresh not in paused
        assert "<script" not in paused

    def test_the_static_files_are_served(self, simulator: RunningSimulator) -> None:
        files = re.findall(r'(?:href|src)="/(\S+\.(?:css|js|svg))"', page(simulator))
        assert len(files) == 3
        assert all(page(simulator, file) for file in files)


class TestArranging:
    def test_a_fault_is_arranged_by_json(self, simulator: RunningSimulator) -> None:
        request = {"fault": "not_enough_money", "number": "+7 999 123-45-67", "times": 2}
        assert post(simulator, "control/", json=request).json() == {"result": "ok"}
        assert ask(simulator, number="79160000000")["result"] == "ok"
        assert ask(simulator, number=DIGITS) == refusal("not_enough_money")
        assert ask(simulator, number=DIGITS) == refusal("not_enough_money")
        assert ask(simulator, number=DIGITS)["result"] == "ok"

    def test_a_fault_is_arranged_by_the_form(self, simulator: RunningSimulator) -> None:
        answer = post(simulator, "control/", data={"fault": "slow", "seconds": "0"})
        assert answer.url == simulator.handset_url
        assert "Slow: it rings immediately" in answer.text
        (arranged,) = simulator.exchange.arranged
        assert (arranged.times, arranged.seconds) == (1, 0)

    @pytest.mark.parametrize(
        "request_",
        [
            {"json": {"fault": "nonsense"}},
            {"json": {"fault": "slow", "times": 0}},
            {"json": []},
            {"data": b"{", "headers": {"Content-Type": "application/json"}},
            {"data": {"fault": "nonsense"}},
            {"data": {"fault": "slow", "number": "x" * 33}},
        ],
    )
    def test_a_fault_that_is_none_is_refused(
        self, simulator: RunningSimulator, request_: dict[str, Any]
    ) -> None:
        assert post(simulator, "control/", **request_).status_code == 400
        assert simulator.exchange.arranged == ()

    def test_a_refused_form_stands_still_to_be_mended(self, simulator: RunningSimulator) -> None:
        answer = post(simulator, "control/", data={"fault": "slow", "times": "0"})
        assert 'aria-invalid="true"' in answer.text
        assert "http-equiv" not in answer.text

    def test_a_reset_forgets_everything(self, simulator: RunningSimulator) -> None:
        ask(simulator, number=DIGITS)
        simulator.arrange("slow")
        assert post(simulator, "control/reset/", json={}).json() == {"result": "ok"}
        assert simulator.calls == ()
        assert simulator.exchange.arranged == ()
        assert simulator.requests_received == 0
        assert simulator.exchange.billed == 0


class TestAddresses:
    @pytest.mark.parametrize("path", ["", "calls/", "control/", "control/reset/"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_nothing_is_served_without_debug(
        self, simulator: RunningSimulator, settings: Any, method: str, path: str
    ) -> None:
        settings.DEBUG = False
        answer = requests.request(method, simulator.handset_url + path, timeout=5)
        assert answer.status_code == 404
        assert answer.text == "The simulated provider only works while DEBUG is on."

    def test_the_api_is_not_served_without_debug(
        self, simulator: RunningSimulator, settings: Any
    ) -> None:
        settings.DEBUG = False
        answer = requests.post(simulator.url, json={"number": DIGITS}, timeout=5)
        assert answer.status_code == 404
        assert simulator.requests_received == 0

    def test_an_unknown_address_is_not_found(self, simulator: RunningSimulator) -> None:
        assert requests.get(simulator.handset_url + "nowhere/", timeout=5).status_code == 404

    @pytest.mark.parametrize("written", ["8 999 123-45-67", "+7 (999) 123-45-67", "79991234567"])
    def test_a_number_is_understood_however_it_is_written(self, written: str) -> None:
        assert digits_of(written) == "79991234567"
