"""What a portal posts to an application: a placement that a user opens, and events."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode, urlsplit

import requests

from b24batch.sandbox.oauth.server import find_host
from b24batch.sandbox.oauth.tokens import APPLICATION_TOKEN
from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.php.values import JSON, list_items, to_text

#: The fields of a placement that stand in the query; the others are the body.
PLACEMENT_QUERY = ("DOMAIN", "PROTOCOL", "LANG", "APP_SID")

#: The id of the handler; any event of the sandbox has this one.
_HANDLER_ID = 1

#: The fields with the portal's host and its OAuth server, in a placement and in an event.
_SERVER_FIELDS = (("DOMAIN", "SERVER_ENDPOINT"), ("auth[domain]", "auth[server_endpoint]"))
_HERE = "127.0.0.1"

#: Real seconds to connect, and to wait for the application.
_TIMEOUT = 30.0

#: A form, flat: names with brackets as PHP reads them.
Form = dict[str, str]


def make_placement(token: Mapping[str, JSON], code: str, options: JSON) -> Form:
    """Return the form of a placement; without options there is no ``PLACEMENT_OPTIONS``, as on a portal."""
    form = {
        "DOMAIN": _get_portal(token),
        "PROTOCOL": "0",
        "LANG": "en",
        "APP_SID": secrets.token_hex(16),
        "AUTH_ID": token["access_token"],
        "AUTH_EXPIRES": str(token["expires_in"]),
        "REFRESH_ID": token["refresh_token"],
        "SERVER_ENDPOINT": token["server_endpoint"],
        "member_id": token["member_id"],
        "status": token["status"],
        "PLACEMENT": code,
    }
    return {**form, "PLACEMENT_OPTIONS": php_json.dumps(options)} if options else form


def make_event(token: Mapping[str, JSON], name: str, data: JSON) -> Form:
    """Return the form of an event with a whole token, dated when the token was issued."""
    ts = token["expires"] - token["expires_in"]
    auth = {**token, "domain": _get_portal(token), "application_token": APPLICATION_TOKEN}
    whole = {"event": name, "event_handler_id": _HANDLER_ID, "data": data, "ts": ts, "auth": auth}
    return dict(_flatten(whole))


def _get_portal(token: Mapping[str, JSON]) -> str:
    """Return the host of the portal; the ``domain`` of a token is its OAuth server."""
    return str(urlsplit(token["client_endpoint"]).netloc)


def _flatten(array: JSON, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields that PHP writes an array as: null and empty arrays are left out."""
    for key, value in list_items(array):
        inner = f"{name}[{key}]" if name else str(key)
        if isinstance(value, (list, dict)):
            yield from _flatten(value, inner)
        elif value is not None:
            yield inner, to_text(int(value) if isinstance(value, bool) else value)


def replace_fields(form: Form, fields: Mapping[str, str | int | None]) -> Form:
    """Return a form with some fields replaced, or left out where None stands for them.

    A form with the host of a portal elsewhere names an OAuth server of Bitrix24, unless it is replaced too.
    """
    merged = {**form, **fields}
    for portal, server in _SERVER_FIELDS:
        if server in form and server not in fields and not str(merged[portal] or _HERE).startswith(_HERE):
            merged[server] = f"https://{find_host('ru')}/rest/"
    return {name: str(value) for name, value in merged.items() if value is not None}


def split(url: str, form: Form) -> tuple[str, Form]:
    """Return the address with the fields that a portal puts into the query, and the fields of the body."""
    query = {name: form[name] for name in PLACEMENT_QUERY if name in form}
    joint = "&" if urlsplit(url).query else "?"
    address = f"{url}{joint}{urlencode(query)}" if query else url
    return address, {name: value for name, value in form.items() if name not in query}


def post(url: str, form: Form) -> requests.Response:
    """Post a form to an application, past all proxies, and return its answer; redirects are not followed."""
    address, body = split(url, form)
    with requests.Session() as http:
        http.trust_env = False
        return http.post(address, data=body, timeout=_TIMEOUT, allow_redirects=False)
