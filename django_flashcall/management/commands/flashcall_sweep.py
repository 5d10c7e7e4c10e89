"""Mark attempts whose answer was lost, and watch the conversion."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from django_flashcall.operations.conversion import watch_conversion
from django_flashcall.services import sweep_attempts


class Command(BaseCommand):
    """Sets attempts of killed processes to *unknown*. It is safe at any time."""

    help = "Sets attempts to unknown whose answer will not arrive any more. Run it from cron."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, and report how many attempts there were."""
        self.stdout.write(f"{sweep_attempts()} attempts are now unknown.")
        watch_conversion(now=timezone.now())
