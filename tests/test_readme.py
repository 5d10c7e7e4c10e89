"""The README says what is true: its tables, its commands and its examples are held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from django_flashcall.conf import KEYS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.rst").read_text()
RUSSIAN = (ROOT / "docs/ru/quickstart.rst").read_text()


def test_the_table_of_settings_has_every_key_and_no_other() -> None:
    table = README.split("\nSettings\n")[1].split("Durations are")[0]
    assert tuple(re.findall(r"^``([A-Z_]+)``", table, re.MULTILINE)) == KEYS


@pytest.mark.parametrize("text", [README, RUSSIAN], ids=["en", "ru"])
def test_the_demo_is_one_command_line(text: str) -> None:
    [command] = re.findall(r"^   (python3 -m venv .*manage\.py demo)$", text, re.MULTILINE)
    assert "pip install -e . &&" in command


def test_the_tests_are_one_command_line() -> None:
    assert len(re.findall(r"^   python3 -m venv .*\.venv/bin/pytest$", README, re.MULTILINE)) == 1


def test_both_languages_have_the_same_five_steps() -> None:
    steps = [re.findall(r"^(\d)\. ", text, re.MULTILINE) for text in (README, RUSSIAN)]
    assert steps == [["1", "2", "3", "4", "5"]] * 2


@pytest.mark.django_db
def test_the_example_of_a_test_passes_as_it_is_printed(client: Any, phone_outbox: Any) -> None:
    printed = README.split("in your ``conftest.py``)::\n")[1]
    names: dict[str, Any] = {}
    exec(dedent(printed.split("\n  `docs/testing")[0]), names)  # noqa: S102
    names["test_login"](client, phone_outbox)


def test_the_example_of_a_view_compiles() -> None:
    printed = README.split("Or handle it in a view of yours::\n")[1]
    compile(dedent(printed.split("\nwith this in")[0]), "README.rst", "exec")
