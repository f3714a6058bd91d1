"""The setting ``B24BATCH``: for each alias the credentials of a portal or an application, and options."""

from __future__ import annotations

from typing import Any, cast

import attrs
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from b24batch.oauth.server import TOKEN_URL
from b24batch.options import Options
from b24batch.redaction import Secret
from b24batch.wire.retries import RetryPolicy

#: The credentials. Names of what is secret are such that Django's debug page masks them.
CREDENTIALS = (
    "WEBHOOK_SECRET_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "MEMBER_ID",
    "APPLICATION_TOKEN",
    "TOKEN_URL",
    "DATABASE",
    "ALLOW_LOOPBACK",
)
#: Options of `b24batch.Session` under their names in upper case.
OPTIONS = (
    "TIMEOUT",
    "DEADLINE",
    "MAX_ANSWER",
    "RETRIES",
    "MAX_WAIT",
    "OPERATING_WAIT",
    "IDEMPOTENT_METHODS",
    "ALLOW_HTTP",
    "REDACT_URLLIB3_LOG",
)
KEYS = (*CREDENTIALS, *OPTIONS, "RATE")


@attrs.frozen
class Config:
    """One alias of ``B24BATCH``; it looks every value up anew, since frames that hold one show it when they fail.

    =======================  ==========================================================================================
    ``WEBHOOK_SECRET_URL``   the URL of an inbound webhook; or, for an application:
    ``CLIENT_ID``            of the application
    ``CLIENT_SECRET``        of the application
    ``MEMBER_ID``            the one portal that `get_session` is for, if there is one
    ``APPLICATION_TOKEN``    that events come with, where it is known; default the one that came with the installation
    ``TOKEN_URL``            the OAuth server's, default that of Bitrix24
    ``DATABASE``             the alias of the database that tokens are in; default the one that routers choose
    ``ALLOW_LOOPBACK``       whether a form may name this machine as its portal: the sandbox; default False
    ``RATE``                 ``(capacity, leak_rate)`` of each process, None for no limit; default ``(50, 2.0)``
    ``RETRIES``              the arguments of `b24batch.RetryPolicy` as a dict
    ``MAX_WAIT``             as in `b24batch.Session`, but 0 by default: a view does not sleep
    ``TIMEOUT DEADLINE``     as in `b24batch.Session`, like ``OPERATING_WAIT IDEMPOTENT_METHODS ALLOW_HTTP
                             REDACT_URLLIB3_LOG``
    =======================  ==========================================================================================
    """

    alias: str

    def __contains__(self, key: str) -> bool:
        return key in settings.B24BATCH[self.alias]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value that is no secret."""
        return settings.B24BATCH[self.alias].get(key, default)

    def secret(self, key: str) -> Secret:
        """Return a value that is a secret, wrapped.

        Raises:
            ImproperlyConfigured: It is missing or no text.
        """
        if not isinstance(settings.B24BATCH[self.alias].get(key), str):
            raise self.wrong(f"has no {key}, or one that is no text")
        return Secret(settings.B24BATCH[self.alias][key])

    @property
    def is_webhook(self) -> bool:
        """Whether the credentials are a webhook, and no application."""
        return "WEBHOOK_SECRET_URL" in self

    @property
    def allow_loopback(self) -> bool:
        """Whether a form may name this machine as its portal."""
        return self.get("ALLOW_LOOPBACK", False) is True

    @property
    def token_url(self) -> str:
        """Where tokens are given out."""
        return str(self.get("TOKEN_URL", TOKEN_URL))

    def application(self) -> tuple[str, Secret]:
        """Return id and secret of the application.

        Raises:
            ImproperlyConfigured: One of them is missing.
        """
        if not isinstance(self.get("CLIENT_ID"), str):
            raise self.wrong("has no CLIENT_ID, or one that is no text: it is not of an application")
        return self.get("CLIENT_ID"), self.secret("CLIENT_SECRET")

    def options(self) -> Options:
        """Return the options of a session, but for its limits; whether they can be, the session tells."""
        chosen: dict[str, Any] = {"max_wait": 0}
        chosen |= {key.lower(): self.get(key) for key in OPTIONS if key in self}
        chosen["retries"] = RetryPolicy(**chosen.get("retries", {}))
        return cast("Options", chosen)

    def wrong(self, problem: str) -> ImproperlyConfigured:
        """Return the error that names this alias."""
        return ImproperlyConfigured(f"B24BATCH[{self.alias!r}] {problem}")


def configured(alias: str) -> Config:
    """Return an alias of ``B24BATCH``.

    Raises:
        ImproperlyConfigured: There is no such setting, or no such alias in it.
    """
    if not isinstance(getattr(settings, "B24BATCH", None), dict):
        raise ImproperlyConfigured('there is no setting B24BATCH = {"default": {"WEBHOOK_SECRET_URL": ...}}')
    if not isinstance(settings.B24BATCH.get(alias), dict):
        raise ImproperlyConfigured(f"B24BATCH[{alias!r}] is missing or no dict; there are: {', '.join(aliases())}")
    return Config(alias)


def aliases() -> list[str]:
    """Return the names in ``B24BATCH``."""
    return [alias for alias in settings.B24BATCH if isinstance(alias, str)]
