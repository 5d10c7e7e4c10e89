"""Link the numbers that users have already, after a look at what there is."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_flashcall.adoption import Claim, Finding, link, survey
from django_flashcall.conf import get_settings
from django_flashcall.phone import mask


class Command(BaseCommand):
    """Reports what stands in ``USER_PHONE_FIELD``; with ``--apply`` it links what can be."""

    help = (
        "Reports what users have in USER_PHONE_FIELD, and with --apply links each number that "
        "exactly one of them has. It may be repeated at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to write, and where."""
        parser.add_argument("--apply", action="store_true", help="link them, not only report")
        parser.add_argument(
            "--report",
            type=Path,
            help="a CSV file, written anew, for the users whose number is not linked",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through all users, and count."""
        if not get_settings().USER_PHONE_FIELD:
            raise CommandError("Name the users' field in FLASHCALL['USER_PHONE_FIELD'] first.")
        claims = link(survey()) if options["apply"] else survey()
        counts = self._count(claims, report=options["report"])
        for finding in Finding:
            self.stdout.write(f"{counts[finding]:>9} {finding.label} ({finding})")
        if counts[Finding.LINK]:
            self.stdout.write(
                "Linked." if options["apply"] else "Nothing was changed: see --apply."
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
        # A leading + would be a formula to a spreadsheet.
        number = mask(claim.number).removeprefix("+")
        rows.writerow([claim.user, claim.finding, number])
    return claim.finding
