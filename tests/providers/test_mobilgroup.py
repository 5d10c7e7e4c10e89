"""mobilgroup's API, by the examples of its description."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_flashcall.choices import ErrorCode
from django_flashcall.exceptions import NotSent, OutcomeUnknown, ProviderRefused
from django_flashcall.providers.base import Answer
from django_flashcall.providers.mobilgroup import URL, MobilgroupProvider
from tests import wire
from tests.providers.mobilgroup import EXAMPLE_NUMBER, KEY, OK, answer, provider_at, short
from tests.wire import Server

#: The examples 1 to 6 of the description, without their section "security".
FLASH_CALL = '{"number": "79999999999", "capacity": "4"}'


VOICE_OF_THE_CALLER = '{"number": "79999999999", "voice": {}}'


VOICE = '{"number": "79999999999", "voice": {"code": "1234"}}'


VOICE_REPEATED = '{"number": "79999999999", "voice": {"code": "1234", "repeat": "1"}}'


VOICE_FROM_OUR_NUMBER = (
    '{"number": "79999999999", "voice": {"code": "1234", "repeat": "1", "ani": "74959999999"}}'
)


SMS = '{"sms": {"id": "1234"}}'


def refuse(api: Server, error_code: Any, *, status: str = "200 OK") -> None:
    reply = {"result": "error", "error_code": error_code}
    api.answers(json.dumps(reply).encode(), status=status)


def ask(provider: MobilgroupProvider, example: str) -> None:
    """Ask for what ``example`` of the description asks for."""
    if example == SMS:
        provider.sms(EXAMPLE_NUMBER, call_id="1234")
    elif example == FLASH_CALL:
        provider.flash_call(EXAMPLE_NUMBER, length=4)
    else:
        provider.voice(EXAMPLE_NUMBER, code="1234" if "code" in example else "")


EXAMPLES = pytest.mark.parametrize(
    ("example", "options"),
    [
        pytest.param(FLASH_CALL, {}, id="1 flash call"),
        pytest.param(VOICE_OF_THE_CALLER, {"voice_code": "caller"}, id="2 voice, caller's digits"),
        pytest.param(VOICE, {"repeat": False}, id="3 voice, own code"),
        pytest.param(VOICE_REPEATED, {}, id="4 voice, own code twice"),
        pytest.param(VOICE_FROM_OUR_NUMBER, {"ani": "74959999999"}, id="5 voice, own number"),
        pytest.param(SMS, {}, id="6 SMS"),
    ],
)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)


@st.composite
def mutated_replies(draw: st.DrawFn) -> bytes:
    """Draw a good answer with some of its values replaced, or some of its bytes."""
    reply = OK | draw(st.dictionaries(st.sampled_from([*OK, "error_code", "x"]), JSON))
    body = json.dumps(reply, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=3)) + body[place + draw(st.integers(0, 9)) :]
    return body


class Tape:
    """A wire at whose end is always the same answer."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def post(self, *args: Any, **kwargs: Any) -> bytes:
        return self.body


def assert_named(body: bytes, *, length: int) -> None:
    """Read ``body`` on each channel: nothing but what the contract names comes out."""
    for whose in ("own", "caller"):
        provider: Any = MobilgroupProvider(api_key=KEY, voice_code=whose)
        provider.http_client = Tape(body)
        spoken = "0042" if whose == "own" else ""
        with suppress(ProviderRefused, OutcomeUnknown):
            answer = provider.voice(EXAMPLE_NUMBER, code=spoken)
            assert answer.code == (spoken or answer.code)
            assert_usable(answer, length=4)
    with suppress(ProviderRefused, OutcomeUnknown):
        assert_usable(provider.flash_call(EXAMPLE_NUMBER, length=length), length=length)
    with suppress(ProviderRefused, OutcomeUnknown):
        assert provider.sms(EXAMPLE_NUMBER, call_id="1").code == ""


def assert_usable(answer: Answer, *, length: int) -> None:
    assert re.fullmatch(f"[0-9]{{{length}}}", answer.code, re.ASCII)
    assert len(answer.id) <= 64
    assert answer.id.isprintable()
    assert answer.price is None or (answer.price.is_finite() and answer.price >= 0)


class TestRequest:
    @EXAMPLES
    def test_is_the_description_to_the_byte_with_the_key_in_the_header(
        self, api: Server, example: str, options: dict[str, Any]
    ) -> None:
        ask(provider_at(api, **options), example)

        [request] = api.requests
        assert request.line.startswith("POST ")
        assert request.body.decode() == example
        assert request.headers["authorization"] == KEY
        assert request.headers["content-type"] == "application/json"

    @EXAMPLES
    def test_is_the_description_with_the_key_in_the_body(
        self, api: Server, example: str, options: dict[str, Any]
    ) -> None:
        ask(provider_at(api, auth="body", **options), example)

        [request] = api.requests
        assert json.loads(request.body) == {"security": {"apiKey": KEY}, **json.loads(example)}
        assert "authorization" not in request.headers

    def test_asks_for_as_many_digits_as_a_code_has(self, api: Server) -> None:
        answer(api, code="123456")

        assert provider_at(api).flash_call(EXAMPLE_NUMBER, length=6).code == "123456"
        assert json.loads(api.requests[0].body)["capacity"] == "6"

    def test_names_our_code_of_a_flash_call_only_if_there_is_one(self, api: Server) -> None:
        provider_at(api, flash_code=True).flash_call(EXAMPLE_NUMBER, length=4, code="0042")

        assert json.loads(api.requests[0].body) == {
            "number": "79999999999",
            "capacity": "4",
            "flashcall": {"code": "0042"},
        }

    def test_goes_to_the_address_of_the_description_by_default(self) -> None:
        assert MobilgroupProvider(api_key=KEY).url == URL
        assert URL == "https://voice.mobilgroup.ru/api/voice-password/send/"


