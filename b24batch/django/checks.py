"""System checks of the setting ``B24BATCH``. They open no connection.

========  ==============================================================
``E001``  the setting is missing or has another shape
``E002``  credentials are incomplete or contradictory
``E003``  a key is unknown
``E004``  a credential is invalid, for example a malformed or http URL
``E005``  an option is invalid
``W001``  each process uses the portal's whole rate (with ``--deploy``)
``W002``  ``ALLOW_LOOPBACK`` or ``ALLOW_HTTP`` is on (with ``--deploy``)
``W003``  tokens are kept on SQLite, and views run in transactions
========  ==============================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from b24batch.django.alias_names import find_problem, list_aliases
from b24batch.django.conf import Config, find_config
from b24batch.django.keys import CREDENTIALS, find_unknown
from b24batch.django.limits import has_limits
from b24batch.django.sessions import open_session
from b24batch.redaction import Secret
from b24batch.wire.auth import Webhook

_TAG = "b24batch"
_HARMLESS = Secret("https://portal.invalid/rest/1/code/")
#: What is said of a setting that is not fit for production, and what to do.
_RISKS = {
    "ALLOW_LOOPBACK": ("so that a form may name this machine as its portal", "Remove it; it is for the sandbox."),
    "ALLOW_HTTP": (
        "so that credentials may be sent to a portal unencrypted",
        "Remove it, unless the portal has no https and is in your own network.",
    ),
}


def register() -> None:
    """Register the checks with Django."""
    checks.register(check_settings, _TAG)
    checks.register(check_deployment, _TAG, deploy=True)


def check_settings(**scope: object) -> list[Any]:
    """Return the errors in the settings."""
    del scope
    if problem := find_problem():
        return [checks.Error(f"{problem}.", id=f"{_TAG}.E001")]
    return [message for alias in list_aliases() for message in _check_alias(alias)]


def check_deployment(**scope: object) -> list[Any]:
    """Return warnings about settings that are not fit for production."""
    del scope
    if find_problem():
        return []
    usable = [alias for alias in list_aliases() if isinstance(settings.B24BATCH[alias], dict)]
    return [message for alias in usable for message in _find_risks(Config(alias))]


def _check_alias(alias: str) -> Iterator[Any]:
    try:
        config = find_config(alias)
    except ImproperlyConfigured as wrong:
        yield checks.Error(f"{wrong}.", id=f"{_TAG}.E001")
        return
    unknown = find_unknown(settings.B24BATCH[alias])
    for problem, meant in unknown.items():
        yield _error(config, problem, "E003", meant)
    if contradiction := config.find_contradiction():
        yield _error(config, contradiction, "E002")
        return
    refusals = list(config.find_refusals())
    for key, problem in refusals:
        yield _error(config, problem, "E004" if key in CREDENTIALS else "E005")
    if not refusals and not unknown:
        yield from _check_session(config)
    yield from _check_sqlite(config)


def _check_session(config: Config) -> Iterator[Any]:
    """Make a session, without connecting to anything, to find what no single key shows."""
    try:
        open_session(config, lambda: Webhook(_HARMLESS))
    except ImproperlyConfigured as wrong:
        yield checks.Error(f"{wrong}.", id=f"{_TAG}.E005")


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
    for key, (risk, hint) in _RISKS.items():
        if config.get(key):
            yield _warning(config, f'has "{key}": True, {risk}', "W002", hint)


def _error(config: Config, problem: str, number: str, hint: str | None = None) -> Any:
    return checks.Error(f"{config.error(problem)}.", hint=hint, id=f"{_TAG}.{number}")


def _warning(config: Config, problem: str, number: str, hint: str | None = None) -> Any:
    return checks.Warning(f"{config.error(problem)}.", hint=hint, id=f"{_TAG}.{number}")
