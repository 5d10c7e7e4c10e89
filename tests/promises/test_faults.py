"""What the provider may do to a call, and what becomes of it: requests, record, money, and words.

A server on real sockets plays the provider; pages, services and mobilgroup's wire are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
import trustme
from django.test import Client
from django.utils import timezone

from django_flashcall.choices import AttemptStatus, Channel
from django_flashcall.models import VerificationAttempt
from django_flashcall.providers.http import MAX_BODY
from tests import wire
from tests.browser import Page
from tests.constants import DIGITS
from tests.factories import PriceFactory
from tests.logins import spent
from tests.wire import Server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("authority")]


API_KEY = "canary-key-of-the-site"


OK = {"result": "ok", "id": "1234", "number": DIGITS, "price": "0.40", "code": "4217"}


Arrange = Callable[[Server], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is recorded of the call, and the sentence that the visitor reads."""

    status: str
    error_code: str = ""
    reserved: str = "0.35"
    price: str | None = None
    spent: str = "0.35"
    text: str


CALLING = Outcome(
    status=AttemptStatus.ACCEPTED,
    price="0.40",
    spent="0.40",
    text="Look at the calling number and enter its last 4 digits.",
)


CALLING_FOR_AN_ABSURD_PRICE = replace(CALLING, price="99999999", spent="3.50")
CALLING_FOR_WHO_KNOWS_WHAT = Outcome(
    status=AttemptStatus.ACCEPTED,  # the expected price counts as spent
    text="Look at the calling number and enter its last 4 digits.",
)


NOT_PLACED = Outcome(
    status=AttemptStatus.REJECTED,
    error_code="not_sent",
    reserved="0",
    spent="0",
    text="We cannot call +7 999 123-45-67 at the moment.",
)


NOBODY_KNOWS = Outcome(
    status=AttemptStatus.UNKNOWN,
    text="We do not know whether the call to +7 999 123-45-67 came through.",
)


BILLED_FOR_NOTHING = replace(NOBODY_KNOWS, price="0.40", spent="0.40")


def refused_for(error_code: str, *, text: str = NOT_PLACED.text) -> Outcome:
    return Outcome(
        status=AttemptStatus.REJECTED, error_code=error_code, reserved="0", spent="0", text=text
    )


def says(body: bytes, *, status: str = "200 OK", **headers: str) -> Arrange:
    return lambda server: server.answers(body, status=status, **headers)


def replies(*, status: str = "200 OK", **changes: Any) -> Arrange:
    """Answer as the API description does, but for the ``changes``; ``...`` leaves a key out."""
    reply = {key: value for key, value in (OK | changes).items() if value is not ...}
    return says(json.dumps(reply).encode(), status=status)


def errs(error_code: Any, *, status: str = "200 OK") -> Arrange:
    return says(json.dumps({"result": "error", "error_code": error_code}).encode(), status=status)


def does(script: wire.Script) -> Arrange:
    return lambda server: setattr(server, "script", script)


def begins(script: wire.Script) -> Arrange:
    return lambda server: setattr(server, "before", script)


def certified(**certificate: Any) -> Arrange:
    return lambda server: setattr(server, "tls", wire.shaking_hands(**certificate))


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


HEAD = b"HTTP/1.1 200 OK\r\n"


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


GOOD_BODY = json.dumps(OK).encode()


GOOD = wire.response(GOOD_BODY)


CUT = GOOD[:-10]


HTML = b"<html><h1>Bad Gateway</h1></html>"


DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000


LONG = b'{"result":"ok","id":' + b"1" * 5000 + b',"code":"4217"}'


TWICE = b'{"result":"ok","code":"4217","code":"9999"}'


NAN = b'{"result":"ok","price":NaN,"code":"4217"}'


BOM = b"\xef\xbb\xbf" + json.dumps(OK).encode()


