"""Users with the field of django-phonenumber-field."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from phonenumber_field.modelfields import PhoneNumberField


class User(AbstractUser):
    """The number may be missing."""

    phone_number = PhoneNumberField(blank=True, db_index=True)
