"""The app configuration. It registers the checks and a signal receiver."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.utils.translation import gettext_lazy as _

from .checks.databases import check_isolation, check_replicas
from .checks.deploy import check_deploy
from .checks.others import check_others
from .checks.settings import check_backend, check_phone_login, check_settings
from .checks.users import check_sign_up
from .visitors.sessions import record_login


class FlashCallConfig(AppConfig):
    """The configuration of the app."""

    name = "django_flashcall"
    label = "django_flashcall"
    verbose_name = _("Phone login")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and record logins."""
        user_logged_in.connect(record_login, dispatch_uid="django_flashcall.sessions")
        checks.register(check_settings)
        checks.register(check_backend)
        checks.register(check_phone_login)
        checks.register(check_sign_up)
        checks.register(check_isolation)
        checks.register(check_replicas)
        checks.register(check_others)
        checks.register(check_deploy, checks.Tags.security, deploy=True)
