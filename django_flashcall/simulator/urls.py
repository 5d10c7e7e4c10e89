from __future__ import annotations

from django.urls import path

from django_flashcall.simulator import views

app_name = "flashcall_simulator"
urlpatterns = [
    path("", views.handset, name="handset"),
    path("calls/", views.calls, name="calls"),
    path("control/", views.control, name="control"),
    path("control/reset/", views.reset, name="reset"),
    path("api/voice-password/send/", views.send, name="send"),
]
