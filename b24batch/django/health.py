"""A health check: whether each alias in ``B24BATCH`` can be used at the moment."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import attrs
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from b24batch.django.alias_names import list_aliases
from b24batch.django.conf import Config, get_config
from b24batch.django.sessions import get_session, open_session
from b24batch.django.stores import get_store
from b24batch.errors import AuthError, RateLimited, SdkError, TokenRefreshError, UsageError
from b24batch.oauth.credentials import OAuth
from b24batch.oauth.renewal import MARGIN
from b24batch.oauth.tokens import Token
from b24batch.session import Session
from b24batch.wire.checks import to_seconds

#: A cheap method that any credentials may call.
_METHOD = "server.time"
_RENEWED = "a token is stored; the next call renews it"


class _Unhealthy(Exception):
    """Why an alias cannot be used."""


@attrs.frozen
class AliasHealth:
    """What `check_health` found of one alias.

    Attributes:
        alias: The alias in ``B24BATCH``.
        is_healthy: Whether it can be used.
        detail: A sentence without a secret; it may name the portal's host.
    """

    alias: str
    is_healthy: bool
    detail: str


def check_health(aliases: Iterable[str] | None = None, *, timeout: float = 5.0) -> list[AliasHealth]:
    """Find out whether each alias can be used: one request to each portal, none to the OAuth server.

    The portal of a webhook must answer ``server.time``. So must the portal of an application with a ``MEMBER_ID``,
    with the stored token; one that is about to expire is not tried, and not renewed. For an application on many portals
    the table of tokens must be readable; no portal is asked. An alias whose rate is used up counts as healthy.

    The requests count for the portal's rate limit, so do not ask every second.

    Args:
        aliases: Aliases in the setting ``B24BATCH``. Default: all.
        timeout: Seconds for all aliases together, not counting DNS lookups, the database and Redis. Default 5.

    Returns:
        One entry for each alias, in their order. Nothing is raised for an alias that is not healthy.

    Raises:
        ImproperlyConfigured: The setting ``B24BATCH`` is missing or has another shape.
        UsageError: The timeout is invalid, or `aliases` is a str.
    """
    until = time.monotonic() + to_seconds("timeout", timeout)
    if isinstance(aliases, str):
        raise UsageError(f"aliases: expected a list of aliases, got {aliases!r}")
    return [_check(alias, until) for alias in (list_aliases() if aliases is None else aliases)]


def _check(alias: str, until: float) -> AliasHealth:
    try:
        return AliasHealth(alias, True, _look(get_config(alias), until))
    except _Unhealthy as found:
        detail = str(found)
    except Error as error:  # its text may name hosts and statements
        detail = f"the database of the tokens cannot be used: {type(error).__name__}"
    except (AuthError, TokenRefreshError) as refused:
        detail = f"the portal refuses the credentials: {refused.code}"
    except (SdkError, ImproperlyConfigured) as error:
        detail = str(getattr(error, "description", error))
    return AliasHealth(alias, False, detail)


def _look(config: Config, until: float) -> str:
    """Return what there is to say of a healthy alias; raise an exception for any other."""
    config.check_values()
    member_id = None if config.is_webhook else config.get("MEMBER_ID")
    if not config.is_webhook and member_id is None:
        return f"portals with a token: {_count_portals(config)}"
    token = None if member_id is None else get_store(config).get(member_id)
    if member_id is not None and token is None:
        raise _Unhealthy(f"no token is stored for {member_id}: install the application")
    if token is not None and time.time() > token.expires - MARGIN:
        return _RENEWED
    with _open(config, token) as session:
        return _ask(session, until)


def _count_portals(config: Config) -> int:
    tokens = apps.get_model("b24batch", "PortalToken").objects
    return int((tokens.using(config.get("DATABASE")) if config.get("DATABASE") else tokens).count())


def _open(config: Config, token: Token | None) -> AbstractContextManager[Session]:
    """Return a session that does not renew its token."""
    if token is None:
        return nullcontext(get_session(config.alias))
    kept, allowed = attrs.evolve(token, refresh_token=None), config.allowed_hosts
    return open_session(config, lambda: OAuth(**config.get_application(), token=kept, allowed_hosts=allowed))


def _ask(session: Session, until: float) -> str:
    """Ask the portal once: without a wait, nothing is sent again."""
    left = until - time.monotonic()
    if left <= 0:
        raise _Unhealthy("not asked: the time is over")
    try:
        session.with_options(max_wait=0, timeout=left, deadline=left).call(_METHOD)
    except RateLimited:
        return "the rate limit is used up for the moment"
    return "the portal answers"
