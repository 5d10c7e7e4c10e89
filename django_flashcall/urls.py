"""URLs of the pages. Include them under any prefix, such as ``path("phone/", include(...))``."""

from __future__ import annotations

from django.urls import path

from .account_views import (
    ChangeCodeView,
    ChangeView,
    ConfirmCodeView,
    ConfirmView,
    ReauthenticateCodeView,
    ReauthenticateView,
    SecondStepCodeView,
    SecondStepView,
)
from .views import CodeView, LoginView

app_name = "django_flashcall"

urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("code/<uuid:key>/", CodeView.as_view(), name="code"),
    path("confirm/", ConfirmView.as_view(), name="confirm"),
    path("confirm/<uuid:key>/", ConfirmCodeView.as_view(), name="confirm_code"),
    path("change/", ChangeView.as_view(), name="change"),
    path("change/<uuid:key>/", ChangeCodeView.as_view(), name="change_code"),
    path("again/", ReauthenticateView.as_view(), name="reauthenticate"),
    path("again/<uuid:key>/", ReauthenticateCodeView.as_view(), name="reauthenticate_code"),
    path("second-step/", SecondStepView.as_view(), name="second_step"),
    path("second-step/<uuid:key>/", SecondStepCodeView.as_view(), name="second_step_code"),
]