class TestRefusal:
    @pytest.mark.parametrize(
        "error_code",
        [
            "unknown_request",
            "authorisation_failed",
            "user_disabled",
            "number_is_empty",
            "number_not_valid",
            "number_not_permitted",
            "not_enough_money",
            "ani_phone_not_valid",
            "number_in_spam_list",
            "code_not_valid",
        ],
    )
    @pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "500 Oops"])
    def test_is_judged_by_the_body_whatever_the_status(
        self, api: Server, error_code: str, status: str
    ) -> None:
        refuse(api, error_code, status=status)

        with pytest.raises(ProviderRefused) as caught:
            provider_at(api).flash_call(EXAMPLE_NUMBER, length=4)

        assert caught.value.error_code == ErrorCode(error_code)

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("Описание ошибки", "Описание ошибки"),
            ("x" * 1000, "x" * 64),
            ("one\ntwo\x00\x1b[31m", "one�two��[31m"),
            ("\u202eevil", "�evil"),
            ("\ud800", "�"),
            (17, "17"),
            ("", "unnamed"),
            (None, "unnamed"),
            (True, "unnamed"),
            ({"code": 1}, "unnamed"),
        ],
        ids=short,
    )
    def test_that_is_not_listed_is_kept_as_it_came_but_short_and_printable(
        self, api: Server, sent: Any, kept: str
    ) -> None:
        refuse(api, sent)

        with pytest.raises(ProviderRefused) as caught:
            provider_at(api).flash_call(EXAMPLE_NUMBER, length=4)

        assert caught.value.error_code == kept

    @pytest.mark.parametrize(
        "ask_for",
        [
            pytest.param(lambda provider: provider.voice(EXAMPLE_NUMBER, code="1234"), id="voice"),
            pytest.param(lambda provider: provider.sms(EXAMPLE_NUMBER, call_id="1"), id="sms"),
        ],
    )
    def test_is_the_same_on_every_channel(self, api: Server, ask_for: Any) -> None:
        refuse(api, "not_enough_money")

        with pytest.raises(ProviderRefused, match="not_enough_money"):
            ask_for(provider_at(api))


