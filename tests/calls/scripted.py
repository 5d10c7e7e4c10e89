"""A provider that does what a test decides, and attempts for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django_flashcall.calls import dialing
from django_flashcall.choices import AttemptStatus, Channel
from django_flashcall.models import VerificationAttempt
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import LocMemProvider
from tests.constants import NUMBER
from tests.factories import AttemptFactory

#: The attempts as they were when the provider was asked.
seen: list[VerificationAttempt] = []


class ScriptedProvider(LocMemProvider):
    """Answers, or raises, what the test has put into ``outcome``."""

    outcome: Answer | Exception

    def _deliver(self, channel: Channel, number: str, *, code: str) -> Answer:
        super()._deliver(channel, number, code=code)
        seen.append(VerificationAttempt.objects.get())
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def requested(**kwargs: Any) -> VerificationAttempt:
    """Return an attempt that was not dialled yet."""
    row: dict[str, Any] = {
        "verification__phone__number": NUMBER,
        "status": AttemptStatus.REQUESTED,
        "sent_at": None,
        "provider_id": "",
        "price": None,
        "code": "",
        "reserved": Decimal("0.50"),
    }
    attempt: VerificationAttempt = AttemptFactory(**row | kwargs)
    return attempt


def dial(attempt: VerificationAttempt) -> VerificationAttempt:
    """Dial ``attempt`` and return it as it is in the database then."""
    dialing.dial(attempt.pk)
    attempt.refresh_from_db()
    return attempt
