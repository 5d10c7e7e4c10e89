"""Numbers, times, names and types that many tests share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import time_machine
from django.conf import settings

from django_flashcall.providers.locmem import Delivery
from django_flashcall.visitors.visitor import Visitor

#: The repository.
ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

#: The number that is called, and the same without ``+``, as typed, and as shown.
NUMBER = "+79991234567"
DIGITS = "79991234567"
TYPED = "8 (999) 123-45-67"
SHOWN = "+7 999 123-45-67"
#: Another number of the same block, and one of another block.
OTHER = "+79991234568"
DISTANT = "+79997654321"

#: Noon in Moscow, where the clock of the tests stops; and how that day began.
NOON = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 3, 21, 0, tzinfo=UTC)

VISITOR = Visitor(address="203.0.113.7")
PASSWORD = "correct horse"
LOGIN = "/phone/login/"
LOST = "/phone/login/?lost"
CONFIRM, CHANGE, AGAIN = "/phone/confirm/", "/phone/change/", "/phone/again/"
ADMIN = "/admin/django_flashcall"

MODEL_BACKEND = settings.AUTHENTICATION_BACKENDS[-1]
PHONE_BACKEND = "django_flashcall.backends.PhoneBackend"
LOCMEM = "django_flashcall.providers.locmem.LocMemProvider"
MOBILGROUP = "django_flashcall.providers.mobilgroup.MobilgroupProvider"

Outbox = list[Delivery]
Clock = time_machine.Traveller
