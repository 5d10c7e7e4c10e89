"""Use the installed package as a new site does: import it, check, migrate, load templates."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.template.loader import get_template

import django_flashcall

APPS = ["django_flashcall", "django_flashcall.simulator"]
CONTRIB_ROOM = "django_flashcall.contrib."
CONTRIB = ["admin", "auth", "contenttypes", "messages", "sessions"]
CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]


def set_up_site() -> None:
    """Configure a minimal site with the package."""
    settings.configure(
        SECRET_KEY="for an empty directory",  # noqa: S106
        DEBUG=True,
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in CONTRIB), *APPS],
        MIDDLEWARE=MIDDLEWARE,
        ROOT_URLCONF="django_flashcall.urls",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": CONTEXT_PROCESSORS},
            }
        ],
    )
    django.setup()


def import_everything() -> int:
    """Import every module of the package, and return how many there are.

    Modules of ``contrib`` are skipped, since they need optional packages.
    """
    found = pkgutil.walk_packages(django_flashcall.__path__, "django_flashcall.")
    modules = [module for module in found if not module.name.startswith(CONTRIB_ROOM)]
    for module in modules:
        import_module(module.name)
    return len(modules)


def load_templates() -> int:
    """Compile every template of the package, and return how many there are."""
    roots = list(Path(django_flashcall.__path__[0]).rglob("templates"))
    names = [
        str(path.relative_to(root)) for root in roots for path in root.rglob("*") if path.is_file()
    ]
    for name in names:
        get_template(name)
    return len(names)


if __name__ == "__main__":
    set_up_site()
    call_command("check")
    call_command("migrate", verbosity=0)
    print(f"{import_everything()} modules imported, {load_templates()} templates loaded.")
