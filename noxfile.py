"""All checks of the project: ``nox --list`` lists them, ``.ci/run`` runs them."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nox
from filelock import FileLock  # comes with nox

nox.needs_version = ">=2025.5"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
PACKAGE = ROOT / "django_flashcall"
REPORTS = ROOT / ".nox" / "reports"
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")

REDIS = os.environ.get("FLASHCALL_TEST_REDIS", "redis://127.0.0.1:6379/15")
PAIRS = [("3.11", "5.2"), ("3.12", "6.0"), ("3.13", "6.1")]
MEASURED, STRICT = "5.2", "6.1"
#: Held while something is built in this folder, since .ci/run runs two sessions in parallel.
BUILDING = FileLock(ROOT / ".nox" / "building.lock")
#: The sessions of the first lane of .ci/run, which runs two lanes in parallel: those that share a
#: database server, so they run one after the other, and the browser, so both lanes take as long.
FIRST_LANE = ["first"]
#: Long sessions, to run at night.
NIGHT = ["night"]
MUTATION = """
[cosmic-ray]
module-path = "django_flashcall/{module}.py"
test-command = "python -m pytest -q -x -n0 -p no:cacheprovider {tests}"
timeout = 120.0
excluded-modules = []

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [
  'core/ReplaceBinaryOperator_(?!{slips})',
  'core/ReplaceComparisonOperator_(Eq_(?!NotEq)|NotEq_(?!Eq)|.*_Is(Not)?$)',
]
"""
#: Operators that people confuse. Other replacements fail with a ``TypeError``, or are unlikely,
#: such as ``is`` in a comparison of numbers, or ``>`` instead of ``==``.
LIKELY_MISTAKES = "Add_Sub|Sub_Add|Mul_Add|Div_Mul|BitOr_BitAnd|BitAnd_BitOr"
#: The tests that should fail for the mutants of each module, the module's own tests first.
MUTATED = {
    "calls/claims": "calls services limits promises/test_races",
    "calls/outcomes": "calls services promises/test_secrets promises/test_races",
    "codes": "test_codes promises/test_secrets",
    "limits/number": "limits/test_number services promises/test_lockout",
    "limits/prices": "limits/test_prices services test_alarms views",
    "limits/shared": "limits/test_shared services test_alarms",
    "operations/purging": "operations/test_purging",
    "phones": "test_phones services test_backends test_accounts limits operations/test_purging",
    "querysets": "test_querysets limits services test_backends test_accounts"
    " operations/test_purging promises/test_races",
    "services": "services calls views operations/test_purging promises/test_query_counts"
    " test_alarms promises/test_secrets",
}
#: Modules of tests that share the beginning of their names.
SPLIT = {"services": "test_services_", "views": "test_views_"}
#: The tests of what is read to decide. They also run beside a replica that never changes.
REPLICATED = (
    "services views test_forms test_account_forms test_account_views test_account_views_proofs"
    " test_accounts test_backends test_backends_failed_sign_ups test_backends_refusals"
    " test_backends_sign_up test_phones test_querysets calls limits visitors"
    " operations/test_adoption operations/test_purging promises/test_bills"
    " promises/test_fresh_proofs promises/test_lockout promises/test_replicas"
    " promises/test_second_step promises/test_tabs"
)
#: The mutants that no test can detect, and why: one line each, with the module first.
SURVIVORS = ROOT / "tests" / "survivors.txt"


@nox.session
@nox.parametrize("python,django", PAIRS)
def tests(session: nox.Session, django: str) -> None:
    """Run the suite on SQLite: with coverage, beside a replica, or with warnings as errors."""
    if django == MEASURED:
        run_suite(
            session, "coverage", "run", "-m", "pytest", "-n0", django=django, group="coverage"
        )
        session.notify("coverage")
    elif django == STRICT:
        # Every warning is an error, including those at start-up and for unclosed files.
        strictly = ("python", "-X", "dev", "-W", "error", "-m", "pytest", "-n0")
        run_suite(session, *strictly, django=django)
    else:
        run_suite(session, "pytest", django=django)
        session.env["FLASHCALL_TEST_REPLICA"] = "1"
        run_suite(session, "pytest", *tests_of(REPLICATED), django=django, label="replica")


@nox.session(python="3.12", tags=FIRST_LANE)
@nox.parametrize("django", ["6.0"])
def postgresql(session: nox.Session, django: str) -> None:
    """Run the suite on PostgreSQL."""
    run_suite(session, "pytest", "-n0", django=django, database="postgresql", group="postgresql")


@nox.session(python="3.12", tags=FIRST_LANE)
@nox.parametrize("django", ["6.0"])
def mariadb(session: nox.Session, django: str) -> None:
    """Run the suite on MariaDB."""
    run_suite(session, "pytest", "-n0", django=django, database="mariadb", group="mariadb")


@nox.session(python="3.12", tags=FIRST_LANE)
@nox.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def races(session: nox.Session, database: str) -> None:
    """Run each race five times, with sixteen threads, and once with gunicorn."""
    run_races(session, database=database, rounds=5, threads=16)


@nox.session(python="3.12", default=False, tags=NIGHT)
@nox.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def stress(session: nox.Session, database: str) -> None:
    """Run each race twenty times, with fifty threads: at night, not for each commit."""
    run_races(session, database=database, rounds=20, threads=50)


@nox.session(python="3.12", default=False, tags=NIGHT)
@nox.parametrize("module", [*MUTATED])
def mutation(session: nox.Session, module: str) -> None:
    """Mutate a module; fail if a mutant survives the tests without an explanation."""
    install(session, ".[test]", "django~=6.0.0", *dependencies("mutation"))
    with TemporaryDirectory() as scratch:
        # A copy, since the module is changed in place.
        copy = shutil.copytree(ROOT, f"{scratch}/copy", ignore=shutil.ignore_patterns(".*"))
        tests = " ".join(tests_of(MUTATED[module]))
        settings = MUTATION.format(module=module, tests=tests, slips=LIKELY_MISTAKES)
        Path(scratch, "mutation.toml").write_text(settings)
        with session.chdir(copy):
            session.env["PYTHONPATH"] = copy
            plan = (f"{scratch}/mutation.toml", f"{scratch}/mutation.sqlite")
            session.run("cosmic-ray", "init", *plan)
            session.run("cr-filter-operators", *reversed(plan))
            session.run("cosmic-ray", "exec", *plan)
            report = ("cr-report", "--show-diff", "--surviving-only", plan[1])
            check_survivors(session, str(session.run(*report, silent=True)), module=module)


@nox.session(python="3.12", tags=FIRST_LANE)
@nox.parametrize("django", ["6.0"])
def chromium(session: nox.Session, django: str) -> None:
    """Visit the example site with a real browser."""
    visiting = ("pytest", "-n0", "--ds", "tests.chromium.settings", "tests/chromium")
    run_suite(session, *visiting, django=django, group="chromium", label="chromium")


@nox.session
def coverage(session: nox.Session) -> None:
    """Report the coverage of the suite, and fail below the threshold in setup.cfg."""
    session.install(*dependencies("coverage"))
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*dependencies("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def layers(session: nox.Session) -> None:
    """Check that every module imports only from the layers below it."""
    session.install(*dependencies("layers"))
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types."""
    install(session, ".[test]", *dependencies("types"))
    session.run("mypy")


