"""Tests."""

from __future__ import annotations

import io
import re
from decimal import Decimal

import pytest

from django_flashcall.choices import Channel
from django_flashcall.codes import read_code
from django_flashcall.providers.console import ConsoleProvider
from tests.constants import NUMBER


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def provider(stream: io.StringIO) -> ConsoleProvider:
    return ConsoleProvider(stream=stream)


class TestFlashCall:
    @pytest.mark.parametrize("length", range(4, 9))
    def test_shows_a_calling_number_that_ends_in_the_code(
        self, provider: ConsoleProvider, stream: io.StringIO, length: int
    ) -> None:
        code = provider.flash_call(NUMBER, length=length).code

        line = stream.getvalue()
        assert len(code) == length
        assert re.fullmatch(rf"flashcall: call to \+79991234567 from \+7\d*{code}\n", line)

    @pytest.mark.parametrize("length", range(4, 9))
    def test_shows_a_number_that_can_be_pasted_whole(
        self, provider: ConsoleProvider, stream: io.StringIO, length: int
    ) -> None:
        code = provider.flash_call(NUMBER, length=length).code
        caller = stream.getvalue().split()[-1]

        assert read_code(caller, lengths={length}) == [code]


class TestVoiceAndSms:
    def test_a_voice_is_written_digit_by_digit(
        self, provider: ConsoleProvider, stream: io.StringIO
    ) -> None:
        answer = provider.voice(NUMBER, code="0042")

        assert stream.getvalue() == "flashcall: voice call to +79991234567: 0 0 4 2\n"
        assert (answer.code, answer.price) == ("0042", Decimal(0))

    def test_an_sms_is_written_with_its_code(
        self, provider: ConsoleProvider, stream: io.StringIO
    ) -> None:
        provider.sms(NUMBER, code="0042")

        assert stream.getvalue() == "flashcall: SMS to +79991234567: 0042\n"

    def test_an_sms_needs_no_call_before_it(self) -> None:
        assert not ConsoleProvider.sms_needs_call
        assert ConsoleProvider.own_code_channels == {Channel.VOICE, Channel.SMS}


class TestOptions:
    def test_the_terminal_is_the_default(self, capsys: pytest.CaptureFixture[str]) -> None:
        ConsoleProvider().sms(NUMBER, code="0042")

        assert capsys.readouterr().out == "flashcall: SMS to +79991234567: 0042\n"

    def test_production_refuses_it(self) -> None:
        [message] = ConsoleProvider().check_deploy()

        assert message.id == "django_flashcall.E010"
        assert "ConsoleProvider" in message.msg
        assert "MobilgroupProvider" in str(message.hint)
