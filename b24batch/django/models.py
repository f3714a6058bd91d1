"""The stored token of each portal on which the application is installed."""

from __future__ import annotations

from django.db import models


class PortalToken(models.Model):
    """A portal's token and application token; `b24batch.django.DjangoTokenStore` reads and writes them."""

    member_id = models.CharField(max_length=64, unique=True)
    access_token = models.TextField()
    refresh_token = models.TextField(null=True)
    expires = models.FloatField(help_text="Unix time in seconds")
    client_endpoint = models.TextField()
    server_endpoint = models.TextField(default="", help_text="The OAuth server; empty if it is not known")
    application_token = models.TextField(default="")
    replaced = models.TextField(default="", help_text="Fingerprints of the tokens before this one")
    updated = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"the token of {self.member_id}"
