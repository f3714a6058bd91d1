"""The keys of an alias of ``B24BATCH``: how each is written, and what a misspelt key meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, NamedTuple

from b24batch.django import key_checks
from b24batch.errors import UsageError
from b24batch.oauth.servers import to_token_urls
from b24batch.options import to_flag
from b24batch.redaction import Secret, shown
from b24batch.wire.addresses import to_hosts
from b24batch.wire.auth import Webhook

#: What an error of the library says of an argument, and the same of a key.
_WORDS = {
    "pass allow_http=True": 'set "ALLOW_HTTP": True',
    "pass its URL as token_url=": "set its URL as TOKEN_URL",
    "allowed_hosts": "ALLOWED_PORTALS",
}


class Key(NamedTuple):
    """A key: a function that raises if a value is invalid, and an example of a value."""

    check: Callable[[Any], object]
    example: str


def find_refusal(key: str, value: object) -> str | None:
    """Return why the value of a key is invalid, and how to write it; None if it is valid.

    It raises nothing, so that no traceback has a frame with the value, which may be a secret.
    """
    if value is None and key in _SECRETS:
        return describe_missing(key)
    try:
        KEYS[key].check(value)
        return None
    except (UsageError, TypeError, ValueError) as refused:
        problem = re.sub(rf"(?i)^{key}( is invalid)?: ", "", str(getattr(refused, "description", refused)))
    inner = ("expected", *key_checks.POLICY, *key_checks.RATE)
    named = f"{key}: {problem}" if problem.startswith(inner) else name_keys(problem)
    return f"is invalid: {named}; {_show_how(key)}"


def describe_missing(key: str) -> str:
    """Return what is said of a key that is missing, or unset by an environment variable that is missing."""
    return f"has no {key}: expected a str; {_show_how(key)}"


def _show_how(key: str) -> str:
    return f'write it as "{key}": {KEYS[key].example}'


def name_keys(problem: str) -> str:
    """Return what an error of the library says, with the names of keys instead of arguments."""
    for argument, key in _WORDS.items():
        problem = problem.replace(argument, key)
    return problem


def suggest(name: object, known: Collection[str]) -> str:
    """Return a sentence with the known name that an unknown one is nearest to, else with all of them."""
    inner = str(name).casefold()
    if inner in key_checks.POLICY and inner not in known:
        return f"Did you mean RETRIES, a dict with {inner}?"
    near = find_near(name, known)
    return f"Did you mean {near}?" if near else f"Valid keys: {', '.join(known)}."


def find_near(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that an unknown one is nearest to, in whatever case."""
    names = {each.casefold(): each for each in known}
    return next((names[near] for near in difflib.get_close_matches(str(name).casefold(), names, 1, cutoff=0.5)), None)


def find_unknown(values: dict[object, object]) -> dict[str, str]:
    """Return what is said of each unknown key, those of ``RETRIES`` too, and of what it may have meant."""
    said = {f"has an unknown key {shown(key)}": suggest(key, KEYS) for key in values if key not in KEYS}
    retries = values.get("RETRIES")
    inner = [key for key in retries if key not in key_checks.POLICY] if isinstance(retries, dict) else []
    return said | {f"has an unknown key {shown(key)} in RETRIES": suggest(key, key_checks.POLICY) for key in inner}


#: The credentials. Secrets have names that Django's debug page masks.
CREDENTIALS = {
    "WEBHOOK_SECRET_URL": Key(lambda value: Webhook(Secret(value)), 'os.environ["B24_WEBHOOK_URL"]'),
    "CLIENT_ID": Key(partial(key_checks.check_text, "CLIENT_ID"), '"app.1234567890abcd.12345678"'),
    "CLIENT_SECRET": Key(partial(key_checks.check_text, "CLIENT_SECRET"), 'os.environ["B24_CLIENT_SECRET"]'),
    "MEMBER_ID": Key(key_checks.check_member_id, '"a223c6b3710f85df22e9377d6c4f7553"'),
    "APPLICATION_TOKEN": Key(
        partial(key_checks.check_text, "APPLICATION_TOKEN"), 'os.environ["B24_APPLICATION_TOKEN"], or omit it'
    ),
    "TOKEN_URL": Key(to_token_urls, '"https://oauth.bitrix.info/oauth/token/", or omit it'),
    "DATABASE": Key(key_checks.check_database, '"default", or omit it'),
    "ALLOW_LOOPBACK": Key(partial(to_flag, "ALLOW_LOOPBACK"), "True"),
    "ALLOWED_PORTALS": Key(partial(to_hosts, "ALLOWED_PORTALS"), '["10.0.0.5:8443", "portal.local"]'),
}
#: Options of `b24batch.Session`, in upper case.
OPTIONS = {
    **{
        name.upper(): Key(partial(key_checks.check_option, name), example)
        for name, example in {
            "timeout": "30, or (10, 75) to connect and to read",
            "deadline": "120",
            "max_answer": "256_000_000",
            "max_wait": "0, or None for no limit",
            "operating_wait": "660",
            "concurrency": "4",
            "allow_http": "True",
            "redact_urllib3_log": "True",
        }.items()
    },
    "RETRIES": Key(key_checks.check_retries, '{"attempts": 3}'),
    "IDEMPOTENT_METHODS": Key(key_checks.check_methods, '["crm.deal.update"]'),
}
LIMITS = {
    "RATE": Key(key_checks.check_rate, "(12, 0.5)"),
    "REDIS_SECRET_URL": Key(key_checks.check_redis_url, 'os.environ["REDIS_SECRET_URL"]'),
    "EGRESS": Key(key_checks.check_egress, '"203.0.113.7"'),
}
KEYS = {**CREDENTIALS, **OPTIONS, **LIMITS}
#: The keys that may be unset by an environment variable that is missing.
_SECRETS = [key for key in KEYS if "SECRET" in key]
