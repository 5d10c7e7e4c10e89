"""The app configuration. It registers the checks and the signal receivers."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core import checks
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .checks.databases import check_isolation, check_replicas
from .checks.deploy import check_deploy
from .checks.others import check_others
from .checks.settings import check_backend, check_phone_login, check_settings
from .checks.users import check_sign_up
from .visitors.browsers import browser_of
from .visitors.sessions import record_login


class FlashCallConfig(AppConfig):
    """The configuration of the app."""

    name = "django_flashcall"
    label = "django_flashcall"
    verbose_name = _("Phone login")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and watch logins and logouts."""
        user_logged_in.connect(record_login, dispatch_uid="django_flashcall.sessions")
        user_logged_out.connect(self.forget_browser, dispatch_uid="django_flashcall.browsers")
        checks.register(check_settings)
        checks.register(check_backend)
        checks.register(check_phone_login)
        checks.register(check_sign_up)
        checks.register(check_isolation)
        checks.register(check_replicas)
        checks.register(check_others)
        checks.register(check_deploy, checks.Tags.security, deploy=True)

    def forget_browser(
        self, sender: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        """Forget what a browser began; a receiver for Django's ``user_logged_out``."""
        # SECURITY: its cookie outlives the session. The next person at the browser must not see the
        # number that was entered before.
        browser = browser_of(request) if request else None
        if browser is not None:
            verification: Any = self.get_model("Verification")
            verification.objects.forget_browser(browser)
