"""The pages; include them under any prefix, for instance ``path("phone/", include(...))``."""

from __future__ import annotations

from django.urls import path

from .views import CodeView, LoginView

app_name = "django_flashcall"

urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("code/<uuid:key>/", CodeView.as_view(), name="code"),
]
