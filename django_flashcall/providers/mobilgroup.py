"""The API «Авторизация по звонку / Flash-Call» of mobilgroup.ru.

It has one endpoint and six requests. All values are strings, as in the API description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

from django.core.checks import CheckMessage
from django.core.checks import Error as CheckError
from django.views.decorators.debug import sensitive_variables

from ..choices import Channel
from ..codes import SPOKEN_LENGTH, is_code
from ..conf import is_duration, is_flag, satisfies
from ..exceptions import OutcomeUnknown, ProviderRefused
from ..text import word
from .base import Answer, BaseProvider, Secret, UnusableAnswer
from .http import HttpClient

URL = "https://voice.mobilgroup.ru/api/voice-password/send/"

#: A number without a plus, as in the API description; empty for one of the provider's numbers.
ANI = re.compile(r"[0-9]{0,15}")

#: A JSON number that is not negative. Whether it is plausible is decided where it is recorded.
PRICE = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")

#: No key is longer, and a server refuses headers of many kilobytes.
MAX_KEY_LENGTH = 1000

#: What *requests* can use; SOCKS needs PySocks.
PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

#: A shorter time-out fails every call, and after a longer one the verification is over.
MIN_TIMEOUT, MAX_TIMEOUT = timedelta(milliseconds=100), timedelta(minutes=10)


class MobilgroupProvider(BaseProvider):
    """Calls through mobilgroup, or through a service with the same API at ``url``.

    ``auth`` is where the key is sent, ``"header"`` or ``"body"``. ``voice_code`` is what a voice
    call speaks: ``"own"`` (a code that we generate) or ``"caller"`` (the last digits of the calling
    number). ``repeat`` speaks the code twice. ``ani`` is one of your registered numbers, and voice
    calls come from it. ``flash_code`` requests flash calls from a number that ends in our code. It
    is not in the API description, but other clients use it. A code in the answer takes precedence.
    """

    def __init__(
        self,
        *,
        api_key: str,
        url: str = URL,
        auth: str = "header",
        voice_code: str = "own",
        repeat: bool = True,
        ani: str = "",
        flash_code: bool = False,
        connect_timeout: timedelta = timedelta(seconds=3),
        read_timeout: timedelta = timedelta(seconds=20),
        total_timeout: timedelta = timedelta(seconds=25),
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self.api_key = Secret(api_key if satisfies(_is_key, api_key) else "")
        self.url = url
        self.auth = auth
        self.voice_code = voice_code
        self.repeat = repeat
        self.ani = ani
        self.flash_code = flash_code
        speaks_own = satisfies(_is_one_of("own"), voice_code)
        own = {Channel.VOICE: speaks_own, Channel.FLASH_CALL: flash_code is True}
        self.own_code_channels = frozenset(channel for channel, is_own in own.items() if is_own)
        self.http_client = HttpClient(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            total_timeout=total_timeout,
            proxies={} if proxies is None else proxies,
        )

    @property
    def deadline(self) -> timedelta:
        """The time after which no answer will arrive: twice the total, at least one minute."""
        return max(super().deadline, 2 * self.http_client.total_timeout)

    @sensitive_variables()
    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Place a flash call. The answer has the last ``length`` digits of the calling number."""
        payload: dict[str, Any] = {"number": number.removeprefix("+"), "capacity": str(length)}
        if code:
            payload["flashcall"] = {"code": code}
        reply = self._ask(payload, number=number)
        answered = _read_code(reply, length=length)
        return _with_code(reply, code=answered or code)

    @sensitive_variables()
    def voice(self, number: str, *, code: str = "") -> Answer:
        """Place a voice call that speaks ``code``, or the end of the calling number."""
        spoken = {"code": code, "repeat": "1" if self.repeat else "", "ani": self.ani}
        voice = {key: value for key, value in spoken.items() if value}
        payload = {"number": number.removeprefix("+"), "voice": voice if code else {}}
        reply = self._ask(payload, number=number)
        answered = _read_code(reply, length=SPOKEN_LENGTH)
        if code and answered not in ("", code):
            raise UnusableAnswer("the code in the answer is not ours", _answer(reply, code=""))
        return _with_code(reply, code=answered or code)

    @sensitive_variables()
    def sms(self, number: str, *, call_id: str = "", code: str = "") -> Answer:
        """Send the code of the call ``call_id`` by SMS. The answer need not contain the code."""
        reply = self._ask({"sms": {"id": call_id}}, number="")
        if str(reply.get("number") or number).removeprefix("+") != number.removeprefix("+"):
            raise UnusableAnswer("the answer is for another number", _answer(reply, code=""))
        return _answer(reply, code="")

    def check(self) -> list[CheckMessage]:
        """Return an error for each invalid option."""
        return [
            CheckError(
                f"FLASHCALL['OPTIONS']['{option}'] is missing or invalid.",
                hint="The settings reference lists the options. The API key is in your account at "
                "the provider, under «Настройки» => «API».",
                id="django_flashcall.E011",
            )
            for option, test in OPTIONS.items()
            if not satisfies(test, self._option(option))
        ]

    def check_deploy(self) -> list[CheckMessage]:
        """Return an error if the URL is not https."""
        if not satisfies(_is_url, self.url) or urlsplit(self.url).scheme.lower() == "https":
            return []
        return [
            CheckError(
                "FLASHCALL['OPTIONS']['url'] is not https, so the API key and the numbers of "
                "visitors are sent without encryption.",
                hint=f"Use {URL}.",
                id="django_flashcall.E012",
            )
        ]

    def _option(self, name: str) -> Any:
        return getattr(self if hasattr(self, name) else self.http_client, name)

    def _ask(self, payload: dict[str, Any], *, number: str) -> dict[str, Any]:
        headers = {}
        if self.auth == "header":
            headers["Authorization"] = self.api_key
        else:
            payload["security"] = {"apiKey": self.api_key}
        body = self.http_client.post(self.url, payload, headers=headers)
        return read_reply(body, number=number.removeprefix("+"))


