"""The documentation is complete: settings, checks, signals and layers are those of the code."""

from __future__ import annotations

import ast
import configparser
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.dispatch import Signal

from django_flashcall import signals
from django_flashcall.conf import KEYS
from tests.constants import DOCS, ROOT

PACKAGE = ROOT / "django_flashcall"


PAGES = [*DOCS.rglob("*.rst"), *ROOT.glob("*.rst")]


#: They look like modules: checks are named by their ids, and these are permissions.
NO_MODULE = re.compile(r"\.([EW]\d{3}|change_phone|view_full_number)$")


SIGNALS = [name for name, value in vars(signals).items() if isinstance(value, Signal)]


def page(name: str) -> str:
    return (DOCS / f"{name}.rst").read_text()


def sources() -> Iterator[str]:
    return (path.read_text() for path in sorted(PACKAGE.rglob("*.py")))


def documented_signals() -> dict[str, list[str]]:
    _head, *entries = page("reference/signals").split(".. data:: ")
    return {
        entry.split("\n")[0]: re.findall(r"``(\w+)``", entry.split("Arguments: ")[1].split("\n")[0])
        for entry in entries
    }


def sent_arguments(name: str) -> set[tuple[str, ...]]:
    """Return the arguments, but for the sender, with which the package sends a signal."""
    calls = [
        node
        for text in sources()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and re.search(rf"\b{name}\.send_robust$", ast.unparse(node.func))
    ]
    return {
        tuple(
            sorted(keyword.arg for keyword in call.keywords if keyword.arg not in (None, "sender"))
        )
        for call in calls
    }


def layers() -> dict[str, list[str]]:
    """Return the layers of each package that setup.cfg has a contract for."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    contracts = [config[name] for name in config.sections() if name.startswith("importlinter:")]
    return {
        contract["containers"].strip(): contract["layers"].strip().splitlines()
        for contract in contracts
        if contract.get("type") == "layers"
    }


class TestDocumentation:
    @pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_every_name_of_the_package_leads_to_something(self, path: Path) -> None:
        text = path.read_text()
        names = {*re.findall(r"\bdjango_flashcall(?:\.\w+)+", text)}
        for module, imported in re.findall(r"from (django_flashcall[\w.]*) import ([\w, ]+)", text):
            names |= {f"{module}.{name.strip()}" for name in imported.split(",")}
        for name in sorted(name for name in names if not NO_MODULE.search(name)):
            pkgutil.resolve_name(name)

    def test_the_table_of_settings_has_every_key_and_no_other(self) -> None:
        table = page("reference/settings").split(".. list-table::")[1].split("The default of")[0]
        assert tuple(re.findall(r"^   \* - ``([A-Z_]+)``$", table, re.MULTILINE)) == KEYS

    def test_every_system_check_is_explained(self) -> None:
        documented = re.findall(
            r"^django_flashcall\.([EW]\d{3})$", page("reference/checks"), re.MULTILINE
        )
        used = {
            one for text in sources() for one in re.findall(r"django_flashcall\.([EW]\d{3})", text)
        }
        assert documented == sorted(used)

    def test_every_explanation_has_a_message_a_cause_and_a_cure(self) -> None:
        _head, *checks = re.split(
            r"^\.\. _django_flashcall\.", page("reference/checks"), flags=re.M
        )
        for check in checks:
            assert re.findall(r"^\*\*(\w+):\*\*", check, re.M) == ["Message", "Cause", "Cure"], (
                check
            )

    def test_every_signal_is_documented(self) -> None:
        assert sorted(documented_signals()) == sorted(SIGNALS)

    @pytest.mark.parametrize("name", SIGNALS)
    def test_a_signal_is_documented_with_the_arguments_it_is_sent_with(self, name: str) -> None:
        assert sent_arguments(name) == {tuple(sorted(documented_signals()[name]))}

    @pytest.mark.parametrize("package", layers())
    def test_the_picture_of_the_layers_is_that_of_the_contracts(self, package: str) -> None:
        _before, drawn = page("architecture").split(f'label="{package}";')
        rows = re.findall(r'\[label="([^"]+)"\];', drawn.split("}")[0])
        assert rows == layers()[package]

    def test_contributors_read_of_every_session(self) -> None:
        noxfile = (ROOT / "noxfile.py").read_text()
        sessions = re.findall(r"^@nox\.session.*?^def (\w+)", noxfile, re.MULTILINE | re.DOTALL)
        table = (ROOT / "CONTRIBUTING.rst").read_text().split("Session ")[1].split("Environment")[0]
        assert sorted(re.findall(r"^``(\w+)``", table, re.MULTILINE)) == sorted(sessions)
