"""Settings of a new Django project, and those for phone login, which are marked."""

from __future__ import annotations

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# For this example only. A real site reads its key from the environment and turns DEBUG off.
SECRET_KEY = "the example site is only for your own machine, so everybody may know its key"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "example",
    "django_flashcall",  # phone login
    "django_flashcall.simulator",  # phone login: the provider and a handset, while DEBUG is on
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example.urls"
WSGI_APPLICATION = "example.wsgi.application"

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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "demo.sqlite3",
        # Phone login writes in its transactions, so SQLite must take the lock when they begin.
        # Otherwise parallel visitors get "database is locked".
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский")]
TIME_ZONE = "Europe/Moscow"
USE_TZ = True
STATIC_URL = "static/"

AUTHENTICATION_BACKENDS = [
    "django_flashcall.backends.PhoneBackend",  # phone login
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "django_flashcall:login"  # phone login
CSRF_FAILURE_VIEW = "django_flashcall.views.csrf_failure"
LOGIN_REDIRECT_URL = "account"
LOGOUT_REDIRECT_URL = "home"

# Phone login. The simulator replaces the provider. A real site leaves out "url" and reads "api_key"
# from the environment.
FLASHCALL = {
    "PROVIDER": "django_flashcall.providers.mobilgroup.MobilgroupProvider",
    "OPTIONS": {
        "api_key": "simulator-key",
        "url": "http://127.0.0.1:8001/api/voice-password/send/",
    },
    # Users choose: a number alone logs in, or a password with a call as the second step.
    "PHONE_LOGIN": True,
}
