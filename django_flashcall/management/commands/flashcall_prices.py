"""Export the price list to a CSV file, or import it from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_flashcall.operations.pricelist import (
    PriceListError,
    read_prices,
    save_prices,
    write_prices,
)


class Command(BaseCommand):
    """Exports the price list, or imports one, all rows or none."""

    help = "Exports the price list to a CSV file, or imports it from one, all rows or none."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        action = parser.add_mutually_exclusive_group(required=True)
        action.add_argument(
            "--export", type=Path, metavar="FILE", help="write the list to this file"
        )
        action.add_argument(
            "--import",
            type=Path,
            metavar="FILE",
            dest="source",
            help="read the list from this file",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Export or import."""
        try:
            if options["export"]:
                self._write(options["export"])
            else:
                self._read(options["source"])
        except UnicodeDecodeError as error:
            raise CommandError("The file cannot be used: save it as UTF-8.") from error
        except OSError as error:
            raise CommandError(f"The file cannot be used: {error}") from error

    def _write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            self.stdout.write(f"{write_prices(file)} prices written.")

    def _read(self, path: Path) -> None:
        with path.open(newline="", encoding="utf-8-sig") as file:
            try:
                prices = read_prices(file)
            except PriceListError as error:
                raise CommandError(f"Nothing was imported.\n{error}") from error
        self.stdout.write(f"{len(save_prices(prices))} prices read.")
