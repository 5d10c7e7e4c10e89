"""Messages of system checks, shortened."""

from __future__ import annotations

from django.core.checks import CheckMessage


def ids(messages: list[CheckMessage]) -> list[str]:
    """Return the ids without the name of the app."""
    return [str(message.id).removeprefix("django_flashcall.") for message in messages]
