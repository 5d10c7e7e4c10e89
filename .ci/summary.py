"""Summarise a CI run; the last line has the totals.

Usage: ``summary.py REPORTS``. This folder contains ``steps.tsv`` (name, tab, exit code),
``nox-*.json``, and a JUnit file ``<run>.xml`` for each run of the tests. In the totals each step
counts as a test, so that they include failures outside the tests.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree


def main(reports: Path) -> None:
    """Print every step, every run of the tests, and the totals."""
    totals: Counter[str] = Counter()
    print("\nSteps:")
    for name, outcome in read_steps(reports):
        print(f"  {outcome:<8} {name}")
        totals[outcome] += 1
    print("\nTests:")
    for path in sorted(reports.glob("*.xml")):
        outcomes, reasons, failures = read_tests(path)
        print(f"  {path.stem:<40} {tally(outcomes)}")
        for reason, times in reasons.most_common():
            print(f"    {times} skipped: {reason}")
        for failure in failures:
            print(f"    failed: {failure}")
        totals += outcomes
    print(f"\n{tally(totals)}")


def read_steps(reports: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of every step, and whether it passed or failed."""
    for line in (reports / "steps.tsv").read_text().splitlines():
        name, code = line.split("\t")
        yield name, "passed" if code == "0" else "failed"
    for sessions in sorted(reports.glob("nox-*.json")):
        for session in json.loads(sessions.read_text())["sessions"]:
            name = session["signatures"][0] if session["signatures"] else session["name"]
            yield name, "passed" if session["result"] == "success" else "failed"


def read_tests(path: Path) -> tuple[Counter[str], Counter[str], list[str]]:
    """Return how often each outcome and each reason for a skip occurs, and what failed."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failures: list[str] = []
    # pytest wrote the file, so it can be trusted.
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314
        results = {result.tag: result for result in case}
        if results.keys() & {"failure", "error"}:
            outcomes["failed"] += 1
            failures.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in results:
            outcomes["skipped"] += 1
            reasons[results["skipped"].get("message", "no reason given")] += 1
        else:
            outcomes["passed"] += 1
    return outcomes, reasons, failures


def tally(outcomes: Counter[str]) -> str:
    """Format the three counts as pytest does."""
    return ", ".join(f"{outcomes[name]} {name}" for name in ("passed", "failed", "skipped"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
