"""A fixture for sites that test with pytest.

In the ``conftest.py`` beside the site's ``pyproject.toml``::

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
    """Keep calls instead of placing them, the latest last; nothing is counted yet."""
    for name, value in testing_settings().items():
        setattr(settings, name, value)
    with fresh_outbox() as calls:
        yield calls
