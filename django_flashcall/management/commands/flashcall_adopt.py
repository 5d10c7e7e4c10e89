"""Report the numbers that users already have, and link them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_flashcall.conf import get_settings
from django_flashcall.operations.adoption import Claim, Finding, link, survey
from django_flashcall.phone import mask


class Command(BaseCommand):
    """Reports the numbers in ``USER_PHONE_FIELD``; with ``--apply``, links them to their users."""

    help = (
        "Reports the numbers in USER_PHONE_FIELD. With --apply, links each number that exactly one "
        "user has. It can be run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--apply", action="store_true", help="also link the numbers")
        parser.add_argument(
            "--report",
            type=Path,
            help="a CSV file to write, with the users whose number is not linked",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Report all users, and link their numbers with ``--apply``."""
        if not get_settings().USER_PHONE_FIELD:
            raise CommandError(
                "Set FLASHCALL['USER_PHONE_FIELD'] to the name of the user field first."
            )
        claims = link(survey()) if options["apply"] else survey()
        counts = self._count(claims, report=options["report"])
        for finding in Finding:
            self.stdout.write(f"{counts[finding]:>9} {finding.label} ({finding})")
        if counts[Finding.LINK]:
            self.stdout.write(
                "Linked." if options["apply"] else "Nothing was changed. Use --apply to link."
            )

    def _count(self, claims: Iterable[Claim], *, report: Path | None) -> Counter[Finding]:
        if report is None:
            return Counter(claim.finding for claim in claims)
        try:
            with report.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(["user", "finding", "number"])
                return Counter(_reported(claim, rows) for claim in claims)
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error}") from error


def _reported(claim: Claim, rows: Any) -> Finding:
    if claim.finding not in (Finding.LINK, Finding.KNOWN):
        # A leading plus would begin a formula in a spreadsheet.
        number = mask(claim.number).removeprefix("+")
        rows.writerow([claim.user, claim.finding, number])
    return claim.finding
