from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_flashcall.simulator.protocol import api_key
from django_flashcall.simulator.server import SimulatorServer


class Command(BaseCommand):
    """Serves the simulated provider, without the site."""

    help = "Serves the simulated provider, so that a site works without a provider account."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", default=8001, type=int, help="port to listen on")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The simulated provider only runs with DEBUG = True.")
        server = self.listen(host, port)
        try:
            self.announce(server)
            server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")
        finally:
            server.server_close()

    def announce(self, server: SimulatorServer) -> None:
        """Print the addresses and the API key."""
        self.stdout.write(
            f"API:     {server.api_address}\n"
            f"Handset: {server.address}\n"
            f"API key: {api_key()}\n"
            "Quit with Ctrl-C."
        )

    def listen(self, host: str, port: int) -> SimulatorServer:
        """Return a server on the port; raise ``CommandError`` if that is not possible."""
        try:
            return SimulatorServer(host=host, port=port)
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Cannot listen on {host}:{port} ({error}). Choose another --host or --port."
            ) from error
