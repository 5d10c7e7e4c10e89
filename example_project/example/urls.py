"""The pages of the example site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import TemplateView

from . import views

urlpatterns = [
    path("", TemplateView.as_view(template_name="example/home.html"), name="home"),
    path("account/", views.account, name="account"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("own-login/", views.own_login, name="own_login"),
    path("own-confirm/", views.own_confirm, name="own_confirm"),
    path("own-confirm/<uuid:key>/", views.own_confirm_code, name="own_confirm_code"),
    path("own-change/", views.own_change, name="own_change"),
    path("own-change/<uuid:key>/", views.own_change_code, name="own_change_code"),
    path("own-again/", views.own_again, name="own_again"),
    path("own-again/<uuid:key>/", views.own_again_code, name="own_again_code"),
    path("own-second-step/", views.own_second_step, name="own_second_step"),
    path("own-second-step/<uuid:key>/", views.own_second_step_code, name="own_second_step_code"),
    path("secret/", views.secret, name="secret"),
    path("password/", views.PasswordView.as_view(), name="password"),
    path("phone/", include("django_flashcall.urls")),
    path("admin/", admin.site.urls),
]
