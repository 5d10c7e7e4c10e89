"""Mark calls whose answer will not come any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from django_flashcall.services import sweep_attempts


class Command(BaseCommand):
    """Turns attempts that a killed process left behind into *unknown*; safe at any time."""

    help = "Marks calls as unknown whose answer will not come any more. Run it from cron."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, and say how many there were."""
        self.stdout.write(f"{sweep_attempts()} attempts are now unknown.")
