from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SimulatorConfig(AppConfig):
    """A simulated provider for the developer's own machine."""

    name = "django_flashcall.simulator"
    label = "flashcall_simulator"
    verbose_name = _("Simulated provider")