def read_reply(body: bytes, *, number: str) -> dict[str, Any]:
    """Parse the answer to a request for ``number`` (digits, empty for an SMS).

    Raises ``ProviderRefused`` for an error of the API, whatever the HTTP status, and
    ``OutcomeUnknown`` for anything that is not an answer of this API to this request.
    """
    reply = _read_json(body)
    if reply.get("result") == "error":
        raise ProviderRefused(word(reply.get("error_code")) or "unnamed")
    if reply.get("result") != "ok":
        raise OutcomeUnknown("the answer has no result")
    if number and str(reply.get("number", number)) != number:
        raise UnusableAnswer("the answer is for another number", _answer(reply, code=""))
    return reply


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise OutcomeUnknown("the answer is not JSON") from error
    if not isinstance(reply, dict):
        raise OutcomeUnknown("the answer is not an object")
    return reply


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is repeated")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _with_code(reply: dict[str, Any], *, code: str) -> Answer:
    if not code:
        raise UnusableAnswer("the answer has no code", _answer(reply, code=""))
    return _answer(reply, code=code)


def _answer(reply: dict[str, Any], *, code: str) -> Answer:
    return Answer(id=word(reply.get("id")), price=_read_price(reply.get("price")), code=code)


def _read_code(reply: dict[str, Any], *, length: int) -> str:
    """Return the code in the answer, empty if there is none.

    A JSON number has lost its leading zeros, which are restored.
    """
    code = reply.get("code", "")
    if isinstance(code, int) and not isinstance(code, bool):
        code = f"{code:0{length}}"
    if code in ("", None):
        return ""
    if not is_code(code, length=length):
        raise UnusableAnswer("the code in the answer is malformed", _answer(reply, code=""))
    return str(code)


def _read_price(price: Any) -> Decimal | None:
    # Decimal alone would also accept 1_000, Infinity and Arabic digits.
    text = str(price)
    return Decimal(text) if PRICE.fullmatch(text) else None


def _is_key(value: Any) -> bool:
    """Return whether the key can be sent in a header, and fits into one."""
    is_sent = value.isascii() and value.isprintable() and value == value.strip()
    return isinstance(value, str) and is_sent and 0 < len(value) <= MAX_KEY_LENGTH


def _is_ani(value: Any) -> bool:
    return isinstance(value, str) and bool(ANI.fullmatch(value))


def _is_one_of(*words: str) -> Callable[[Any], object]:
    return lambda value: isinstance(value, str) and value in words


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and _is_address(value, schemes=("http", "https"))


def _is_proxies(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(scheme, str) and _is_proxy(proxy) for scheme, proxy in value.items()
    )


def _is_proxy(value: Any) -> bool:
    address = value if "://" in value else f"http://{value}"
    return isinstance(value, str) and _is_address(address, schemes=PROXY_SCHEMES)


def _is_address(value: str, *, schemes: Collection[str]) -> bool:
    """Return whether ``value`` has a host, and a port that exists if it has any."""
    if not value.isprintable() or " " in value:
        return False
    parts = urlsplit(value)
    return parts.scheme.lower() in schemes and bool(parts.hostname) and parts.port != 0


_is_timeout = partial(is_duration, least=MIN_TIMEOUT, most=MAX_TIMEOUT)

#: The options, and the test that each must pass: with any other value, every call would fail.
OPTIONS: dict[str, Callable[[Any], object]] = {
    "api_key": _is_key,
    "url": _is_url,
    "auth": _is_one_of("header", "body"),
    "voice_code": _is_one_of("own", "caller"),
    "repeat": is_flag,
    "ani": _is_ani,
    "flash_code": is_flag,
    "proxies": _is_proxies,
    "connect_timeout": _is_timeout,
    "read_timeout": _is_timeout,
    "total_timeout": _is_timeout,
}
