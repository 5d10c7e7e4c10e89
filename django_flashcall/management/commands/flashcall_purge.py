"""Delete old personal data."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from django_flashcall.operations.purging import purge


class Command(BaseCommand):
    """Deletes old data. It is safe to run at any time and in parallel, and to kill."""

    help = (
        "Deletes verifications with their attempts, and unowned numbers, that are older than "
        "FLASHCALL['KEEP']. Run it daily from cron."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Purge, and report how many rows were deleted."""
        purged = purge(now=timezone.now())
        self.stdout.write(
            f"Deleted: {purged.verifications} verifications, {purged.phones} numbers, "
            f"{purged.hours} hours of blocks."
        )