@nox.session
def translations(session: nox.Session) -> None:
    """Check that every string is translated and that the compiled catalogues are up to date."""
    install(session, ".")
    for folder in (PACKAGE, ROOT / "example_project" / "example"):
        with TemporaryDirectory() as scratch:
            copy = Path(scratch, folder.name)
            shutil.copytree(folder, copy)
            with session.chdir(copy):
                session.run("python", "-m", "django", "makemessages", "--all", "--keep-pot")
            for catalogue in sorted(folder.rglob("*.po")):
                check_catalogue(session, catalogue, copy / catalogue.relative_to(folder))


@nox.session
def migrations(session: nox.Session) -> None:
    """Check that no migration is missing."""
    install(session, ".[test]")
    check = ("makemigrations", "--check", "--dry-run")
    session.run("python", "-m", "django", *check, "--settings", "tests.settings")
    session.run("python", "example_project/manage.py", *check)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, ".", *dependencies("docs"))
    strictly = ("--fail-on-warning", "--keep-going", "--fresh-env", "--quiet")
    session.run("sphinx-build", *strictly, "docs", "docs/_build")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel from the source archive, and use it in an empty environment."""
    session.install(*dependencies("wheel"))
    with TemporaryDirectory() as scratch:
        with BUILDING:
            session.run("python", "-m", "build", "--outdir", scratch)
        [built] = Path(scratch).glob("*.whl")
        check_contents(session, built)
        session.run("python", "-m", "venv", f"{scratch}/site")
        with session.chdir(scratch):
            session.run("site/bin/pip", "install", "--quiet", built.name, external=True)
            session.run("site/bin/python", "-I", str(ROOT / ".ci/installed.py"), external=True)


def dependencies(group: str) -> tuple[str, ...]:
    """Return the packages of a dependency group in pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, group)


