"""Mark attempts whose answer was lost, and watch the conversion."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from django_flashcall.operations.conversion import watch_conversion
from django_flashcall.services import sweep_attempts


class Command(BaseCommand):
    """Sets attempts of killed processes to *unknown*. It is safe to run at any time."""

    help = "Sets attempts to unknown if their answer can no longer arrive. Run it from cron."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, and report how many attempts were found."""
        self.stdout.write(f"{sweep_attempts()} attempts are now unknown.")
        watch_conversion(now=timezone.now())
