"""System checks of the setting ``B24BATCH``. They open no connection.

========  ==============================================================
``E001``  the setting is missing, or has no alias
``E002``  credentials are incomplete or contradictory
``E003``  a key is unknown
``E004``  a credential is invalid, for example a malformed or http URL
``E005``  an option is invalid
``W001``  each process uses the portal's whole rate (with ``--deploy``)
``W002``  a switch for tests is on (with ``--deploy``)
``W003``  tokens are kept on SQLite, and views run in transactions
========  ==============================================================
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from b24batch.django.conf import KEYS, Config, get_config, list_aliases
from b24batch.django.limits import has_limits
from b24batch.django.sessions import open_session
from b24batch.errors import UsageError
from b24batch.oauth.server import TokenServer
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, shown
from b24batch.wire.addresses import to_hosts
from b24batch.wire.auth import Webhook, refuse_http

_TAG = "b24batch"
_HARMLESS = Secret("https://portal.invalid/rest/1/code/")


def register() -> None:
    """Register the checks with Django."""
    checks.register(check_settings, _TAG)
    checks.register(check_deployment, _TAG, deploy=True)


def check_settings(**scope: object) -> list[Any]:
    """Return the errors in the settings."""
    del scope
    if not isinstance(getattr(settings, "B24BATCH", None), dict) or not settings.B24BATCH:
        hint = 'B24BATCH = {"default": {"WEBHOOK_SECRET_URL": ...}}'
        return [
            checks.Error("B24BATCH is missing or invalid: expected a dict of aliases.", hint=hint, id=f"{_TAG}.E001")
        ]
    return [*_check_names(settings.B24BATCH), *(message for alias in list_aliases() for message in _check_alias(alias))]


def check_deployment(**scope: object) -> list[Any]:
    """Return warnings about settings that are not fit for production."""
    del scope
    if not isinstance(getattr(settings, "B24BATCH", None), dict):
        return []
    usable = [alias for alias in list_aliases() if isinstance(settings.B24BATCH[alias], dict)]
    return [message for alias in usable for message in _find_risks(Config(alias))]


def _check_names(names: Iterable[object]) -> Iterator[Any]:
    for name in names:
        if not isinstance(name, str):
            yield checks.Error(f"B24BATCH has an invalid alias: expected a str, got {shown(name)}.", id=f"{_TAG}.E001")


def _check_alias(alias: str) -> Iterator[Any]:
    try:
        config = get_config(alias)
    except ImproperlyConfigured as wrong:
        yield checks.Error(f"{wrong}.", id=f"{_TAG}.E001")
        return
    yield from _check_keys(config)
    contradiction = _find_contradiction(config)
    if contradiction:
        yield _error(config, contradiction, "E002")
        return
    yield from _report_refusal(config, "E004", lambda: _check_credentials(config))
    for problem in _find_problems(config):
        yield _error(config, problem, "E004")
    yield from _report_refusal(config, "E005", lambda: open_session(config, lambda: Webhook(_HARMLESS)))
    yield from _check_sqlite(config)


def _check_keys(config: Config) -> Iterator[Any]:
    for key in settings.B24BATCH[config.alias]:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key).upper(), KEYS, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Valid keys: {', '.join(KEYS)}."
            yield _error(config, f"has an unknown key {key!r}", "E003", hint)


def _find_contradiction(config: Config) -> str | None:
    application = [key for key in ("CLIENT_ID", "CLIENT_SECRET", "MEMBER_ID") if key in config]
    if config.is_webhook and application:
        return f"has both WEBHOOK_SECRET_URL and {application[0]}: expected either a webhook or an application"
    missing = [key for key in ("CLIENT_ID", "CLIENT_SECRET") if not config.get(key)]
    if config.is_webhook or not missing:
        return None
    return f"has no {missing[0]}" if application else "has neither a WEBHOOK_SECRET_URL nor a CLIENT_ID"


def _check_credentials(config: Config) -> None:
    if config.is_webhook:
        webhook = Webhook(config.get_secret("WEBHOOK_SECRET_URL"))
        if config.get("ALLOW_HTTP") is not True:
            refuse_http(webhook)
    else:
        application = config.get_application()
        TokenServer(application["client_id"], application["client_secret"], application["token_url"], time)
        to_hosts("ALLOWED_PORTALS", config.get("ALLOWED_PORTALS", ()))
    if "MEMBER_ID" in config:
        Token(_HARMLESS, None, 0.0, "https://portal.invalid/rest/", config.get("MEMBER_ID"))


def _find_problems(config: Config) -> Iterator[str]:
    database, token = config.get("DATABASE"), config.get("APPLICATION_TOKEN")
    if database is not None and database not in list(settings.DATABASES):
        yield f"has an unknown DATABASE: expected one of {', '.join(settings.DATABASES)}, got {shown(database)}"
    if "APPLICATION_TOKEN" in config and not (isinstance(token, str) and token):
        yield "has an invalid APPLICATION_TOKEN: expected a str that is not empty; omit it if it is not known"
    if not isinstance(config.get("ALLOW_LOOPBACK", False), bool):
        yield "has an invalid ALLOW_LOOPBACK: expected True or False"


def _report_refusal(config: Config, number: str, make: Callable[[], object]) -> Iterator[Any]:
    try:
        make()
    except UsageError as wrong:
        yield _error(config, f"is invalid: {wrong.description}", number)
    except ImproperlyConfigured as wrong:
        yield checks.Error(f"{wrong}.", id=f"{_TAG}.{number}")


def _check_sqlite(config: Config) -> Iterator[Any]:
    database = settings.DATABASES.get(str(config.get("DATABASE") or "default"), {})
    if config.is_webhook or "sqlite3" not in database.get("ENGINE", "") or not database.get("ATOMIC_REQUESTS"):
        return
    hint = "Keep the tokens in a separate file: name an alias of DATABASES without ATOMIC_REQUESTS as DATABASE."
    text = "keeps tokens on SQLite with ATOMIC_REQUESTS: a view that has used the database cannot renew a token"
    yield _warning(config, text, "W003", hint)


def _find_risks(config: Config) -> Iterator[Any]:
    if not has_limits(config):
        hint = (
            "Add the REDIS_SECRET_URL of a Redis server, in which all processes share the rate; or divide (50, 2.0) by "
            'the number of processes, such as "RATE": (12, 0.5) for 4 processes.'
        )
        yield _warning(config, "has no RATE: each process of the deployment uses the portal's whole rate", "W001", hint)
    for key in ("ALLOW_LOOPBACK", "ALLOW_HTTP"):
        if config.get(key):
            yield _warning(config, f"has {key}, which is for tests only", "W002")


def _error(config: Config, problem: str, number: str, hint: str | None = None) -> Any:
    return checks.Error(f"{config.error(problem)}.", hint=hint, id=f"{_TAG}.{number}")


def _warning(config: Config, problem: str, number: str, hint: str | None = None) -> Any:
    return checks.Warning(f"{config.error(problem)}.", hint=hint, id=f"{_TAG}.{number}")
