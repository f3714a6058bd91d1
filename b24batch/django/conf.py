"""The setting ``B24BATCH``: each alias has the credentials of a portal or an application, and options.

=======================  ==========================================================================================
``WEBHOOK_SECRET_URL``   the URL of an inbound webhook; for an application omit it and set:
``CLIENT_ID``            the application's id
``CLIENT_SECRET``        the application's secret
``MEMBER_ID``            the portal that `get_session` is for, if the application has only one
``APPLICATION_TOKEN``    the token that events must have; default: the one stored at the installation
``TOKEN_URL``            the URL of the OAuth server; default: that of Bitrix24 which issued the token
``DATABASE``             the alias of the database for tokens; default: the one that the routers choose
``ALLOW_LOOPBACK``       whether a form may name this machine as its portal, for the sandbox; default False
``ALLOWED_PORTALS``      hosts that a form may also name, or that may lead to a private address: IP addresses, internal
                         names, each with its port, ``["10.0.0.5:8443", "portal.local"]``; default none
``REDIS_SECRET_URL``     the URL of a Redis server, in which all processes share a portal's rate limit;
                         see `b24batch.redis.RedisBucket`; default: each process has a limit of its own
``EGRESS``               with Redis, the IP address from which this process calls portals, or a name for it, if the
                         project has several: a portal counts the requests of each address
``RATE``                 ``(capacity, leak_rate)``, None for no limit; default ``(50, 2.0)``; without Redis of each
                         process
``RETRIES``              the arguments of `b24batch.RetryPolicy` as a dict
``MAX_WAIT``             as in `b24batch.Session`, but 0 by default, so that a view does not sleep
``TIMEOUT DEADLINE``     as in `b24batch.Session`, like ``MAX_ANSWER OPERATING_WAIT IDEMPOTENT_METHODS ALLOW_HTTP
                         REDACT_URLLIB3_LOG``
=======================  ==========================================================================================
"""

from __future__ import annotations

from typing import Any, TypedDict, cast

import attrs
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from b24batch.errors import UsageError
from b24batch.oauth.forms import FormOptions, Rules
from b24batch.oauth.servers import TokenUrl
from b24batch.options import Options
from b24batch.redaction import Secret
from b24batch.wire.retries import RetryPolicy

#: The credentials. Secrets have names that Django's debug page masks.
CREDENTIALS = (
    "WEBHOOK_SECRET_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "MEMBER_ID",
    "APPLICATION_TOKEN",
    "TOKEN_URL",
    "DATABASE",
    "ALLOW_LOOPBACK",
    "ALLOWED_PORTALS",
)
#: Options of `b24batch.Session`, in upper case.
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
KEYS = (*CREDENTIALS, *OPTIONS, "RATE", "REDIS_SECRET_URL", "EGRESS")


class Application(TypedDict):
    """The arguments of `b24batch.OAuth` that are the same for all portals of an application."""

    client_id: str
    client_secret: Secret
    token_url: TokenUrl


@attrs.frozen
class Config:
    """One alias of ``B24BATCH``. It reads a value when it is needed, so that no traceback shows a stored one."""

    alias: str

    def __contains__(self, key: str) -> bool:
        return key in settings.B24BATCH[self.alias]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value that is not secret."""
        return settings.B24BATCH[self.alias].get(key, default)

    def get_secret(self, key: str) -> Secret:
        """Return a secret value as a `Secret`.

        Raises:
            ImproperlyConfigured: It is missing or not a str.
        """
        if not isinstance(settings.B24BATCH[self.alias].get(key), str):
            raise self.error(f"has no {key}: expected a str")
        return Secret(settings.B24BATCH[self.alias][key])

    @property
    def is_webhook(self) -> bool:
        """Whether the credentials are a webhook, not an application."""
        return "WEBHOOK_SECRET_URL" in self

    @property
    def form_options(self) -> FormOptions:
        """What a form may name.

        Raises:
            ImproperlyConfigured: A value is invalid.
        """
        options = FormOptions(
            allow_loopback=self.get("ALLOW_LOOPBACK", False) is True,
            allowed_hosts=self.get("ALLOWED_PORTALS", ()),
            allow_http=self.get("ALLOW_HTTP", False) is True,
            token_url=self.get("TOKEN_URL"),
        )
        try:
            Rules(**options)
            return options
        except UsageError as wrong:
            problem = wrong.description
        raise self.error(f"is invalid: {problem.replace('allowed_hosts', 'ALLOWED_PORTALS')}")

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The hosts that may lead to a private address."""
        return Rules(**self.form_options).hosts

    def get_application(self) -> Application:
        """Return the credentials of the application.

        Raises:
            ImproperlyConfigured: The id or the secret is missing or not a str.
        """
        if not isinstance(self.get("CLIENT_ID"), str):
            raise self.error("has no CLIENT_ID: expected a str; an application needs one")
        secret = self.get_secret("CLIENT_SECRET")
        return Application(client_id=self.get("CLIENT_ID"), client_secret=secret, token_url=self.get("TOKEN_URL"))

    def get_options(self) -> Options:
        """Return the options of a session except its limits; the session validates them."""
        chosen: dict[str, Any] = {"max_wait": 0}
        chosen |= {key.lower(): self.get(key) for key in OPTIONS if key in self}
        chosen["retries"] = RetryPolicy(**chosen.get("retries", {}))
        return cast("Options", chosen)

    def error(self, problem: str) -> ImproperlyConfigured:
        """Return an error that names this alias."""
        return ImproperlyConfigured(f"B24BATCH[{self.alias!r}] {problem}")


def get_config(alias: str) -> Config:
    """Return an alias of ``B24BATCH``.

    Raises:
        ImproperlyConfigured: The setting or the alias is missing.
    """
    if not isinstance(getattr(settings, "B24BATCH", None), dict):
        raise ImproperlyConfigured('B24BATCH is missing: expected {"default": {"WEBHOOK_SECRET_URL": ...}}')
    if not isinstance(settings.B24BATCH.get(alias), dict):
        raise ImproperlyConfigured(
            f"B24BATCH[{alias!r}] is missing or not a dict; aliases: {', '.join(list_aliases())}"
        )
    return Config(alias)


def list_aliases() -> list[str]:
    """Return the names in ``B24BATCH``."""
    return [alias for alias in settings.B24BATCH if isinstance(alias, str)]
