"""The keys of an alias of ``B24BATCH``: what each value must be, how it is written, and what a misspelt key meant."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings

from b24batch.errors import UsageError
from b24batch.oauth.servers import to_token_urls
from b24batch.oauth.tokens import Token
from b24batch.options import Settings, to_flag
from b24batch.redaction import Secret, shown, to_secret
from b24batch.wire.addresses import to_hosts
from b24batch.wire.auth import Webhook
from b24batch.wire.settings import check_number

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
    written = f'write it as "{key}": {KEYS[key].example}'
    if value is None and key in _SECRETS:
        return f"has no {key}: expected a str; {written}"
    try:
        KEYS[key].check(value)
        return None
    except (UsageError, TypeError, ValueError) as refused:
        problem = re.sub(rf"(?i)^{key}( is invalid)?: ", "", str(getattr(refused, "description", refused)))
    named = f"{key}: {problem}" if problem.startswith(("expected", *_POLICY)) else name_keys(problem)
    return f"is invalid: {named}; {written}"


def name_keys(problem: str) -> str:
    """Return what an error of the library says, with the names of keys instead of arguments."""
    for argument, key in _WORDS.items():
        problem = problem.replace(argument, key)
    return problem


def suggest(name: object, known: Iterable[str]) -> str:
    """Return a sentence with the known name that an unknown one is nearest to, else with all of them."""
    names = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(str(name).casefold(), names, 1, cutoff=0.5)
    return f"Did you mean {names[near[0]]}?" if near else f"Valid keys: {', '.join(names.values())}."


def find_unknown(values: dict[object, object]) -> dict[str, str]:
    """Return what is said of each unknown key, those of ``RETRIES`` too, and of what it may have meant."""
    said = {f"has an unknown key {shown(key)}": suggest(key, KEYS) for key in values if key not in KEYS}
    retries = values.get("RETRIES")
    inner = [key for key in retries if key not in _POLICY] if isinstance(retries, dict) else []
    return said | {f"has an unknown key {shown(key)} in RETRIES": suggest(key, _POLICY) for key in inner}


def _check_member_id(value: object) -> None:
    Token(Secret("-"), None, 0.0, "https://portal.invalid/rest/", value)  # type: ignore[arg-type]


def _check_database(value: object) -> None:
    if value is not None and value not in list(settings.DATABASES):
        raise UsageError(f"expected one of {', '.join(settings.DATABASES)}, got {shown(value)}")


def _check_client_id(value: object) -> None:
    if not isinstance(value, str) or not value:
        raise UsageError(f"expected a string that is not empty, got {shown(value)}")


def _check_redis_url(value: object) -> None:
    if not isinstance(value, str):
        raise UsageError(f"expected a str, got {type(value).__name__}")
    with suppress(ModuleNotFoundError):  # a session says what to install
        from b24batch.redis.client import open_client

        open_client(Secret(value))


def _check_option(name: str, value: object) -> None:
    Settings(limits=None, **{name: value})  # type: ignore[arg-type]


def _check_methods(value: object) -> None:
    _check_option("idempotent_methods", value)
    if any(not isinstance(name, str) for name in value):  # type: ignore[attr-defined]
        raise UsageError(f"expected a collection of method names, got {shown(value)}")


def _check_pause(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise UsageError(f"{name}: expected a number of seconds that is not negative, got {shown(value)}")


def _check_random(name: str, value: object) -> None:
    if not callable(value):
        raise UsageError(f"{name}: expected a function, got {shown(value)}")


def _check_retries(value: object) -> None:
    if not isinstance(value, dict):
        raise UsageError(f"expected a dict of the arguments of b24batch.RetryPolicy, got {shown(value)}")
    for name in value.keys() & _POLICY.keys():
        _POLICY[name](name, value[name])


def _check_rate(value: object) -> None:
    match value:
        case None:
            return
        case (int() as capacity, int() | float() as rate) if capacity >= 2 and 0 < rate < math.inf and rate is not True:
            return
    need = "capacity must be a whole number of at least 2, leak_rate a positive number"
    raise UsageError(f"expected None or (capacity, leak_rate); {need}; got {shown(value)}")


def _check_egress(value: object) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.:-]{1,100}", value):
        raise UsageError(f"expected an IP address or another name of letters and digits, got {shown(value)}")


#: The arguments of `b24batch.RetryPolicy`.
_POLICY: dict[str, Callable[[str, Any], object]] = {
    "attempts": check_number,
    **dict.fromkeys(("wait_initial", "wait_max", "total_wait"), _check_pause),
    "random": _check_random,
}
#: The credentials. Secrets have names that Django's debug page masks.
CREDENTIALS = {
    "WEBHOOK_SECRET_URL": Key(lambda value: Webhook(Secret(value)), 'os.environ["B24_WEBHOOK_URL"]'),
    "CLIENT_ID": Key(_check_client_id, '"app.1234567890abcd.12345678"'),
    "CLIENT_SECRET": Key(partial(to_secret, what="CLIENT_SECRET"), 'os.environ["B24_CLIENT_SECRET"]'),
    "MEMBER_ID": Key(_check_member_id, '"a223c6b3710f85df22e9377d6c4f7553"'),
    "APPLICATION_TOKEN": Key(
        partial(to_secret, what="APPLICATION_TOKEN"), 'os.environ["B24_APPLICATION_TOKEN"], or omit it'
    ),
    "TOKEN_URL": Key(to_token_urls, '"https://oauth.bitrix.info/oauth/token/", or omit it'),
    "DATABASE": Key(_check_database, '"default", or omit it'),
    "ALLOW_LOOPBACK": Key(partial(to_flag, "ALLOW_LOOPBACK"), "True"),
    "ALLOWED_PORTALS": Key(partial(to_hosts, "ALLOWED_PORTALS"), '["10.0.0.5:8443", "portal.local"]'),
}
#: Options of `b24batch.Session`, in upper case.
OPTIONS = {
    **{
        name.upper(): Key(partial(_check_option, name), example)
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
    "RETRIES": Key(_check_retries, '{"attempts": 3}'),
    "IDEMPOTENT_METHODS": Key(_check_methods, '["crm.deal.update"]'),
}
LIMITS = {
    "RATE": Key(_check_rate, "(12, 0.5)"),
    "REDIS_SECRET_URL": Key(_check_redis_url, 'os.environ["REDIS_SECRET_URL"]'),
    "EGRESS": Key(_check_egress, '"203.0.113.7"'),
}
KEYS = {**CREDENTIALS, **OPTIONS, **LIMITS}
#: The keys that may be unset by an environment variable that is missing.
_SECRETS = [key for key in KEYS if "SECRET" in key]