class TestAnswer:
    def test_brings_id_price_and_code(self, api: Server) -> None:
        answered = provider_at(api).flash_call(EXAMPLE_NUMBER, length=4)

        assert (answered.id, answered.price, answered.code) == ("1234", Decimal("0.35"), "1234")

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("1234", "1234"),
            (1234, "1234"),
            (10**20, "1" + "0" * 20),
            ("x" * 100, "x" * 64),
            (None, ""),
            (False, ""),
            ([1], ""),
        ],
        ids=short,
    )
    def test_has_an_id_that_is_text_or_number(self, api: Server, sent: Any, kept: str) -> None:
        answer(api, id=sent)

        assert provider_at(api).flash_call(EXAMPLE_NUMBER, length=4).id == kept

    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            ("0.35", Decimal("0.35")),
            (0.35, Decimal("0.35")),
            (1, Decimal(1)),
            ("0", Decimal(0)),
            ("10000", Decimal(10000)),
            # too much, as whoever records it knows
            ("999999999.99", Decimal("999999999.99")),
            ("9" * 40, Decimal("9" * 40)),
            ("1e9", Decimal("1e9")),
            (1e30, Decimal("1e30")),
            (1e-7, Decimal("1e-7")),
            ("8" * 41, None),
            ("1e999999999999999999", None),
            ("9" * 5000, None),
            ("-0.35", None),
            ("0,35", None),
            ("free", None),
            ("NaN", None),
            ("sNaN", None),
            ("Infinity", None),
            ("1_000", None),
            ("٠.٣٥", None),
            ("", None),
            (None, None),
            (True, None),
            ([], None),
            ({"RUB": "0.35"}, None),
        ],
        ids=short,
    )
    def test_is_used_whatever_it_says_about_money(
        self, api: Server, sent: Any, read: Decimal | None
    ) -> None:
        answer(api, price=sent)

        answered = provider_at(api).flash_call(EXAMPLE_NUMBER, length=4)

        assert answered.price == read
        assert answered.code == "1234"

    def test_without_a_price_is_used(self, api: Server) -> None:
        api.answers(b'{"result":"ok","id":"1","number":"79999999999","code":"1234"}')

        assert provider_at(api).flash_call(EXAMPLE_NUMBER, length=4).price is None

    @pytest.mark.parametrize(
        ("sent", "code"),
        [("0042", "0042"), (42, "0042"), (0, "0000"), (1234, "1234")],
    )
    def test_keeps_the_zeros_of_a_code(self, api: Server, sent: Any, code: str) -> None:
        answer(api, code=sent)

        assert provider_at(api).flash_call(EXAMPLE_NUMBER, length=4).code == code

    @pytest.mark.parametrize(
        "sent",
        [
            *("", None, True, 12.5, [], ["1234"], {"code": "1234"}),
            *("123", "12345", 12345, -123, 10**30, "12a4", "١٢٣٤", "²²²²", " 123", "XXXX"),
        ],
        ids=short,
    )
    def test_without_a_usable_code_is_unknown(self, api: Server, sent: Any) -> None:
        answer(api, code=sent)

        with pytest.raises(OutcomeUnknown, match="code") as caught:
            provider_at(api).flash_call(EXAMPLE_NUMBER, length=4)

        assert "1234" not in str(caught.value)
        assert len(api.requests) == 1

    def test_that_lacks_the_code_is_unknown(self, api: Server) -> None:
        api.answers(b'{"result":"ok","id":"1","number":"79999999999","price":"0.35"}')

        with pytest.raises(OutcomeUnknown, match="no code"):
            provider_at(api).flash_call(EXAMPLE_NUMBER, length=4)

    @pytest.mark.parametrize(
        "sent", ["79999999998", 79999999998, "", None, [], "9999999999"], ids=short
    )
    def test_about_another_number_is_unknown(self, api: Server, sent: Any) -> None:
        answer(api, number=sent)

        with pytest.raises(OutcomeUnknown, match="another number"):
            provider_at(api).flash_call(EXAMPLE_NUMBER, length=4)

    def test_may_write_the_number_as_a_number(self, api: Server) -> None:
        answer(api, number=79999999999)

        assert provider_at(api).flash_call(EXAMPLE_NUMBER, length=4).code == "1234"

    def test_after_a_byte_order_mark_is_read(self, api: Server) -> None:
        api.answers(b"\xef\xbb\xbf" + json.dumps(OK).encode())

        assert provider_at(api).flash_call(EXAMPLE_NUMBER, length=4).code == "1234"

    @pytest.mark.parametrize("status", ["200 OK", "502 Bad Gateway"])
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"<html>502 Bad Gateway</html>", id="HTML"),
            pytest.param(b"[]", id="list"),
            pytest.param(b"null", id="null"),
            pytest.param(b'"ok"', id="text"),
            pytest.param(b"{}", id="empty object"),
            pytest.param(b'{"result": "OK"}', id="another result"),
            pytest.param(b'{"result": ["ok"]}', id="result in a list"),
            pytest.param(b'{"result": "ok"', id="cut off"),
            pytest.param(b'{"result": "ok"} {}', id="two objects"),
            pytest.param(b'{"result": "ok", "price": NaN, "code": "1234"}', id="NaN"),
            pytest.param(b'{"result": "ok", "price": -Infinity, "code": "1234"}', id="infinity"),
            pytest.param(b'{"result": "ok", "code": "1234", "code": "4321"}', id="key twice"),
            pytest.param(b'{"result": "error", "result": "ok", "code": "1234"}', id="result twice"),
            pytest.param(b"[" * 60_000, id="deep"),
            pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="deep and complete"),
            pytest.param(b'{"result": "ok", "id": ' + b"1" * 5000 + b"}", id="endless number"),
            pytest.param(b'{"result": "\xff"}', id="not UTF-8"),
            pytest.param('{"result": "ok"}'.encode("utf-16"), id="UTF-16"),
        ],
        ids=short,
    )
    def test_that_is_none_is_unknown_and_nothing_is_repeated(
        self, api: Server, body: bytes, status: str
    ) -> None:
        api.answers(body, status=status)

        with pytest.raises(OutcomeUnknown):
            provider_at(api, total_timeout=timedelta(seconds=5)).flash_call(
                EXAMPLE_NUMBER, length=4
            )

        assert len(api.requests) == 1

    def test_that_never_comes_is_unknown(self, api: Server) -> None:
        api.script = wire.silence
        provider = provider_at(api, read_timeout=timedelta(seconds=0.3))

        with pytest.raises(OutcomeUnknown):
            provider.flash_call(EXAMPLE_NUMBER, length=4)

        assert len(api.requests) == 1

    def test_to_a_closed_port_was_never_sent(self) -> None:
        with wire.closed_port() as url, pytest.raises(NotSent):
            MobilgroupProvider(api_key=KEY, url=url).flash_call(EXAMPLE_NUMBER, length=4)


class TestFuzz:
    """Whatever comes, it is an answer with a usable code, a refusal, or unknown."""

    @given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
    def test_of_arbitrary_bytes(self, body: bytes) -> None:
        assert_named(body, length=4)

    @settings(max_examples=300)
    @given(body=mutated_replies(), length=st.integers(4, 8))
    def test_of_good_answers_mutated(self, body: bytes, length: int) -> None:
        assert_named(body, length=length)
