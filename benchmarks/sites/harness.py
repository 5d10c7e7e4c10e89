"""Log in on a site in this process, and print how long it takes, as JSON.

Each other module in this folder describes one site, and runs in a virtual environment that has only
the packages of this site. ``benchmarks/flow.py`` starts them in turn.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.runner import DiscoverRunner
from django.test.utils import CaptureQueriesContext, setup_test_environment

#: Logins before the first one that is measured.
WARM_UP = 5


class Browser:
    """A visitor with cookies and an address of their own. Only what is posted is timed."""

    def __init__(self, number: int) -> None:
        address = f"10.{number // 65536 % 256}.{number // 256 % 256}.{number % 256}"
        self.client = Client(enforce_csrf_checks=True, REMOTE_ADDR=address)
        self.seconds = 0.0

    def get(self, url: str) -> Any:
        """Open a page, which sets the cookie with the CSRF token."""
        return self.client.get(url)

    def post(self, url: str, data: dict[str, str], **options: Any) -> Any:
        """Submit a form, or JSON with ``content_type``, and add the time to ``seconds``."""
        if "csrftoken" in self.client.cookies and not options:
            data = {**data, "csrfmiddlewaretoken": self.client.cookies["csrftoken"].value}
        began = time.perf_counter()
        response = self.client.post(url, data, **options)
        self.seconds += time.perf_counter() - began
        return response


#: Logs in: a browser, and the number of the login, which no other login has.
LogIn = Callable[[Browser, int], None]


def configure(*apps: str, **others: Any) -> None:
    """Set up a site with these apps, on the database of the environment."""
    settings.configure(
        **{
            "SECRET_KEY": "only measured",
            "ALLOWED_HOSTS": ["*"],
            "DATABASES": {"default": _database()},
            "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
            "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
            "INSTALLED_APPS": [
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.messages",
                "django.contrib.sessions",
                *apps,
            ],
            "LOGIN_REDIRECT_URL": "/done/",
            "MIDDLEWARE": [
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware",
                *others.pop("MIDDLEWARE", ()),
            ],
            # Hashing takes longer than all the rest, as it should; it is not what is compared.
            "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
            "ROOT_URLCONF": "__main__",
            "TEMPLATES": [
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "APP_DIRS": True,
                    "DIRS": [Path(__file__).parent / "templates"],
                    "OPTIONS": {
                        "context_processors": [
                            "django.template.context_processors.request",
                            "django.contrib.auth.context_processors.auth",
                            "django.contrib.messages.context_processors.messages",
                        ]
                    },
                }
            ],
            "USE_TZ": True,
            **others,
        }
    )
    django.setup()


def run(log_in: LogIn, *, prepare: Callable[[int], None]) -> None:
    """Prepare users, log in as often as the command line says, and print the measurements."""
    logins = int(sys.argv[1])
    setup_test_environment(debug=False)
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        prepare(logins + 2 * WARM_UP)
        print(json.dumps(_measure(log_in, logins=logins)))
    finally:
        runner.teardown_databases(databases)


def _measure(log_in: LogIn, *, logins: int) -> dict[str, Any]:
    for number in range(WARM_UP):
        _log_in(log_in, number)
    seconds = [_log_in(log_in, number) for number in range(WARM_UP, logins + WARM_UP)]
    statements, commits = _count_statements(log_in, logins + WARM_UP)
    first = logins + WARM_UP + 1
    profile = _profile(log_in, range(first, first + WARM_UP - 1))
    return {
        "django": django.__version__,
        "seconds": seconds,
        "statements": statements,
        "commits": commits,
        "profile": profile,
    }


def _log_in(log_in: LogIn, number: int) -> float:
    browser = Browser(number)
    log_in(browser, number)
    return browser.seconds


def _count_statements(log_in: LogIn, number: int) -> tuple[int, int]:
    """Return how many statements the posts of one login need, and how many commits."""
    queries: list[str] = []
    browser = Browser(number)
    post = browser.post

    def capture(*args: Any, **options: Any) -> Any:
        with CaptureQueriesContext(connection) as captured:
            response = post(*args, **options)
        queries.extend(query["sql"] for query in captured.captured_queries)
        return response

    browser.post = capture  # type: ignore[method-assign]
    log_in(browser, number)
    verbs = [query.split(None, 1)[0].rstrip(";").upper() for query in queries]
    blocks = {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"}
    statements = [verb for verb in verbs if verb not in blocks]
    # What is written outside a block commits by itself.
    return len(statements), verbs.count("COMMIT") + _autocommits(verbs)


def _autocommits(verbs: list[str]) -> int:
    found, depth = 0, 0
    for verb in verbs:
        depth += (verb == "BEGIN") - (verb in ("COMMIT", "ROLLBACK"))
        found += not depth and verb in ("INSERT", "UPDATE", "DELETE")
    return found


def _profile(log_in: LogIn, numbers: range) -> dict[str, float]:
    """Return each package's share of the time, in percent, the largest first."""
    profiler = cProfile.Profile()
    for number in numbers:
        profiler.enable()
        log_in(Browser(number), number)
        profiler.disable()
    times: dict[str, float] = {}
    for (path, _, name), (_, _, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        package = _package(path, name)
        times[package] = times.get(package, 0.0) + own
    total = sum(times.values())
    ranked = sorted(times.items(), key=lambda item: -item[1])
    return {package: round(100 * own / total, 1) for package, own in ranked[:12]}


def _package(path: str, name: str) -> str:
    if path == "~":
        return "SQL" if "execute" in name and "Cursor" in name else "built-in functions"
    parts = Path(path).parts
    if "django_flashcall" in parts:
        return ".".join(parts[parts.index("django_flashcall") :]).removesuffix(".py")
    if "site-packages" in parts:
        start = parts.index("site-packages") + 1
        return ".".join(parts[start : start + (2 if parts[start] == "django" else 1)])
    return "the standard library"


def _database() -> dict[str, Any]:
    """Return the settings of the database, at its default durability."""
    if os.environ["BENCHMARK_DATABASE"] == "sqlite":
        name = f"{os.environ['BENCHMARK_FOLDER']}/site-{os.getpid()}.sqlite3"
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "TEST": {"NAME": name}}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("PGDATABASE", "postgres"),
        "USER": os.environ.get("PGUSER", ""),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "HOST": os.environ.get("PGHOST", ""),
        "TEST": {"NAME": f"test_benchmark_{os.getpid()}"},
    }
