"""The pages of the example site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import TemplateView

from .views import account, own_login

urlpatterns = [
    path("", TemplateView.as_view(template_name="example/home.html"), name="home"),
    path("account/", account, name="account"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("own-login/", own_login, name="own_login"),
    path("phone/", include("django_flashcall.urls")),
    path("admin/", admin.site.urls),
]
