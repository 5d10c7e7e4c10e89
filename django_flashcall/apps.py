"""Where Django learns of the app; the checks are registered here."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.utils.translation import gettext_lazy as _

from .checks import check_backend, check_deploy, check_isolation, check_settings
from .notes import note_login


class FlashCallConfig(AppConfig):
    """The app, under the label that its tables carry."""

    name = "django_flashcall"
    label = "django_flashcall"
    verbose_name = _("Phone login")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and listen to logins."""
        user_logged_in.connect(note_login, dispatch_uid="django_flashcall.notes")
        checks.register(check_settings)
        checks.register(check_backend)
        checks.register(check_isolation)
        checks.register(check_deploy, checks.Tags.security, deploy=True)