# What the provider does | requests that reached it | what becomes of the call
FAULTS: dict[str, tuple[Arrange, int, Outcome]] = {
    # Nothing is wrong, or nothing that matters.
    "all is well": (replies(), 1, CALLING),
    "a status that is not 200": (replies(status="201 Created"), 1, CALLING),
    "HTTP 500 with a good reply": (replies(status="500 Oops"), 1, CALLING),
    "a byte order mark": (says(BOM), 1, CALLING),
    "an encoding that is none": (says(GOOD_BODY, Content_Encoding="identity"), 1, CALLING),
    "a header that is none and repeats our secrets": (
        does(wire.saying(HEAD + f"no header {DIGITS} {API_KEY}\r\n\r\n".encode() + GOOD_BODY)),
        1,
        CALLING,
    ),
    "unknown keys": (replies(balance="17.20", number_type=None), 1, CALLING),
    "an id that is a number": (replies(id=1234), 1, CALLING),
    "no id": (replies(id=...), 1, CALLING),
    "no number": (replies(number=...), 1, CALLING),
    "a number that is a number": (replies(number=int(DIGITS)), 1, CALLING),
    "a price that is a number": (replies(price=0.4), 1, CALLING),
    "a code that is a number": (replies(code=4217), 1, CALLING),
    # Wrong about money, and right about the call.
    "no price": (replies(price=...), 1, CALLING_FOR_WHO_KNOWS_WHAT),
    "a price that is null": (replies(price=None), 1, CALLING_FOR_WHO_KNOWS_WHAT),
    "a price with a comma": (replies(price="0,40"), 1, CALLING_FOR_WHO_KNOWS_WHAT),
    "a price below nothing": (replies(price="-0.40"), 1, CALLING_FOR_WHO_KNOWS_WHAT),
    "an absurd price": (replies(price="99999999"), 1, CALLING_FOR_AN_ABSURD_PRICE),
    "a price of 5000 digits": (replies(price="9" * 5000), 1, CALLING_FOR_WHO_KNOWS_WHAT),
    # The provider says no.
    "out of money": (errs("not_enough_money"), 1, refused_for("not_enough_money")),
    "an error with HTTP 403": (
        errs("authorisation_failed", status="403 Forbidden"),
        1,
        refused_for("authorisation_failed"),
    ),
    "an error with HTTP 500": (
        errs("user_disabled", status="500 Oops"),
        1,
        refused_for("user_disabled"),
    ),
    "an error of the number": (
        errs("number_not_valid"),
        1,
        refused_for("number_not_valid", text="cannot be reached this way"),
    ),
    "an error in free text": (errs("Описание ошибки"), 1, refused_for("Описание ошибки")),
    "an error of many lines": (errs("1\n2\r\n\x1b[31m3"), 1, refused_for("1�2���[31m3")),
    "an error without a name": (errs(None), 1, refused_for("unnamed")),
    # Certainly not placed: under TLS with the wrong server, no request was sent.
    "a certificate of nobody's": (certified(authority=trustme.CA()), 0, NOT_PLACED),
    "a certificate for another host": (certified(host="example.org"), 0, NOT_PLACED),
    "a certificate that has expired": (certified(not_after=LONG_AGO), 0, NOT_PLACED),
    "no TLS": (begins(wire.saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")), 0, NOT_PLACED),
    # It may have rung: nobody knows, nobody asks again, and it counts as spent.
    "a hang before reading": (begins(wire.deafness), 1, NOBODY_KNOWS),
    "a hang after reading": (does(wire.silence), 1, NOBODY_KNOWS),
    "a hang in the head": (does(wire.pausing(HEAD, seconds=5)), 1, NOBODY_KNOWS),
    "headers byte by byte": (does(wire.trickling(b"X: " + b"x" * 90, after=HEAD)), 1, NOBODY_KNOWS),
    "a body byte by byte": (does(wire.trickling(b" " * 90, after=HEAD + b"\r\n")), 1, NOBODY_KNOWS),
    "a 100 Continue without end": (
        does(wire.repeating(CONTINUE, after=CONTINUE)),
        1,
        NOBODY_KNOWS,
    ),
    "chunks without end": (does(wire.repeating(b"1\r\n \r\n", after=CHUNKED)), 1, NOBODY_KNOWS),
    "trailers without end": (
        does(wire.repeating(b"X: x\r\n", after=CHUNKED + b"0\r\n")),
        1,
        NOBODY_KNOWS,
    ),
    "hanging up": (does(wire.hanging_up), 1, NOBODY_KNOWS),
    "a reset after reading": (does(wire.resetting_after(b"")), 1, NOBODY_KNOWS),
    "a reset in the body": (does(wire.resetting_after(CUT)), 1, NOBODY_KNOWS),
    "the end in the body": (does(wire.saying(CUT)), 1, NOBODY_KNOWS),
    "a body without end": (
        does(wire.saying(HEAD + b"\r\n" + b" " * 4 * MAX_BODY)),
        1,
        NOBODY_KNOWS,
    ),
    "a compressed body": (says(b"\x1f\x8b bomb", Content_Encoding="gzip"), 1, NOBODY_KNOWS),
    "no HTTP": (does(wire.saying(b"SSH-2.0-OpenSSH\r\n")), 1, NOBODY_KNOWS),
    "a redirect with a body without end": (
        does(wire.saying(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n" + b" " * 4 * MAX_BODY)),
        1,
        NOBODY_KNOWS,
    ),
    "HTTP 204": (says(b"", status="204 No Content"), 1, NOBODY_KNOWS),
    "an empty body": (says(b""), 1, NOBODY_KNOWS),
    "HTML": (says(HTML), 1, NOBODY_KNOWS),
    "HTTP 404 with HTML": (says(HTML, status="404 Not Found"), 1, NOBODY_KNOWS),
    "HTTP 429 with nothing": (says(b"", status="429 Slow Down"), 1, NOBODY_KNOWS),
    "HTTP 502 with HTML": (says(HTML, status="502 Bad Gateway"), 1, NOBODY_KNOWS),
    "HTTP 503 with other JSON": (
        says(b'{"error": "maintenance"}', status="503 Later"),
        1,
        NOBODY_KNOWS,
    ),
    "deep nesting": (says(DEEP), 1, NOBODY_KNOWS),
    "NaN": (says(NAN), 1, NOBODY_KNOWS),
    "a number of 5000 digits": (says(LONG), 1, NOBODY_KNOWS),
    "a key twice": (says(TWICE), 1, NOBODY_KNOWS),
    "no result": (replies(result=...), 1, NOBODY_KNOWS),
    "another number": (replies(number="79991234568"), 1, BILLED_FOR_NOTHING),
    "no code": (replies(code=...), 1, BILLED_FOR_NOTHING),
    "a code that is null": (replies(code=None), 1, BILLED_FOR_NOTHING),
    "a short code": (replies(code="421"), 1, BILLED_FOR_NOTHING),
    "a long code": (replies(code="42170"), 1, BILLED_FOR_NOTHING),
    "a code with letters": (replies(code="42I7"), 1, BILLED_FOR_NOTHING),
    "a code of other digits": (replies(code="٤٢١٧"), 1, BILLED_FOR_NOTHING),
}


@pytest.fixture
def server(flashcall: Any) -> Iterator[Server]:
    with wire.serving() as server:
        use(server, flashcall)
        yield server


@pytest.fixture(autouse=True)
def prices() -> None:
    PriceFactory(channel="", amount=Decimal("0.35"), valid_from=timezone.now())


def use(server: Server, flashcall: Any, **options: Any) -> None:
    seconds = {"connect_timeout": 1, "read_timeout": 0.3, "total_timeout": 0.6}
    timeouts = {name: timedelta(seconds=value) for name, value in seconds.items()}
    flashcall(
        PROVIDER="django_flashcall.providers.mobilgroup.MobilgroupProvider",
        OPTIONS={"api_key": API_KEY, "url": server.url, **timeouts, **options},
    )


def start(client: Client) -> Any:
    return client.post("/phone/login/", {"number": "8 (999) 123-45-67"})


FLASH_CALL, VOICE, SMS = Channel.FLASH_CALL, Channel.VOICE, Channel.SMS


ACCEPTED, UNKNOWN = AttemptStatus.ACCEPTED, AttemptStatus.UNKNOWN


# Channel | whose code | what the reply names as code | what is known of the call
NEEDED = [
    (FLASH_CALL, "theirs", "4217", ACCEPTED),
    (FLASH_CALL, "theirs", ..., UNKNOWN),
    (FLASH_CALL, "ours", ..., ACCEPTED),
    (FLASH_CALL, "ours", "4217", ACCEPTED),  # the reply wins
    (VOICE, "theirs", "4217", ACCEPTED),
    (VOICE, "theirs", ..., UNKNOWN),
    (VOICE, "ours", ..., ACCEPTED),
    (SMS, "the call's", ..., ACCEPTED),
    (SMS, "the call's", "9999", ACCEPTED),  # whatever it says: it carries the call's
]


def replies_with_another(server: Server, connection: Any) -> None:
    """Say four digits, and not those that were asked for."""
    asked = int(json.loads(server.requests[-1].body)["voice"]["code"])
    reply = OK | {"code": f"{(asked + 1) % 10_000:04}"}
    connection.sendall(wire.response(json.dumps(reply).encode()))


def code_of(server: Server, code: Any) -> str:
    """Return what the visitor saw, heard or read."""
    asked = json.loads(server.requests[-1].body)
    if "sms" in asked:
        return "4217"
    if code is not ...:
        return str(code)
    return str(asked.get("voice", asked.get("flashcall", {}))["code"])


class TestFaults:
    @pytest.mark.parametrize(("arrange", "requests", "outcome"), FAULTS.values(), ids=FAULTS)
    def test_a_call_ends_in_a_state_that_has_a_name(
        self,
        arrange: Arrange,
        requests: int,
        outcome: Outcome,
        client: Client,
        flashcall: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(0)
        with wire.serving() as server:
            arrange(server)
            use(server, flashcall, url=server.url if requests else server.secure_url)
            page = Page(client.get(start(client).url).text).text
        assert len(server.requests) == requests
        attempt = VerificationAttempt.objects.get()
        assert (attempt.status, attempt.error_code) == (outcome.status, outcome.error_code)
        assert attempt.reserved == Decimal(outcome.reserved)
        assert attempt.price == (Decimal(outcome.price) if outcome.price else None)
        assert spent() == Decimal(outcome.spent)
        assert outcome.text in page
        assert DIGITS not in caplog.text
        assert API_KEY not in caplog.text
        assert all(len(line.splitlines()) == 1 for line in caplog.messages)
        assert not any(record.exc_info for record in caplog.records)

    @pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
    def test_a_redirect_is_unknown_and_is_not_followed(
        self, server: Server, client: Client, status: str
    ) -> None:
        with wire.serving() as elsewhere:
            server.answers(b"", status=f"{status} Elsewhere", Location=elsewhere.url)
            page = Page(client.get(start(client).url).text).text
        assert NOBODY_KNOWS.text in page
        assert VerificationAttempt.objects.get().status == AttemptStatus.UNKNOWN
        assert (len(server.requests), elsewhere.connections) == (1, 0)

    @pytest.mark.parametrize(
        "url",
        [
            pytest.param("http://127.0.0.1:1/", id="a closed door"),
            pytest.param("http://nowhere.invalid/", id="a name that leads nowhere"),
            pytest.param("nonsense", id="no address at all"),
        ],
    )
    def test_a_provider_that_is_not_reached_costs_nothing(
        self, server: Server, client: Client, flashcall: Any, url: str
    ) -> None:
        use(server, flashcall, url=url)
        page = Page(client.get(start(client).url).text).text
        assert NOT_PLACED.text in page
        assert VerificationAttempt.objects.get().error_code == "not_sent"
        assert spent() == 0


class TestCodes:
    @pytest.mark.parametrize(("channel", "whose", "code", "status"), NEEDED, ids=str)
    def test_the_code_that_a_reply_must_name_depends_on_the_channel(
        self,
        channel: str,
        whose: str,
        code: Any,
        status: str,
        server: Server,
        client: Client,
        flashcall: Any,
    ) -> None:
        use(
            server,
            flashcall,
            flash_code=whose == "ours",
            voice_code="own" if whose == "ours" else "caller",
        )
        with time_machine.travel(timezone.now()) as clock:
            if channel == SMS:
                replies(code="4217")(server)
                page = start(client)
                clock.shift(timedelta(seconds=60))
                replies(code=code, number=..., id=...)(server)
                client.post(page.url, {"channel": "sms", "attempt_count": "1"})
            else:
                flashcall(CHANNELS=[channel])
                replies(code=code)(server)
                page = start(client)
            attempt = VerificationAttempt.objects.last()
            assert (attempt.channel, attempt.status) == (channel, status)
            if status == ACCEPTED:
                assert client.post(page.url, {"code": code_of(server, code)}).url == "/welcome/"

    def test_a_voice_that_speaks_another_code_than_ours_is_unknown(
        self, server: Server, client: Client, flashcall: Any
    ) -> None:
        use(server, flashcall)
        flashcall(CHANNELS=[VOICE])
        server.script = lambda connection, ended: replies_with_another(server, connection)
        start(client)
        assert VerificationAttempt.objects.get().status == UNKNOWN
