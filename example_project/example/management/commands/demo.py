"""Start the example site with everything it needs."""

from __future__ import annotations

import socket
import threading
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_flashcall.choices import Channel
from django_flashcall.models import Price
from django_flashcall.simulator.protocol import api_key
from django_flashcall.simulator.server import SimulatorServer

HOST = "127.0.0.1"

OPERATOR = "operator"

PRICES = {
    Channel.FLASH_CALL: Decimal("0.35"),
    Channel.VOICE: Decimal("0.70"),
    Channel.SMS: Decimal("1.60"),
}

WELCOME = """
Phone login, with a simulated provider: no call leaves this machine.

  Log in     http://{host}:{port}/phone/login/   (any Russian mobile number)
  Handset    {handset}   (shows the calls; open it next to the login page)
  Admin      http://{host}:{port}/admin/   ({operator} / {operator})
  Site       http://{host}:{port}/

Quit with Ctrl-C.
"""


class Command(BaseCommand):
    """Creates the database, starts the simulator, and serves the site."""

    help = "Starts the example site on SQLite, with the simulator as its provider."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for other ports."""
        parser.add_argument("--port", default=8000, type=int, help="port of the site (8000)")
        parser.add_argument(
            "--simulator-port", default=8001, type=int, help="port of the handset (8001)"
        )

    def handle(self, *args: Any, port: int, simulator_port: int, **options: Any) -> None:
        """Prepare the database, and serve the site until Ctrl-C."""
        if port == simulator_port:
            raise CommandError(
                "The site and the simulator need different ports: set --port or --simulator-port."
            )
        refuse_taken_port(port, option="--port")
        refuse_taken_port(simulator_port, option="--simulator-port")
        prepare_database()
        with SimulatorServer(host=HOST, port=simulator_port) as simulator:
            options = {"api_key": api_key(), "url": simulator.api_address}
            settings.FLASHCALL = {**settings.FLASHCALL, "OPTIONS": options}
            threading.Thread(target=simulator.serve_forever, daemon=True).start()
            self.stdout.write(
                WELCOME.format(host=HOST, port=port, handset=simulator.address, operator=OPERATOR)
            )
            self.stdout.flush()
            call_command("runserver", f"{HOST}:{port}", use_reloader=False, verbosity=0)


def refuse_taken_port(port: int, *, option: str) -> None:
    """Raise ``CommandError`` if ``port`` is already in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Cannot listen on port {port} ({error}). Is the demo already running? "
                f"Choose another port with {option}."
            ) from error


def prepare_database() -> None:
    """Migrate the database; create the operator and the price list if they are missing."""
    call_command("migrate", verbosity=0, interactive=False)
    users = get_user_model()._default_manager
    if not users.filter(username=OPERATOR).exists():
        users.create_superuser(OPERATOR, "", OPERATOR)
    if not Price.objects.exists():
        Price.objects.bulk_create(
            Price(channel=channel, amount=amount) for channel, amount in PRICES.items()
        )
