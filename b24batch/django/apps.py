"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig


class B24BatchConfig(AppConfig):
    """The application ``b24batch``; it registers the system checks, and masks webhooks on Django's debug page."""

    name = "b24batch.django"
    label = "b24batch"
    verbose_name = "Bitrix24"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks when all applications are loaded."""
        from b24batch.django import checks, environment

        checks.register()
        environment.mask_environment()
