"""The tests' site as production serves it: gunicorn, four processes, the database of the test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from django.db import connection

from tests.browser import Page
from tests.constants import ROOT

WORKERS = 4

WSGI = """\
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""
SETTINGS = """\
import datetime
from decimal import Decimal

from tests.settings import *

DATABASES["default"]["NAME"] = {database!r}
FLASHCALL = {flashcall!r}
"""


@dataclass(frozen=True, kw_only=True)
class Served:
    """Where the site is, and the process that minds its workers."""

    url: str
    master: subprocess.Popen[bytes]

    def restart(self) -> None:
        """Replace all workers by new ones, which know nothing of what the old ones had cached."""
        old = self.workers()
        self.master.send_signal(signal.SIGHUP)
        until(lambda: len(self.workers() - old) == WORKERS and not self.workers() & old)

    def kill_workers(self) -> None:
        """Kill all workers in the middle of whatever they do, as a lack of memory does."""
        old = self.workers()
        for worker in old:
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(self.workers() - old) == WORKERS)
        self.wait()

    def workers(self) -> set[int]:
        """Return the ids of the workers' processes."""
        children = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children").read_text()
        return {int(child) for child in children.split()}

    def wait(self) -> None:
        """Wait until the site answers."""
        until(lambda: _answers(self.url))


class Visitor:
    """A browser far from the site's processes."""

    def __init__(self, site: Served) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False
        self.url = f"{site.url}/phone/login/"
        self.text = self._read(self.session.get(self.url, timeout=60))

    @property
    def page(self) -> Page:
        """The page that is shown."""
        return Page(self.text)

    def press(self, button: str, **typed: str) -> str:
        """Type into the form that has this button, press it, and return the page that comes."""
        [form] = [form for form in self.page.forms if button in form.buttons]
        url = f"{self.site.url}{form.action}" if form.action else self.url
        data = form.fields | typed | form.buttons[button]
        data.pop("checks", None)  # who guesses does not say that the page was answered already
        self.text = self._read(self.session.post(url, data=data, timeout=60))
        return self.text

    def twin(self) -> Visitor:
        """Return the same browser on the same page, to press the same button meanwhile."""
        twin = object.__new__(Visitor)
        twin.site, twin.url, twin.text = self.site, self.url, self.text
        twin.session = requests.Session()
        twin.session.trust_env = False
        twin.session.cookies.update(self.session.cookies)
        return twin

    def _read(self, response: requests.Response) -> str:
        self.url = response.url
        assert response.status_code < 500
        return response.text


@contextlib.contextmanager
def serving(folder: Path, **flashcall: Any) -> Iterator[Served]:
    """Serve the site with these keys of ``FLASHCALL``; settings and log are in ``folder``."""
    database = str(connection.settings_dict["NAME"])
    text = SETTINGS.format(database=database, flashcall=flashcall)
    (folder / "served_settings.py").write_text(text)
    (folder / "served_wsgi.py").write_text(WSGI)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with _gunicorn(folder, listener=listener.fileno()) as master:
            site = Served(url=url, master=master)
            site.wait()
            yield site


@contextlib.contextmanager
def _gunicorn(folder: Path, *, listener: int) -> Iterator[subprocess.Popen[bytes]]:
    known = {"PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "served_settings"}
    options = ["--workers", str(WORKERS), "--threads", "8", "--bind", f"fd://{listener}"]
    command = [sys.executable, "-m", "gunicorn", *options, "served_wsgi"]
    with (folder / "gunicorn.log").open("wb") as log:
        master = subprocess.Popen(
            command, env=os.environ | known, pass_fds=[listener], stdout=log, stderr=log
        )
        try:
            yield master
        finally:
            master.terminate()
            master.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def until(is_so: Any) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
