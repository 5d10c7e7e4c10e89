"""Staff who look at the pages of the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.panel.clients import client_with


@pytest.fixture
def operator() -> Client:
    """Return the browser of an operator, who may see records but no numbers in full."""
    return client_with("view_verification", "view_verificationattempt", "view_phone", "view_usage")
