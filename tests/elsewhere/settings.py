"""A site whose only database is not named ``default``, with ``ATOMIC_REQUESTS``."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import FLASHCALL, SQLITE

DATABASES = {
    "default": {},
    "main": {**SQLITE, "ATOMIC_REQUESTS": True, "TEST": {"DEPENDENCIES": []}},
}
DATABASE_ROUTERS = ["tests.routers.MainRouter"]
ROOT_URLCONF = "tests.elsewhere.urls"
FLASHCALL = {**FLASHCALL, "USER_PHONE_FIELD": "last_name"}