def install(session: nox.Session, package: str, *others: str) -> None:
    """Install this package, ``.`` or ``.[test]``, in editable mode, and others with it."""
    with BUILDING:
        session.install("-e", package, *others)


def run_suite(
    session: nox.Session,
    *command: str,
    django: str,
    database: str = "sqlite",
    group: str = "",
    label: str = "",
) -> None:
    """Run the suite with ``command``, and write a report for ``.ci/summary.py``."""
    tools = dependencies(group) if group else ()
    install(session, ".[test]", f"django~={django}.0", *tools)
    run = "-".join(filter(None, (f"python{session.python}", f"django{django}", database, label)))
    report = f"--junit-xml={REPORTS / run}.xml"
    env = {"FLASHCALL_TEST_DATABASE": database}
    if "redis>=5" in tools:
        env["FLASHCALL_TEST_REDIS"] = REDIS
    session.run(*command, report, *session.posargs, env=env)


def run_races(session: nox.Session, *, database: str, rounds: int, threads: int) -> None:
    """Run only the races on a database, between threads and between processes."""
    session.env["FLASHCALL_TEST_ROUNDS"] = str(rounds)
    session.env["FLASHCALL_TEST_THREADS"] = str(threads)
    racing = ("pytest", "-n0", "-m", "races or served")
    run_suite(session, *racing, django="6.0", database=database, group="races", label="races")


def tests_of(names: str) -> list[str]:
    """Return the paths of test modules and folders, which ``names`` names without ``tests/``."""
    found: list[str] = []
    for name in names.split():
        pattern = f"{SPLIT[name]}*.py" if name in SPLIT else name
        paths = [ROOT / "tests" / name] if (ROOT / "tests" / name).is_dir() else []
        paths = paths or sorted((ROOT / "tests").glob(pattern if "*" in pattern else f"{name}.py"))
        found += [str(path.relative_to(ROOT)) for path in paths]
    return found


def check_survivors(session: nox.Session, report: str, *, module: str) -> None:
    """Compare the surviving mutants with the explained ones."""
    survivors = {f"{module}: {change}" for change in changes_of(report)}
    lines = SURVIVORS.read_text().splitlines()
    explained = {line for line in lines if line.startswith(f"{module}: ")}
    for survivor in sorted(survivors - explained):
        session.log(f"not detected: {survivor}")
    for survivor in sorted(explained - survivors):
        session.log(f"now detected: {survivor}")
    if survivors != explained:
        session.error(f"{SURVIVORS.name} is out of date, or a test is missing.")


def changes_of(report: str) -> Iterator[str]:
    """Yield what each mutant of a report changes, except types, which are not evaluated."""
    for hunk in re.split(r"^@@.*@@$", report, flags=re.MULTILINE)[1:]:
        lines = hunk.partition("\n====")[0].splitlines()
        gone = [line[1:].strip() for line in lines if re.match(r"-\s*\S", line)]
        come = [line[1:].strip() for line in lines if re.match(r"\+\s*\S", line)]
        if come and re.match(r"def |self, |\w+: ", gone[0]) and " | " in gone[0]:
            continue
        last = max(number for number, line in enumerate(lines) if line[:1] == "-")
        # A removed decorator is named with the first line of its function.
        yield f"{gone[-1]} -> {come[0] if come else lines[last + 1].strip()}"


def check_catalogue(session: nox.Session, catalogue: Path, fresh: Path) -> None:
    """Compare a ``.po`` file with the strings in the source, and its ``.mo`` file with it."""
    template = fresh.parents[2] / "django.pot"
    # The English catalogue may stay empty, since the strings in the source are English.
    lenient = ["--use-untranslated"] if catalogue.parents[1].name == "en" else []
    session.run("msgcmp", *lenient, str(catalogue), str(template), external=True)
    compiled = fresh.with_suffix(".mo")
    session.run("msgfmt", "--check", "-o", str(compiled), str(catalogue), external=True)
    if compiled.read_bytes() != catalogue.with_suffix(".mo").read_bytes():
        session.error(
            f"{catalogue.relative_to(ROOT)} does not match its .mo file: run compilemessages"
        )


def check_contents(session: nox.Session, built: Path) -> None:
    """Check that the wheel contains the package's folder and nothing else."""
    with zipfile.ZipFile(built) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    expected = {str(path.relative_to(ROOT)) for path in files}
    if shipped != expected:
        session.error(f"Missing or unexpected in the wheel: {sorted(shipped ^ expected)}")
    absent = {".css", ".html", ".mo"} - {Path(name).suffix for name in shipped}
    if absent or f"{PACKAGE.name}/py.typed" not in shipped:
        session.error(f"The wheel has no py.typed, or no files of these types: {sorted(absent)}")
