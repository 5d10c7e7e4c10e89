"""The canary: in every test it looks for numbers, codes and the key where they must not be."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from django.apps import apps
from django.core import mail
from django.db import connection
from django.db.models import CharField, Field, TextField
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_flashcall.providers import locmem
from django_flashcall.simulator.exchange import exchange

#: More digits in a row than a price, an id or a time has.
LONG_NUMBER = re.compile(r"[0-9]{10}")
#: The same as people write it.
WRITTEN = re.compile(r"(?:\+7|\b8)\s\(?[0-9]{3}\)?\s[0-9]{3}([-\u2011][0-9]{2}){2}")
#: The same in a header, where ids have as many, among letters.
IN_HEADER = re.compile(r"(?:(?<![\w-])|%2B)[0-9]{10,15}(?![\w-])")
#: The providers' key wherever the tests give one that matters.
KEY = "canary-key"

#: Columns that are for numbers and their beginnings, or that have as many digits.
NUMERIC = {"number", "prefix", "scope", "code_digest", "provider_id", "call_id"}

#: What was found in this test.
leaks: list[str] = []


class Listener(logging.Handler):
    """Reads all that is logged: nowhere the key, and of ours no code and no number in full."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line, with its traceback if it has one."""
        line = logging.Formatter("%(name)s %(message)s").format(record)
        line = re.sub(r"\battempt=[0-9]+", "", line)  # an id may have the digits of a code
        is_ours = record.name.partition(".")[0] == "django_flashcall"
        if KEY in line or (is_ours and (_holds_number(line) or _holds_code(line))):
            leaks.append(line)


def watching(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., Any]:
    """Look at every answer of the site, its headers and cookies, and at the visitor's session."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        leaks.extend(_leaks(request, response))
        return response

    return middleware


def mails() -> Iterator[str]:
    """Look at what was mailed."""
    for message in getattr(mail, "outbox", []):
        text = f"{message.subject}\n{message.body}"
        if KEY in text or _holds_number(text) or _holds_code(text):
            yield text


def dump() -> Iterator[str]:
    """Look at every text that the database keeps, but for the numbers' own fields."""
    if connection.needs_rollback:
        return  # as the test left it, nothing can be read
    with connection.cursor() as cursor:
        for label, is_ours, sql in _texts_of_tables():
            cursor.execute(sql)
            for row in cursor.fetchall():
                kept = "\n".join(str(text or "") for text in row)
                if KEY in kept or _holds_code(kept) or (is_ours and _holds_number(kept)):
                    yield f"{label} keeps a secret: {kept}"


@cache
def _texts_of_tables() -> list[tuple[str, bool, str]]:
    """Return each table's label, whether it is ours, and the statement that reads its texts."""
    quote, found = connection.ops.quote_name, []
    for model in apps.get_models():
        texts = [quote(field.column) for field in model._meta.concrete_fields if _is_free(field)]
        if texts:
            is_ours = model._meta.app_label == "django_flashcall"
            sql = f"SELECT {', '.join(texts)} FROM {quote(model._meta.db_table)}"  # noqa: S608
            found.append((model._meta.label, is_ours, sql))
    return found


def _is_free(field: Field[Any, Any]) -> bool:
    if field.attname in NUMERIC:
        return False
    is_text = isinstance(field, CharField | TextField)
    return is_text and field.model._meta.app_label not in ("contenttypes", "sessions")


def _leaks(request: HttpRequest, response: HttpResponseBase) -> Iterator[str]:
    # The length of a page may well have the digits of a code.
    told = {name: value for name, value in response.items() if name != "Content-Length"}
    headers = f"{told} {response.cookies.output()}"
    body = getattr(response, "content", b"").decode(errors="replace")
    session = getattr(request, "session", None)
    # Looked into only if the page has done so: else this would be the one to load it.
    kept = str(dict(session.items())) if session is not None and session.accessed else ""
    if KEY in headers + body + kept:
        yield f"the key at {request.path}"
    if IN_HEADER.search(headers):
        yield f"a number in the headers of {request.path}: {headers}"
    if re.search(rf"\+{LONG_NUMBER.pattern}", kept):
        yield f"a number in the session after {request.path}"
    if request.path.startswith("/simulator/"):
        return  # codes are shown there
    if request.path.startswith("/admin/"):
        # Links and forms are full of ids.
        body = re.sub(r'="[^"]*"', "", body)
    if _holds_code(headers + body + kept):
        yield f"a code at {request.path}"


def _holds_number(text: str) -> bool:
    return bool(LONG_NUMBER.search(text) or WRITTEN.search(text))


def _holds_code(text: str) -> bool:
    return any(
        re.search(rf"(?<![\w+-])(?<!\d\.){code}(?![\w+-])(?!\.\d)", text) for code in _codes()
    )


def _codes() -> set[str]:
    """Return the codes of the calls of this test, but those that look like years."""
    placed = {call.code for call in locmem.outbox} | {call.code for call in exchange.calls}
    spoken = {call.spoken for call in exchange.calls if call.spoken}
    return {code for code in placed | spoken if not code.startswith("20")}
