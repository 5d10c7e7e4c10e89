from __future__ import annotations

from django.db import models


class Entry(models.Model):
    """Names a number, by the number, and nobody sees it from there."""

    phone = models.ForeignKey(
        "django_flashcall.Phone", to_field="number", related_name="+", on_delete=models.CASCADE
    )

    def __str__(self) -> str:
        return f"of {self.phone}"


class Receipt(models.Model):
    """Keeps an attempt from being deleted."""

    attempt = models.ForeignKey("django_flashcall.VerificationAttempt", on_delete=models.PROTECT)

    def __str__(self) -> str:
        return f"for {self.attempt}"
