"""The example site, as the tests in Chromium visit it: with a strict Content-Security-Policy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from example.settings import *  # noqa: F403
from example.settings import DATABASES, LANGUAGES, MIDDLEWARE

MIDDLEWARE = ["tests.chromium.policy.strict", *MIDDLEWARE]
LANGUAGES = [*LANGUAGES, ("ar", "العربية")]  # not translated: is the page safe from right to left?

NAME = str(Path(tempfile.gettempdir()) / f"flashcall-chromium-{os.getpid()}.sqlite3")
DATABASES = {"default": {**DATABASES["default"], "TEST": {"NAME": NAME}}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
