"""The page for the browser, and the views that a portal posts to."""

from __future__ import annotations

from django.urls import path

from deals import application, views

urlpatterns = [
    path("", views.index, name="index"),
    path("create/", views.create, name="create"),
    path("app/install/", application.install, name="install"),
    path("app/start/", application.start, name="start"),
    path("app/tab/", application.tab, name="tab"),
    path("app/deal-added/", application.deal_added, name="deal_added"),
    path("app/uninstalled/", application.uninstalled, name="uninstalled"),
]
