"""Users whose keys are no numbers, and whose number may be null."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Several may have typed the same number."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    telephone = models.CharField(max_length=40, null=True, db_index=True)  # noqa: DJ001
