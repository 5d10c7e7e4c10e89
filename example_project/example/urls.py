"""The pages of the example site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import TemplateView

from .views import PasswordView, account, own_confirm, own_confirm_code, own_login, secret

urlpatterns = [
    path("", TemplateView.as_view(template_name="example/home.html"), name="home"),
    path("account/", account, name="account"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("own-login/", own_login, name="own_login"),
    path("own-confirm/", own_confirm, name="own_confirm"),
    path("own-confirm/<uuid:key>/", own_confirm_code, name="own_confirm_code"),
    path("secret/", secret, name="secret"),
    path("password/", PasswordView.as_view(), name="password"),
    path("phone/", include("django_flashcall.urls")),
    path("admin/", admin.site.urls),
]
