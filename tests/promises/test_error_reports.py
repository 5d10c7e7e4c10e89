"""No error report shows a number or a code, wherever the package fails.

The visitor's way is walked once with every function of the package watched. Then each of these
functions raises, and Django's report of that error is searched.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.signals import got_request_exception
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.test import Client
from django.urls import include, path, reverse
from django.views.debug import DEBUG_ENGINE, ExceptionReporter
from django.views.decorators.debug import sensitive_post_parameters

import django_flashcall
from django_flashcall import services
from django_flashcall.forms import CodeForm, PhoneForm, StartForm
from django_flashcall.models import Verification
from django_flashcall.providers import locmem
from django_flashcall.visitors.visitor import visitor_of
from tests.factories import PriceFactory, UserFactory

PACKAGE = Path(django_flashcall.__file__).parent


#: What visitors pass through. The others are for start-up, commands, staff and tests.
SKIPPED = {"admin", "apps", "checks", "contrib", "management", "migrations", "operations", "panel"}
SKIPPED |= {"simulator", "testing", "urls"}
#: These only define values, or are not reached with the provider of the tests.
UNVISITED = {"alarms", "choices", "signals"}
UNVISITED |= {f"providers.{name}" for name in ("console", "http", "mobilgroup")}
#: Errors in these are caught and recorded, since the call may have been placed.
CAUGHT = {"calls.dialing", "calls.outcomes", "limits.breaker", "providers.base", "providers.locmem"}
CAUGHT |= {"calls.decoys", "calls.draws", "text"}
CONFIRM = "django_flashcall:confirm"

Watch = Callable[[CodeType], object]


PATHS = [path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
MODULES = sorted(
    {".".join(parts) for parts in PATHS if parts[0] not in SKIPPED and parts[-1] != "__init__"}
    - UNVISITED
)


#: About this many functions of each module raise; a larger number takes longer, and finds more.
EXAMPLES = int(os.environ.get("FLASHCALL_TEST_EXAMPLES", "2"))


numbers = (f"+79{n:09}" for n in itertools.count(10**8, 12_345))


pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class Fault(Exception):
    """What a watched function raises."""


class Reports:
    """Collects Django's reports of the errors of one visit."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, sender: Any, request: HttpRequest, **kwargs: Any) -> None:
        """Write the report that Django would mail."""
        reporter = ExceptionReporter(request, *sys.exc_info())
        self.texts += [reporter.get_traceback_html(), reporter.get_traceback_text()]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    """Return the reports of errors in requests."""
    # Django compiles its two templates of reports again for each of them.
    monkeypatch.setattr(DEBUG_ENGINE, "from_string", cache(DEBUG_ENGINE.from_string))
    collected = Reports()
    got_request_exception.connect(collected.add)
    yield collected
    got_request_exception.disconnect(collected.add)


def written(number: str) -> str:
    """Write a Russian number as people do."""
    return f"{number[:2]} {number[2:5]} {number[5:8]}-{number[8:10]}-{number[10:]}"


@login_not_required
@sensitive_post_parameters()
def own_login(request: HttpRequest) -> HttpResponse:
    """Ask for a number, as a site's own view does."""
    form = PhoneForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("own_code", form.verification.key)
    return HttpResponse(str(form))


@login_not_required
@sensitive_post_parameters()
def own_code(request: HttpRequest, key: UUID) -> HttpResponse:
    """Take a code, or call again, as a site's own view does."""
    verification = Verification.objects.select_related("phone").get(key=key)
    if "channel" in request.POST:
        visitor = visitor_of(request)
        services.resend(verification, visitor=visitor, channel=request.POST["channel"])
    form = CodeForm(request, request.POST or None, verification=verification)
    if form.is_valid():
        login(request, form.get_user())
    return HttpResponse(str(form.errors))


urlpatterns = [
    path("own/", own_login, name="own_login"),
    path("own/<uuid:key>/", own_code, name="own_code"),
    path("phone/", include("django_flashcall.urls")),
]


