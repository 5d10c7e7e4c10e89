"""Providers, dialers, backends and caches that fail in one way, for settings to name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage

from django_flashcall.backends import PhoneBackend
from django_flashcall.exceptions import NotSent, OutcomeUnknown
from django_flashcall.providers.base import Answer, BaseProvider
from django_flashcall.providers.locmem import LocMemProvider

#: What other tabs do while ``SlowProvider`` is asked, each once.
meanwhile: list[Callable[[], Any]] = []

#: What ``ask_hook`` asks.
hooks: list[Callable[[Any], str]] = []

#: What ``WatchedCache`` was asked.
commands: list[str] = []

#: The calls that ``enqueue`` was given.
queue: list[int] = []


def enqueue(attempt_id: int) -> None:
    """Only write down what a worker is to dial later."""
    queue.append(attempt_id)


def ignore(attempt_id: int) -> None:
    """Accept a task that no worker carries out."""


def fail(attempt_id: int) -> None:
    """Fail as a queue that cannot be reached."""
    raise ConnectionError("no broker")


def ask_hook(call: Any) -> str:
    """Ask the hook of a test about a call."""
    return hooks[-1](call)


class LostProvider(LocMemProvider):
    """Takes every order, and its answer is lost."""

    def _deliver(self, *args: Any, **kwargs: Any) -> Answer:
        super()._deliver(*args, **kwargs)
        raise OutcomeUnknown("read timed out")


class SlowProvider(LocMemProvider):
    """Lets other tabs act in the middle of its answer."""

    def _deliver(self, *args: Any, **kwargs: Any) -> Answer:
        answer = super()._deliver(*args, **kwargs)
        while meanwhile:
            meanwhile.pop(0)()
        return answer


class DeadProvider(LocMemProvider):
    """Cannot be reached."""

    def _deliver(self, *args: Any, **kwargs: Any) -> Answer:
        raise NotSent("connection refused")


class NamelessProvider(LocMemProvider):
    """Names no ids, which it need not."""

    def _deliver(self, *args: Any, **kwargs: Any) -> Answer:
        return replace(super()._deliver(*args, **kwargs), id="")


class BrokenProvider(LocMemProvider):
    """Fails with an error that contains all it knows."""

    def _deliver(self, channel: Any, number: str, *, code: str) -> Answer:
        super()._deliver(channel, number, code=code)
        raise RuntimeError(f"number {number}, key secret-api-key")


class ComplainingProvider(BaseProvider):
    """Reports an error to the system checks."""

    def check(self) -> list[CheckMessage]:
        """Report it."""
        return [CheckMessage(40, "The provider is switched off.", id="site.E001")]


class WithOwnSms(LocMemProvider):
    """Sends an SMS without a call before it."""

    sms_needs_call = False


class BrokenBackend(PhoneBackend):
    """Fails where users are judged."""

    def may_log_in(self, user: AbstractBaseUser) -> bool:
        """Fail."""
        raise RuntimeError("the table is gone")


class DeadCache(BaseCache):
    """A cache whose server refuses connections."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Fail as a socket does."""
        raise ConnectionRefusedError(111, "Connection refused")

    add = incr = delete = get


class WatchedCache(LocMemCache):
    """Writes down what it is asked."""

    def make_and_validate_key(self, key: Any, version: Any = None) -> Any:
        """Note the method that needs the key."""
        commands.append(sys._getframe(1).f_code.co_name)
        return super().make_and_validate_key(key, version=version)


class SilentCache(DeadCache):
    """A cache whose server is gone, with a client that is configured to ignore that."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Store nothing."""
        return False

    def incr(self, *args: Any, **kwargs: Any) -> int:
        """Find nothing."""
        raise ValueError("no such key")


class MuteCache(LocMemCache):
    """A cache that stores nothing and reports no error."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Store nothing."""
        return False

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        """Find nothing."""
        return default
