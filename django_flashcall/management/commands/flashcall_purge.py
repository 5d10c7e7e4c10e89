"""Delete personal data that is old enough."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from django_flashcall.purging import purge


class Command(BaseCommand):
    """Forgets what is older than ``KEEP``; safe at any time, several at once, and to be killed."""

    help = (
        "Deletes verifications with their attempts, and numbers that are nobody's, once "
        "FLASHCALL['KEEP'] has passed over them. Run it daily, from cron."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Purge, and say how much is gone."""
        gone = purge(now=timezone.now())
        self.stdout.write(
            f"Deleted: {gone.verifications} verifications, {gone.phones} numbers, "
            f"{gone.hours} hours of blocks."
        )
