"""A pytest fixture for the tests of a site.

In the ``conftest.py`` next to the site's ``pyproject.toml``::

    pytest_plugins = ["django_flashcall.contrib.pytest"]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..providers.locmem import Delivery
from ..testing import fresh_outbox, testing_settings


@pytest.fixture
def phone_outbox(settings: Any) -> Iterator[list[Delivery]]:
    """Return the calls of the test, the latest last. None is placed, and no limits are used up."""
    for name, value in testing_settings().items():
        setattr(settings, name, value)
    with fresh_outbox() as calls:
        yield calls
