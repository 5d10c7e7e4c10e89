"""mobilgroup's answers, and the provider that asks for them."""

from __future__ import annotations

import json
from typing import Any

from django_flashcall.providers.mobilgroup import MobilgroupProvider
from tests.wire import Server

KEY = "key-of-the-site"
#: The number and the answer of the description's examples.
EXAMPLE_NUMBER = "+79999999999"
OK = {"result": "ok", "id": "1234", "number": "79999999999", "price": "0.35", "code": "1234"}


def answer(api: Server, *, status: str = "200 OK", **changes: Any) -> None:
    """Answer as the description does, with ``changes``."""
    api.answers(json.dumps(OK | changes).encode(), status=status)


def provider_at(api: Server, **options: Any) -> MobilgroupProvider:
    """Return a provider that asks this server."""
    return MobilgroupProvider(api_key=KEY, url=api.url, **options)


def short(value: object) -> str:
    """Return a name for a value of a table; text and numbers differ."""
    return repr(value)[:40]
