"""The package works in whichever database the router names, under ``ATOMIC_REQUESTS``, too."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.constants import ROOT


class TestMainDatabase:
    def test_a_site_whose_only_database_is_not_named_default_works(self) -> None:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.elsewhere.settings"}
        command = [sys.executable, "-m", "django", "test", "tests.elsewhere", "--pattern=site.py"]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        run = subprocess.run(command, env=environment, cwd=ROOT, text=True, check=False, **output)
        assert run.returncode == 0, run.stdout
        assert "Found 10 test(s)." in run.stdout
