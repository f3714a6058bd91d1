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
``TIMEOUT DEADLINE``     as in `b24batch.Session`, like ``MAX_ANSWER OPERATING_WAIT CONCURRENCY
                         IDEMPOTENT_METHODS ALLOW_HTTP REDACT_URLLIB3_LOG``
=======================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict, cast

import attrs
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from b24batch.django.alias_names import check_alias
from b24batch.django.keys import KEYS, OPTIONS, describe_missing, find_refusal, find_unknown, name_keys
from b24batch.errors import UsageError
from b24batch.oauth.forms import FormOptions, Rules
from b24batch.oauth.servers import TokenUrl
from b24batch.options import Options
from b24batch.redaction import Secret
from b24batch.wire.auth import Webhook, refuse_http
from b24batch.wire.retries import RetryPolicy


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
            raise self.error(describe_missing(key))
        return Secret(settings.B24BATCH[self.alias][key])

    @property
    def is_webhook(self) -> bool:
        """Whether the credentials are a webhook, not an application."""
        return "WEBHOOK_SECRET_URL" in self

    @property
    def form_options(self) -> FormOptions:
        """What a form may name.

        Raises:
            ImproperlyConfigured: A value is invalid, of this or of another key.
        """
        self.check_values()
        return FormOptions(
            allow_loopback=self.get("ALLOW_LOOPBACK", False) is True,
            allowed_hosts=self.get("ALLOWED_PORTALS", ()),
            allow_http=self.get("ALLOW_HTTP", False) is True,
            token_url=self.get("TOKEN_URL"),
        )

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
            raise self.error(f"{describe_missing('CLIENT_ID')}; an application needs one")
        secret = self.get_secret("CLIENT_SECRET")
        return Application(client_id=self.get("CLIENT_ID"), client_secret=secret, token_url=self.get("TOKEN_URL"))

    def get_options(self) -> Options:
        """Return the options of a session except its limits; the session validates them."""
        chosen: dict[str, Any] = {"max_wait": 0}
        chosen |= {key.lower(): self.get(key) for key in OPTIONS if key in self}
        chosen["retries"] = RetryPolicy(**chosen.get("retries", {}))
        return cast("Options", chosen)

    def find_contradiction(self) -> str | None:
        """Return which credential is missing, or does not go with another one."""
        application = [key for key in ("CLIENT_ID", "CLIENT_SECRET", "MEMBER_ID") if key in self]
        if self.is_webhook and application:
            return f"has both WEBHOOK_SECRET_URL and {application[0]}: expected either a webhook or an application"
        missing = [key for key in ("CLIENT_ID", "CLIENT_SECRET") if not self.get(key)]
        if self.is_webhook or not missing:
            return None
        return (
            describe_missing(missing[0]) if application else "has no CLIENT_ID and no WEBHOOK_SECRET_URL: expected one"
        )

    def check_values(self) -> None:
        """Raise `ImproperlyConfigured`, with the text of the system check, if a value is invalid."""
        for _, problem in self.find_refusals():
            raise self.error(problem)

    def find_refusals(self) -> Iterator[tuple[str, str]]:
        """Find each key with an invalid value, and why it is invalid."""
        for key in KEYS:
            problem = find_refusal(key, self.get(key)) if key in self else None
            if problem is not None:
                yield key, problem
            elif key == "WEBHOOK_SECRET_URL" and self.is_webhook and self.get("ALLOW_HTTP") is not True:
                yield from self._refuse_http()

    def _refuse_http(self) -> Iterator[tuple[str, str]]:
        try:
            refuse_http(Webhook(self.get_secret("WEBHOOK_SECRET_URL")))
            return
        except UsageError as refused:
            problem = refused.description
        yield "WEBHOOK_SECRET_URL", f"is invalid: {name_keys(problem)}"

    def error(self, problem: str) -> ImproperlyConfigured:
        """Return an error that names this alias."""
        return ImproperlyConfigured(f"B24BATCH[{self.alias!r}] {problem}")


def get_config(alias: str) -> Config:
    """Return an alias of ``B24BATCH``, with the keys that it should have.

    Raises:
        ImproperlyConfigured: The setting or the alias is missing, a key is unknown, or credentials are missing.
    """
    config = find_config(alias)
    for problem, meant in find_unknown(settings.B24BATCH[alias]).items():
        raise config.error(f"{problem}. {meant}")
    if contradiction := config.find_contradiction():
        raise config.error(contradiction)
    return config


def find_config(alias: str) -> Config:
    """Return an alias of ``B24BATCH``, whatever keys it has.

    Raises:
        ImproperlyConfigured: The setting or the alias is missing or has another shape.
    """
    check_alias(alias)
    return Config(alias)
