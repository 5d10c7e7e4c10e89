"""Users whom a right code cannot create, for many reasons. The checks name them all."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class User(AbstractBaseUser, PermissionsMixin):
    """The name is too short, the number too, and the rest is missing."""

    login = models.CharField(max_length=12, unique=True)
    phone = models.CharField(max_length=11, db_index=True)
    email = models.EmailField(unique=True)
    birthday = models.DateField()
    is_active = models.BooleanField(default=False)

    objects = BaseUserManager()

    USERNAME_FIELD = "login"
