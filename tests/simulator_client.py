"""A client of the provider's API that knows the description and none of our code."""

from __future__ import annotations

from typing import Any

import requests

from django_flashcall.simulator.testing import RunningSimulator


def ask(simulator: RunningSimulator, **document: Any) -> dict[str, Any]:
    """Ask with the key in the header, and return what was answered with HTTP 200."""
    return ask_raw(simulator, document)


def ask_raw(simulator: RunningSimulator, document: Any) -> dict[str, Any]:
    """Ask with any JSON document."""
    response = requests.post(
        simulator.url, json=document, headers={"Authorization": simulator.api_key}, timeout=5
    )
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def refusal(error_code: str) -> dict[str, str]:
    """Return the error answer as the description words it."""
    return {"result": "error", "error_code": error_code}
