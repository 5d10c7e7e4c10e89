"""Write the price list to a CSV file, or read it from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_flashcall.pricelist import PriceListError, read_prices, save_prices, write_prices


class Command(BaseCommand):
    """Exports the price list, or imports one: all of it, or nothing."""

    help = "Writes the price list to a CSV file, or reads it from one, all or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which way, and which file."""
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument("--export", type=Path, metavar="FILE", help="write the list to this file")
        way.add_argument(
            "--import", type=Path, metavar="FILE", dest="source", help="read it from this file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write or read."""
        try:
            if options["export"]:
                self._write(options["export"])
            else:
                self._read(options["source"])
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"The file cannot be used: {error}") from error

    def _write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            self.stdout.write(f"{write_prices(file)} prices written.")

    def _read(self, path: Path) -> None:
        with path.open(newline="", encoding="utf-8-sig") as file:
            try:
                prices = read_prices(file)
            except PriceListError as error:
                raise CommandError(f"Nothing was read.\n{error}") from error
        self.stdout.write(f"{len(save_prices(prices))} prices read.")
