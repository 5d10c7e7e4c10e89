"""Mark calls whose answer will not come any more, and look whether calls still come through."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from django_flashcall.reports import watch_conversion
from django_flashcall.services import sweep_attempts


class Command(BaseCommand):
    """Turns attempts that a killed process left behind into *unknown*; safe at any time."""

    help = "Marks calls as unknown whose answer will not come any more. Run it from cron."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, and say how many there were."""
        self.stdout.write(f"{sweep_attempts()} attempts are now unknown.")
        watch_conversion(now=timezone.now())
