"""The demo, used as a stranger does: over HTTP, from an empty folder, until Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.constants import ROOT

#: The demo must not run with the settings of the tests.
ENVIRONMENT = {key: os.environ[key] for key in os.environ if key != "DJANGO_SETTINGS_MODULE"}


EXAMPLE = ROOT / "example_project"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Demo:
    """The demo in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.simulator_port = free_port(), free_port()
        self.site = f"http://127.0.0.1:{self.port}"
        self.handset = f"http://127.0.0.1:{self.simulator_port}/"

    def command(self) -> list[str]:
        ports = ["--port", str(self.port), "--simulator-port", str(self.simulator_port)]
        return [sys.executable, str(self.folder / "manage.py"), "demo", *ports]

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                requests.get(f"{self.site}/", timeout=5)
            except requests.ConnectionError:
                time.sleep(0.1)  # a real process needs real time to open its port
            else:
                return
        raise AssertionError("the demo did not start")

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=20)[0]


@pytest.fixture
def demo(tmp_path: Path, interruptible: None) -> Iterator[Demo]:
    folder = tmp_path / "example_project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.sqlite3*"))
    demo = Demo(folder)
    demo.start()
    yield demo
    demo.process.kill()
    demo.process.wait()
    assert demo.process.stdout is not None
    demo.process.stdout.close()


def field(page: str, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert match is not None, page
    return match[1]


def post(session: requests.Session, page: requests.Response, **data: str) -> requests.Response:
    token = field(page.text, "csrfmiddlewaretoken")
    data |= {"csrfmiddlewaretoken": token}
    return session.post(page.url, data=data, headers={"Referer": page.url}, timeout=30)


def ring(demo: Demo, number: str) -> str:
    """Return the digits that the handset marks in the latest call to ``number``."""
    page = requests.get(demo.handset, params={"number": number}, timeout=10).text
    digits = re.sub(r"\D", "", re.findall(r"<mark>(.*?)</mark>", page)[0])
    return digits


class TestDemo:
    def test_a_visitor_logs_in_by_flash_call_and_the_operator_sees_its_price(
        self, demo: Demo
    ) -> None:
        visitor = requests.Session()
        page = visitor.get(f"{demo.site}/phone/login/", timeout=10)
        code_page = post(visitor, page, number="8 (999) 123-45-67", key=field(page.text, "key"))
        again = post(visitor, page, number="8 (999) 123-45-67", key=field(page.text, "key"))
        assert again.url == code_page.url  # the double click
        account = post(visitor, code_page, code=ring(demo, "79991234567"))
        assert "Your number is +7 999 123-45-67" in account.text

        operator = requests.Session()
        login = operator.get(f"{demo.site}/admin/login/?next=/admin/", timeout=10)
        post(operator, login, username="operator", password="operator")
        rows = operator.get(f"{demo.site}/admin/django_flashcall/verification/", timeout=10).text
        assert rows.count("0.35 RUB") == 1

    def test_ctrl_c_ends_it_cleanly_and_it_starts_again(self, demo: Demo) -> None:
        output = demo.stop()
        assert demo.process.returncode == 0
        assert f"{demo.site}/phone/login/" in output
        assert demo.handset in output
        assert f"{demo.site}/admin/" in output
        assert "Traceback" not in output
        demo.start()
        assert requests.get(f"{demo.site}/phone/login/", timeout=10).ok

    def test_a_taken_port_is_a_clear_error(self, demo: Demo) -> None:
        second = subprocess.run(
            demo.command(), capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT
        )
        assert second.returncode == 1
        assert "Choose another port with --port" in second.stderr
        assert "Traceback" not in second.stderr

    def test_its_own_tests_pass(self) -> None:
        tests = subprocess.run(
            [sys.executable, str(EXAMPLE / "manage.py"), "test", "example"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=ENVIRONMENT,
        )
        assert tests.returncode == 0, tests.stderr
        assert re.search(r"Ran [1-9]\d* tests", tests.stderr)
