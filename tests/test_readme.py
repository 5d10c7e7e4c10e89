"""The README is true: its commands and its examples are tested, and its links lead to files."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import pytest

from tests.constants import ROOT

README = (ROOT / "README.rst").read_text()


RUSSIAN = (ROOT / "docs/ru/quickstart.rst").read_text()


class TestReadme:
    @pytest.mark.parametrize("text", [README, RUSSIAN], ids=["en", "ru"])
    def test_the_demo_is_one_command_line(self, text: str) -> None:
        [command] = re.findall(r"^   (python3 -m venv .*manage\.py demo)$", text, re.MULTILINE)
        assert "pip install -e . &&" in command

    def test_the_tests_are_one_command_line(self) -> None:
        assert (
            len(re.findall(r"^   python3 -m venv .*\.venv/bin/pytest$", README, re.MULTILINE)) == 1
        )

    def test_both_languages_have_the_same_five_steps(self) -> None:
        steps = [re.findall(r"^(\d)\. ", text, re.MULTILINE) for text in (README, RUSSIAN)]
        assert steps == [["1", "2", "3", "4", "5"]] * 2

    @pytest.mark.django_db
    def test_the_example_of_a_test_passes_as_it_is_printed(
        self, client: Any, phone_outbox: Any
    ) -> None:
        printed = README.split("to your\n``conftest.py``::\n")[1]
        names: dict[str, Any] = {}
        exec(dedent(printed.split("\n`Testing <docs/testing")[0]), names)  # noqa: S102
        names["test_login"](client, phone_outbox)

    def test_the_example_of_a_view_compiles(self) -> None:
        printed = README.split("Or handle the form in your own\nview::\n")[1]
        compile(dedent(printed.split("\nIts template includes")[0]), "README.rst", "exec")

    def test_the_readme_fits_into_two_hundred_lines(self) -> None:
        assert len(README.splitlines()) <= 200

    @pytest.mark.parametrize("name", ["README.rst", "CONTRIBUTING.rst", "SECURITY.rst"])
    def test_every_relative_link_leads_to_a_file(self, name: str) -> None:
        targets = re.findall(r"<([^>:]+)>`_", (ROOT / name).read_text())
        assert targets
        assert [target for target in targets if not (ROOT / target).is_file()] == []
