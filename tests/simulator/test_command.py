"""``manage.py flashcall_simulator``, as a process of its own where that matters."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from tests.constants import DIGITS, ROOT

RUN = """
import os, sys
from django.conf import settings
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
settings.DEBUG = True
settings.ROOT_URLCONF = "nowhere"
settings.MIDDLEWARE = ["nowhere.Middleware"]
execute_from_command_line(["manage.py", "flashcall_simulator", *sys.argv[1:]])
"""


@pytest.fixture
def process(interruptible: None) -> Iterator[subprocess.Popen[str]]:
    """Run the command in a site whose URLs and middleware do not even exist."""
    started = subprocess.Popen(
        [sys.executable, "-u", "-c", RUN, "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        yield started
        started.kill()


def printed(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return what the command says of itself before it serves."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    return {name: value.strip() for name, _, value in (line.partition(": ") for line in lines)}


class TestCommand:
    def test_the_command_serves_the_simulator_whatever_the_site_is(
        self,
        process: subprocess.Popen[str],
    ) -> None:
        said = printed(process)
        headers = {"Authorization": said["API key"]}
        answer = requests.post(said["API"], json={"number": DIGITS}, headers=headers, timeout=10)
        assert answer.json()["result"] == "ok"
        assert "<mark>" in requests.get(said["Handset"], timeout=10).text

    def test_ctrl_c_ends_it_without_a_traceback(self, process: subprocess.Popen[str]) -> None:
        printed(process)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)
        assert output.strip() == "Stopped."
        assert errors == ""
        assert process.returncode == 0

    def test_it_does_not_run_without_debug(self) -> None:
        with pytest.raises(CommandError, match="only runs with DEBUG = True"):
            call_command("flashcall_simulator")

    def test_a_taken_port_is_one_clear_sentence(self, settings: Any) -> None:
        settings.DEBUG = True
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(CommandError, match=rf"^Cannot listen on 127\.0\.0\.1:{port} "):
                call_command("flashcall_simulator", port=port)

    def test_an_impossible_port_is_one_clear_sentence(self, settings: Any) -> None:
        settings.DEBUG = True
        with pytest.raises(CommandError, match="Cannot listen on"):
            call_command("flashcall_simulator", port=70000)
