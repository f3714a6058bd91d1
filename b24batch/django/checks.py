"""System checks of the setting ``B24BATCH``; none of them connects to anything.

========  ============================================================
``E001``  there is no such setting, or no alias in it
``E002``  credentials are incomplete or contradictory
``E003``  a key is unknown
``E004``  a credential cannot be: a URL of another shape, or plain http
``E005``  an option cannot be
``W001``  each process keeps the whole rate for itself (with --deploy)
``W002``  a switch for tests is on (with --deploy)
``W003``  tokens on SQLite where views run in transactions
========  ============================================================
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from b24batch.django.conf import KEYS, Config, aliases, configured
from b24batch.django.sessions import opened
from b24batch.errors import UsageError
from b24batch.oauth.server import TokenServer
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, shown
from b24batch.wire.auth import Webhook, refuse_http

_TAG = "b24batch"
_HARMLESS = Secret("https://portal.invalid/rest/1/code/")


def register() -> None:
    """Tell Django of the checks."""
    checks.register(check_settings, _TAG)
    checks.register(check_deployment, _TAG, deploy=True)


def check_settings(**scope: object) -> list[Any]:
    """Return what is wrong with the settings."""
    del scope
    if not isinstance(getattr(settings, "B24BATCH", None), dict) or not settings.B24BATCH:
        hint = 'B24BATCH = {"default": {"WEBHOOK_SECRET_URL": ...}}'
        return [
            checks.Error("There is no setting B24BATCH, or it is no dict with an alias.", hint=hint, id=f"{_TAG}.E001")
        ]
    return [*_nameless(settings.B24BATCH), *(message for alias in aliases() for message in _problems(alias))]


def check_deployment(**scope: object) -> list[Any]:
    """Return what should not go into production."""
    del scope
    if not isinstance(getattr(settings, "B24BATCH", None), dict):
        return []
    usable = [alias for alias in aliases() if isinstance(settings.B24BATCH[alias], dict)]
    return [message for alias in usable for message in _risks(Config(alias))]


def _nameless(names: Iterable[object]) -> Iterator[Any]:
    for name in names:
        if not isinstance(name, str):
            yield checks.Error(f"B24BATCH has the alias {shown(name)}, which is no text.", id=f"{_TAG}.E001")


def _problems(alias: str) -> Iterator[Any]:
    try:
        config = configured(alias)
    except ImproperlyConfigured as wrong:
        yield checks.Error(f"{wrong}.", id=f"{_TAG}.E001")
        return
    yield from _unknown_keys(config)
    contradiction = _contradiction(config)
    if contradiction:
        yield _error(config, contradiction, "E002")
        return
    yield from _refused(config, "E004", lambda: _credentials(config))
    for problem in filter(None, (_misnamed(config), _unset(config))):
        yield _error(config, problem, "E004")
    yield from _refused(config, "E005", lambda: opened(config, lambda: Webhook(_HARMLESS)))
    yield from _shared_file(config)


def _unknown_keys(config: Config) -> Iterator[Any]:
    for key in settings.B24BATCH[config.alias]:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key).upper(), KEYS, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(KEYS)}."
            yield _error(config, f"has a key {key!r}, which does not exist", "E003", hint)


def _contradiction(config: Config) -> str | None:
    application = [key for key in ("CLIENT_ID", "CLIENT_SECRET", "MEMBER_ID") if key in config]
    if config.is_webhook and application:
        return f"has a WEBHOOK_SECRET_URL as well as {application[0]}: it is either a webhook or an application"
    missing = [key for key in ("CLIENT_ID", "CLIENT_SECRET") if not config.get(key)]
    if config.is_webhook or not missing:
        return None
    return f"has no {missing[0]}" if application else "has neither a WEBHOOK_SECRET_URL nor a CLIENT_ID"


def _credentials(config: Config) -> None:
    if config.is_webhook:
        webhook = Webhook(config.secret("WEBHOOK_SECRET_URL"))
        if config.get("ALLOW_HTTP") is not True:
            refuse_http(webhook)
    else:
        TokenServer(*config.application(), config.token_url, time)
    if "MEMBER_ID" in config:
        Token(_HARMLESS, None, 0.0, "https://portal.invalid/rest/", config.get("MEMBER_ID"))


def _misnamed(config: Config) -> str | None:
    database = config.get("DATABASE")
    if database is None or (isinstance(database, str) and database in settings.DATABASES):
        return None
    return f"has the DATABASE {shown(database)}; there are in DATABASES: {', '.join(settings.DATABASES)}"


def _unset(config: Config) -> str | None:
    token = config.get("APPLICATION_TOKEN")
    if "APPLICATION_TOKEN" in config and not (isinstance(token, str) and token):
        return "has an APPLICATION_TOKEN that is no text or empty: leave it out where it is not known"
    if not isinstance(config.get("ALLOW_LOOPBACK", False), bool):
        return "has an ALLOW_LOOPBACK that is neither True nor False"
    return None


def _refused(config: Config, number: str, make: Callable[[], object]) -> Iterator[Any]:
    try:
        make()
    except UsageError as wrong:
        yield _error(config, f"cannot be: {wrong.description}", number)
    except ImproperlyConfigured as wrong:
        yield checks.Error(f"{wrong}.", id=f"{_TAG}.{number}")


def _shared_file(config: Config) -> Iterator[Any]:
    if config.is_webhook or _misnamed(config):
        return
    database = settings.DATABASES.get(config.get("DATABASE") or "default", {})
    if "sqlite3" not in database.get("ENGINE", "") or not database.get("ATOMIC_REQUESTS"):
        return
    hint = "Give the tokens a file of their own: another alias in DATABASES, without ATOMIC_REQUESTS, as DATABASE here."
    text = "keeps tokens on SQLite with ATOMIC_REQUESTS: a view that has read or written cannot renew one"
    yield _warning(config, text, "W003", hint)


def _risks(config: Config) -> Iterator[Any]:
    if "RATE" not in config:
        hint = 'Divide the portal\'s (50, 2.0) by the number of processes, such as "RATE": (12, 0.5) for 4 of them.'
        yield _warning(
            config, "has no RATE: each process of the deployment takes the portal's whole rate", "W001", hint
        )
    for key in ("ALLOW_LOOPBACK", "ALLOW_HTTP"):
        if config.get(key):
            yield _warning(config, f"has {key}, which is for tests", "W002")


def _error(config: Config, problem: str, number: str, hint: str | None = None) -> Any:
    return checks.Error(f"{config.wrong(problem)}.", hint=hint, id=f"{_TAG}.{number}")


def _warning(config: Config, problem: str, number: str, hint: str | None = None) -> Any:
    return checks.Warning(f"{config.wrong(problem)}.", hint=hint, id=f"{_TAG}.{number}")
