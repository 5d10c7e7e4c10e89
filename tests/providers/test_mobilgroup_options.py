"""What the options of the provider change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_flashcall.choices import Channel
from django_flashcall.exceptions import OutcomeUnknown
from django_flashcall.providers.mobilgroup import URL, MobilgroupProvider
from tests.providers.mobilgroup import EXAMPLE_NUMBER, KEY, answer, provider_at, short
from tests.wire import Server


class TestFlashCode:
    def test_of_the_answer_counts_if_it_names_one(self, api: Server) -> None:
        answer(api, code="9876")

        provider = provider_at(api, flash_code=True)

        assert provider.flash_call(EXAMPLE_NUMBER, length=4, code="1234").code == "9876"

    def test_counts_if_the_answer_names_none(self, api: Server) -> None:
        answer(api, code="")

        provider = provider_at(api, flash_code=True)

        assert provider.flash_call(EXAMPLE_NUMBER, length=4, code="1234").code == "1234"


class TestVoice:
    @pytest.mark.parametrize("sent", ["", None, "1234", 1234], ids=short)
    def test_speaks_our_code_whether_the_answer_repeats_it_or_not(
        self, api: Server, sent: Any
    ) -> None:
        answer(api, code=sent)

        assert provider_at(api).voice(EXAMPLE_NUMBER, code="1234").code == "1234"

    @pytest.mark.parametrize("sent", ["4321", "12345"])
    def test_that_spoke_another_code_is_unknown(self, api: Server, sent: str) -> None:
        answer(api, code=sent)

        with pytest.raises(OutcomeUnknown):
            provider_at(api).voice(EXAMPLE_NUMBER, code="1234")

    def test_speaks_the_callers_digits_which_the_answer_names(self, api: Server) -> None:
        answer(api, code="0042")

        assert provider_at(api, voice_code="caller").voice(EXAMPLE_NUMBER).code == "0042"

    def test_of_the_callers_digits_is_unknown_if_the_answer_names_none(self, api: Server) -> None:
        answer(api, code="")

        with pytest.raises(OutcomeUnknown, match="no code"):
            provider_at(api, voice_code="caller").voice(EXAMPLE_NUMBER)


class TestSms:
    @pytest.mark.parametrize("number", ["79999999998", 79999999998, "x"], ids=short)
    def test_about_another_number_is_unknown(self, api: Server, number: Any) -> None:
        answer(api, number=number)

        with pytest.raises(OutcomeUnknown, match="another number"):
            provider_at(api).sms(EXAMPLE_NUMBER, call_id="1234")

    @pytest.mark.parametrize(
        "body",
        [
            b'{"result":"ok"}',
            b'{"result":"ok","id":"1234","price":"2.1"}',
            b'{"result":"ok","id":1234,"number":"79999999999","price":"2.1","code":"1234"}',
            b'{"result":"ok","id":"1234","number":"","price":"2.1","code":""}',
            b'{"result":"ok","id":"1234","number":79999999999,"price":"2.1"}',
        ],
    )
    def test_need_not_repeat_anything(self, api: Server, body: bytes) -> None:
        api.answers(body)

        assert provider_at(api).sms(EXAMPLE_NUMBER, call_id="1234").code == ""


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "channels"),
        [
            ({}, {Channel.VOICE}),
            ({"voice_code": "caller"}, set()),
            ({"flash_code": True}, {Channel.VOICE, Channel.FLASH_CALL}),
            ({"flash_code": True, "voice_code": "caller"}, {Channel.FLASH_CALL}),
        ],
    )
    def test_say_on_which_channels_the_code_is_ours(
        self, options: dict[str, Any], channels: set[str]
    ) -> None:
        assert MobilgroupProvider(api_key=KEY, **options).own_code_channels == channels

    @pytest.mark.parametrize(
        ("total", "deadline"),
        [(25, timedelta(minutes=1)), (45, timedelta(seconds=90))],
    )
    def test_leave_the_sweep_time_enough(self, total: int, deadline: timedelta) -> None:
        provider = MobilgroupProvider(api_key=KEY, total_timeout=timedelta(seconds=total))

        assert provider.deadline == deadline

    def test_that_are_right_are_not_complained_of(self) -> None:
        assert MobilgroupProvider(api_key=KEY).check() == []
        assert MobilgroupProvider(api_key=KEY, auth="body", voice_code="caller").check() == []
        assert MobilgroupProvider(api_key=KEY, ani="74959999999", repeat=False).check() == []

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("api_key", ""),
            ("api_key", None),
            ("auth", "headers"),
            ("voice_code", "ours"),
            # Each of these would make every call fail, and be recorded as unknown.
            ("api_key", f"{KEY}\n"),
            ("api_key", "ключ"),
            ("url", "voice.mobilgroup.ru"),
            ("repeat", "1"),
            ("ani", "+74959999999"),
            ("ani", 74959999999),
            ("proxies", "http://proxy"),
            ("connect_timeout", 3),
            ("read_timeout", 20),
        ],
    )
    def test_that_are_wrong_are_named(self, option: str, value: Any) -> None:
        options = {"api_key": KEY, option: value}

        [message] = MobilgroupProvider(**options).check()

        assert message.id == "django_flashcall.E011"
        assert f"'{option}'" in message.msg
        assert KEY not in str(message)

    @pytest.mark.parametrize(
        ("url", "ids"),
        [
            (URL, []),
            ("https://vp.voicepassword.ru/api/voice-password/send/", []),
            ("http://voice.mobilgroup.ru/api/voice-password/send/", ["django_flashcall.E012"]),
            ("http://127.0.0.1:8000/simulator/", ["django_flashcall.E012"]),
        ],
    )
    def test_without_tls_are_refused_in_production(self, url: str, ids: list[str]) -> None:
        messages = MobilgroupProvider(api_key=KEY, url=url).check_deploy()

        assert [message.id for message in messages] == ids

    def test_without_tls_are_fine_at_home(self) -> None:
        assert MobilgroupProvider(api_key=KEY, url="http://127.0.0.1:8000/").check() == []

    def test_do_not_show_the_key(self) -> None:
        provider = MobilgroupProvider(api_key=KEY)

        assert KEY not in repr(provider)
        assert KEY not in repr(provider.http_client)
