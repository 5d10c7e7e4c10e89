"""Browsers of the staff."""

from __future__ import annotations

from django.contrib.auth.models import Permission
from django.test import Client

from tests.constants import MODEL_BACKEND
from tests.factories import UserFactory


def client_with(*codenames: str) -> Client:
    """Return the browser of a member of the staff with these permissions."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user, backend=MODEL_BACKEND)
    return client
