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


class JournalRun(models.Model):
    """A run with a journal; `b24batch.django.DjangoJournal` reads and writes it. Delete it to forget the run."""

    name = models.CharField(max_length=200, unique=True)
    portal = models.CharField(max_length=255)
    epoch = models.BigIntegerField(default=0, help_text="How often somebody took the run")
    until = models.DateTimeField(null=True, help_text="When the lease ends; empty if nobody has the run")
    owner = models.CharField(max_length=255, default="", help_text="The process that has the run, or had it last")
    since = models.DateTimeField(null=True, help_text="When that process took it")
    lives = models.BigIntegerField(default=0, help_text="How often the run was started")
    requests = models.BigIntegerField(default=0, help_text="The number of the last request")

    def __str__(self) -> str:
        return str(self.name)


class JournalCommand(models.Model):
    """What a run's journal knows of one command: its outcome, but neither its params nor a secret."""

    run = models.ForeignKey(JournalRun, models.CASCADE, related_name="commands", db_index=False)
    key = models.CharField(max_length=255, help_text="The command's name, or its position")
    position = models.BigIntegerField(null=True)
    method = models.CharField(max_length=255)
    digest = models.CharField(max_length=24)
    request = models.BigIntegerField(help_text="The number of the request that sent it last")
    request_id = models.CharField(max_length=160)
    sent = models.DateTimeField()
    status = models.CharField(max_length=8)
    data = models.TextField(null=True)
    error = models.TextField(null=True)
    total = models.BigIntegerField(null=True)
    next = models.BigIntegerField(null=True)
    http_status = models.IntegerField(null=True)
    deaths = models.IntegerField(default=0, help_text="How many starts in a row died while it was being sent")

    class Meta:
        """One row for each key."""

        constraints = (models.UniqueConstraint(fields=("run", "key"), name="b24batch_one_command_per_key"),)

    def __str__(self) -> str:
        return f"{self.key} ({self.method}): {self.status}"
