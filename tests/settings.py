"""The site that the tests run in; ``FLASHCALL_TEST_DATABASE`` chooses the database."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "the tests' own key, long enough for every check of Django's"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "Europe/Moscow"
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_flashcall",
    "tests.diary",
    "django_flashcall.simulator",
]
# Sites have users of many kinds: FLASHCALL_TEST_USER names one of tests/users.
USER = os.environ.get("FLASHCALL_TEST_USER", "")
if USER:
    INSTALLED_APPS.append(f"tests.users.{USER}")
    AUTH_USER_MODEL = f"{USER}.User"

MIDDLEWARE = [
    "tests.canary.watching",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "tests.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
STATIC_URL = "static/"
LOGIN_URL = "django_flashcall:login"
CSRF_FAILURE_VIEW = "django_flashcall.views.csrf_failure"
LOGIN_REDIRECT_URL = "/welcome/"
AUTHENTICATION_BACKENDS = [
    "django_flashcall.backends.PhoneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

FLASHCALL = {
    "PROVIDER": "django_flashcall.providers.locmem.LocMemProvider",
    "PHONE_LOGIN": True,
}

# Without it Django 6.1 warns at each mail; before that nobody reads it.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}

# Threads of a test must see each other's rows, so SQLite lies in a file, and each transaction
# takes its write lock at once: one that reads first fails under load with "database is locked".
# Tests survive killed processes, not a power cut: nothing waits for the disk.
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
    },
    "TEST": {"NAME": str(Path(tempfile.gettempdir()) / f"flashcall-tests-{os.getpid()}.sqlite3")},
}
POSTGRESQL = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ.get("PGDATABASE", "postgres"),
    "HOST": os.environ.get("PGHOST", "127.0.0.1"),
    "USER": os.environ.get("PGUSER", "postgres"),
    "PASSWORD": os.environ.get("PGPASSWORD", ""),
    "TEST": {"NAME": f"test_flashcall{USER}"},
}
MARIADB = {
    "ENGINE": "django.db.backends.mysql",
    "NAME": os.environ.get("MYSQL_DATABASE", "mysql"),
    "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
    "USER": os.environ.get("MYSQL_USER", "root"),
    "PASSWORD": os.environ.get("MYSQL_PASSWORD", ""),
    "OPTIONS": {"charset": "utf8mb4"},
    "TEST": {"NAME": f"test_flashcall{USER}", "CHARSET": "utf8mb4"},
}
DATABASES = {
    "default": {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mariadb": MARIADB}[
        os.environ.get("FLASHCALL_TEST_DATABASE", "sqlite")
    ]
}

# Some sites read from a replica. This one is empty, and never changes.
if os.environ.get("FLASHCALL_TEST_REPLICA"):
    frozen = str(Path(tempfile.gettempdir()) / f"flashcall-tests-{os.getpid()}-replica.sqlite3")
    DATABASES["replica"] = {**SQLITE, "TEST": {"NAME": frozen}}
    DATABASE_ROUTERS = ["tests.routers.ReplicaRouter"]
    AUTHENTICATION_BACKENDS[-1] = "tests.routers.WrittenModelBackend"
