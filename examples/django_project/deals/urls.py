"""The one page, and what its form is sent to."""

from __future__ import annotations

from django.urls import path

from deals import views

urlpatterns = [path("", views.index, name="index"), path("create/", views.create, name="create")]