def walk(client: Client, number: str, *, start: str, watch: Watch) -> list[str]:
    """Ask for a call, be refused another one, enter a wrong code and the right one.

    Each request is watched by itself: Python stops tracing once a watch has raised. Returns the
    codes that were called or entered.
    """

    def visit(method: Any, *args: Any) -> Any:
        with traced(watch):
            return method(*args)

    visit(client.get, reverse(start))
    response: Any = visit(client.post, reverse(start), {"number": written(number)})
    called = [call.code for call in locmem.outbox if call.number == number]
    page = getattr(response, "url", "/")
    visit(client.get, page)
    visit(client.post, page, {"channel": "voice"})
    visit(client.post, page, {"code": "3141"})
    visit(client.post, page, {"code": called[-1] if called else "2718"})
    return [*called, "3141", "2718"]


@contextmanager
def traced(watch: Watch) -> Iterator[None]:
    """Pass each function of the package that is called to ``watch``, which may raise."""

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_filename.startswith(str(PACKAGE)):
            watch(frame.f_code)

    before = sys.gettrace()  # that of coverage
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def module_of(code: CodeType) -> str:
    return ".".join(Path(code.co_filename).relative_to(PACKAGE).with_suffix("").parts)


def visit(*, start: str, watch: Watch) -> tuple[str, list[str]]:
    """Walk as somebody who is new, or as a user who confirms a number; return number and codes."""
    client = Client(raise_request_exception=False)
    if start == CONFIRM:
        client.force_login(UserFactory())
    number = next(numbers)
    return number, walk(client, number, start=start, watch=watch)


#: The functions of the package that a visit calls, each with the page that does so.
called: dict[CodeType, str] = {}


@pytest.fixture
def functions(flashcall: Any) -> dict[CodeType, str]:
    """Return the functions that a visit calls; they are found once, by the first test.

    A site's own view comes first, since nothing above the forms is guarded there.
    """
    PriceFactory()
    flashcall(RATES={}, BLOCK_HOURLY_ATTEMPTS=10**6)
    if not called:
        for start in ("own_login", "django_flashcall:login", CONFIRM):
            visit(start=start, watch=lambda code, start=start: called.setdefault(code, start))
    return called


def faults_of(function: CodeType, reports: Reports, *, start: str) -> int:
    """Let ``function`` raise, search the reports, and count those of its error."""
    reports.texts.clear()

    def fail(code: CodeType) -> None:
        if code is function:
            raise Fault

    number, codes = visit(start=start, watch=fail)
    for text in reports.texts:
        assert number[4:] not in text, function.co_qualname
        assert written(number)[4:] not in text, function.co_qualname
        assert not [code for code in codes if f"&#x27;{code}&#x27;" in text or f"'{code}'" in text]
    return sum("Fault" in text for text in reports.texts)


#: Django's middleware calls these before any view, so nothing has marked the posted data yet.
BEFORE_VIEWS = {"PhoneBackend.get_user"}


class TestReports:
    @pytest.mark.parametrize("module", MODULES)
    def test_no_report_of_an_error_in_this_module_shows_a_number_or_a_code(
        self, module: str, functions: dict[CodeType, str], reports: Reports
    ) -> None:
        of_module = [
            function
            for function in functions
            if module_of(function) == module and function.co_qualname not in BEFORE_VIEWS
        ]
        step = max(len(of_module) // EXAMPLES, 1)
        chosen = of_module[::step]
        faults = [faults_of(one, reports, start=functions[one]) for one in chosen]
        others = (one for one in of_module if one not in chosen)
        assert chosen
        assert (
            any(faults)
            or module in CAUGHT
            or any(faults_of(one, reports, start=functions[one]) for one in others)
        )

    def test_the_visit_passes_through_every_module_but_those_named(
        self,
        functions: dict[CodeType, str],
    ) -> None:
        visited = {module_of(function) for function in functions}
        assert visited >= set(MODULES)

    @pytest.mark.parametrize("form", [StartForm, CodeForm])
    def test_the_report_of_an_unguarded_form_would_be_found(
        self, form: type[Form], functions: dict[CodeType, str], reports: Reports, monkeypatch: Any
    ) -> None:
        monkeypatch.delattr(form, "full_clean")
        name = "NumberField.clean" if form is StartForm else "CodeForm._refuse_other_browser"
        [function] = [one for one in functions if one.co_qualname == name]
        with pytest.raises(AssertionError):
            faults_of(function, reports, start="own_login")
