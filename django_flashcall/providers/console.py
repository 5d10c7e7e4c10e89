"""A provider for development: it writes calls to the terminal instead of placing them."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TextIO

from ..choices import Channel
from ..codes import draw_code
from .base import Answer, LocalProvider


class ConsoleProvider(LocalProvider):
    """Prints what a phone would show. No call is placed, so nothing is proved."""

    own_code_channels = frozenset({Channel.VOICE, Channel.SMS})
    sms_needs_call = False

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        """Print the calling number."""
        code = draw_code(length, number=number)
        caller = f"+7{'4950000000'[: 10 - length]}{code}"
        return self._print(f"call to {number} from {caller}", code=code)

    def voice(self, number: str, *, code: str = "") -> Answer:
        """Print what the voice says."""
        return self._print(f"voice call to {number}: {' '.join(code)}", code=code)

    def sms(self, number: str, *, call_id: str = "", code: str = "") -> Answer:
        """Print the message."""
        return self._print(f"SMS to {number}: {code}", code=code)

    def _print(self, line: str, *, code: str) -> Answer:
        self.stream.write(f"flashcall: {line}\n")
        self.stream.flush()
        return Answer(price=Decimal(0), code=code)
