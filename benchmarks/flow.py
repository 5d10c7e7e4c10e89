"""Compare a login with this package to the least that Django can do, and to other packages.

Run this in the root of the repository::

    python benchmarks/flow.py --database sqlite
    python benchmarks/flow.py --database postgresql --logins 100 --rounds 5

Each site runs in a virtual environment of its own, which the first run creates in the folder
``.nox/benchmarks``. The sites take turns, and each number is the median of all rounds. The times
are those of the requests that send the number and the code, with Django's test client and its CSRF
checks. Databases keep their default durability. PostgreSQL is chosen by the variables of libpq,
``PGHOST``, ``PGUSER`` and ``PGPASSWORD``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SITES = ROOT / "benchmarks" / "sites"
ENVIRONMENTS = ROOT / ".nox" / "benchmarks"
DJANGO = "django~=5.2.0"


@dataclass(frozen=True)
class Site:
    """A site, its module in ``sites``, what pip installs for it, and the argument of its script."""

    name: str
    script: str
    packages: tuple[str, ...] = ()
    option: str = ""

    @property
    def python(self) -> Path:
        """The interpreter of the environment, which sites with the same script share."""
        return ENVIRONMENTS / self.script / "bin" / "python"


SITES_IN_TURN = (
    Site("baseline", "baseline"),
    Site("django-flashcall", "flashcall", (str(ROOT),)),
    Site("django-flashcall, sign-up", "flashcall", (str(ROOT),), "sign-up"),
    Site("drfpasswordless (token)", "drfpasswordless_site", ("drfpasswordless",)),
    Site("django-phone-verify", "phone_verify_site", ("django-phone-verify",)),
    Site("allauth, login by code", "allauth_site", ("django-allauth",)),
    Site("allauth, sign-up", "allauth_site", ("django-allauth",), "sign-up"),
    Site(
        "two-factor (password, SMS)",
        "two_factor_site",
        ("django-two-factor-auth[phonenumbers]",),
    ),
)


def main() -> None:
    """Create the environments, measure all sites in turn, and print the tables."""
    options = parse_options()
    for site in SITES_IN_TURN:
        create_environment(site)
    measured: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        for turn in range(options.rounds):
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
            for site in SITES_IN_TURN:
                measured[site.name].append(measure(site, options=options, folder=folder))
    print_times(measured, options=options)
    if options.profile:
        print_profiles(measured)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--logins", type=int, default=50, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="print the time by package")
    return parser.parse_args()


def create_environment(site: Site) -> None:
    """Install what the site needs, unless an earlier run did; our own package is current."""
    if site.python.exists():
        return
    environment = site.python.parent.parent
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    # In editable mode, our package is measured as it is now.
    packages = [
        part for name in site.packages for part in (["-e", name] if "/" in name else [name])
    ]
    install = [str(site.python), "-m", "pip", "install", "--quiet", DJANGO, "psycopg[binary]"]
    subprocess.run([*install, *packages], check=True)


def measure(site: Site, *, options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Run one round of logins on a site, in a process of its own."""
    command = [str(site.python), f"{site.script}.py", str(options.logins), site.option]
    environment = {
        **os.environ,
        "BENCHMARK_DATABASE": options.database,
        "BENCHMARK_FOLDER": folder,
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        command, cwd=SITES, env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def print_times(measured: dict[str, list[dict[str, Any]]], *, options: argparse.Namespace) -> None:
    """Print the time of a login on each site, also as a multiple of the baseline's."""
    django = measured["baseline"][0]["django"]
    print(
        f"One login on {options.database}, Django {django}, Python {sys.version.split()[0]},"
        f" {options.rounds} rounds of {options.logins}\n"
    )
    print(f"{'site':<28}{'ms':>8}{'ratio':>8}{'statements':>12}{'commits':>9}")
    least = median_seconds(measured["baseline"])
    for name, rounds in measured.items():
        seconds = median_seconds(rounds)
        print(
            f"{name:<28}{1000 * seconds:8.1f}{seconds / least:8.2f}"
            f"{rounds[0]['statements']:12}{rounds[0]['commits']:9}"
        )


def median_seconds(rounds: list[dict[str, Any]]) -> float:
    """Return the median of the rounds' medians."""
    return float(median(median(one["seconds"]) for one in rounds))


def print_profiles(measured: dict[str, list[dict[str, Any]]]) -> None:
    """Print which packages take the time, in percent."""
    for name, rounds in measured.items():
        shares = (f"{package} {share}" for package, share in rounds[0]["profile"].items())
        print(f"\n{name}: {', '.join(shares)}")


if __name__ == "__main__":
    main()
