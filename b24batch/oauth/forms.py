"""A form that a portal posts: fields with flat names as in PHP, some of them tokens."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypedDict

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.oauth.servers import TokenUrl, TokenUrls, find_servers, to_token_urls
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, shown
from b24batch.wire.addresses import (
    HttpAddress,
    is_allowed,
    is_host_name,
    is_loopback,
    parse_address,
    to_ascii,
    to_hosts,
)

#: ``data[FIELDS][ID]``; PHP itself reads at most 64 brackets.
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,64})")
#: How a portal says that it is called over http: by its ``PROTOCOL``, and by the beginning of its address.
_PLAIN = ("0", "http:")
#: Seconds: a portal's token lasts an hour, whatever a form says.
_LONGEST = 3600


class FormOptions(TypedDict, total=False):
    """What a form may name, beside a public host and one of Bitrix24's two OAuth servers.

    Attributes:
        allow_loopback: Whether the portal may be on this machine, like the sandbox. Default False.
        allowed_hosts: Hosts that are allowed although they are an IP address, an internal name, or lead to a private
            address: ``["10.0.0.5:8443", "portal.local"]``. A port that is not the usual one is part of the host. Other
            public hosts stay allowed. Default: none.
        allow_http: Whether a portal that says so is called over http: ``PROTOCOL=0``, or ``auth[client_endpoint]`` in
            an event. Otherwise it is called over https. Default False.
        token_url: The URL of an OAuth server of your own, as in `b24batch.OAuth`. The form may then name any.
    """

    allow_loopback: bool
    allowed_hosts: Collection[str]
    allow_http: bool
    token_url: TokenUrl


def _to_allowed_hosts(hosts: Collection[str]) -> frozenset[str]:
    return to_hosts("allowed_hosts", hosts)


@attrs.frozen(kw_only=True)
class Rules:
    """The values of `FormOptions`, with their defaults."""

    allow_loopback: bool = False
    allowed_hosts: frozenset[str] = attrs.field(default=(), converter=_to_allowed_hosts)
    allow_http: bool = False
    token_urls: TokenUrls = attrs.field(default=None, converter=to_token_urls, alias="token_url")

    def allows(self, address: HttpAddress) -> bool:
        """Return whether the owner named the host of an address."""
        return address.path == "/rest/" and is_allowed(address, self.allowed_hosts)

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that may lead to any address."""
        return self.allowed_hosts | ({"localhost"} if self.allow_loopback else set())


class Names(NamedTuple):
    """The fields of a form that make up a token; `scheme` tells whether the portal is called over http."""

    access: str
    refresh: str
    expires_in: str
    host: str
    scheme: str
    server: str
    member_id: str


class Form:
    """The fields of a form, wrapped so that a traceback does not show the tokens.

    Every method raises `UsageError` with the name of a field that is missing or invalid.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    def has(self, name: str) -> bool:
        """Return whether a field is present and not empty."""
        return bool(self._fields.get(name))

    def read_text(self, name: str, default: str | None = None) -> str:
        """Return a field that is not a secret."""
        if not self.has(name) and default is not None:
            return default
        return self.read_secret(name).reveal()

    def read_secret(self, name: str) -> Secret:
        """Return a field, wrapped as a secret."""
        if not self.has(name):
            raise UsageError(f"the form has no {name}")
        if not isinstance(self._fields[name], str):
            raise UsageError(f"{name}: expected a string, got {type(self._fields[name]).__name__}")
        if "\0" in self._fields[name]:  # no portal sends one, and PostgreSQL cannot store it
            raise UsageError(f"{name}: a NUL character is invalid")
        return Secret(self._fields[name])

    def read_integer(self, name: str) -> int:
        """Return a field that is a whole number."""
        if not re.fullmatch(r"[0-9]{1,15}", self.read_text(name)):
            raise UsageError(f"{name}: expected a whole number, got {shown(self.read_text(name))}")
        return int(self.read_text(name))

    def read_json(self, name: str) -> JsonValue:
        """Return the JSON value of a field; None if it is missing."""
        try:
            return json.loads(self.read_text(name, "null"))
        except (ValueError, RecursionError):
            problem = f"{name} is not JSON: {shown(self.read_text(name))}"
        raise UsageError(problem)

    def read_nested(self, name: str) -> dict[str, JsonValue]:
        """Return the fields ``name[...]`` as nested dicts; the keys of a list are its positions."""
        tree: dict[str, JsonValue] = {}
        for field, value in self._fields.items():
            whole = _NAME.fullmatch(field)
            if whole is not None and whole[1] == name and whole[2]:
                *path, last = re.findall(r"\[([^\[\]]*)\]", whole[2])
                _descend(tree, path)[last] = value
        return tree

    def read_token(self, names: Names, rules: Rules) -> Token:
        """Return the token in the form, at a host and an OAuth server that the rules allow."""
        address = self._read_address(names, rules)
        return Token(
            self.read_secret(names.access),
            self.read_secret(names.refresh) if self.has(names.refresh) else None,
            time.time() + min(self.read_integer(names.expires_in), _LONGEST),
            address.url,
            self.read_text(names.member_id),
            server_endpoint=self._read_server(names.server, address.host, rules),
        )

    def _read_address(self, names: Names, rules: Rules) -> HttpAddress:
        """Return the address of the REST API. The host is not trusted: anyone can post a form."""
        host = to_ascii(self.read_text(names.host)) or ""
        if rules.allow_loopback and re.fullmatch(r"[\w.]+(?::[0-9]+)?", host) and is_loopback(host):
            return HttpAddress("http", host, "/rest/")
        plain = rules.allow_http and self.read_text(names.scheme, "").startswith(_PLAIN)
        address = parse_address(f"{'http' if plain else 'https'}://{host}/rest/")
        if isinstance(address, str) or not (is_host_name(host) or rules.allows(address)):
            raise UsageError(
                f"{names.host}: expected the host name of a portal, got {shown(self.read_text(names.host))}"
            )
        return address

    def _read_server(self, name: str, portal: str, rules: Rules) -> str | None:
        """Return the OAuth server that the form names; None if it names none."""
        endpoint = self.read_text(name, "") or None
        try:
            find_servers(endpoint, portal, rules.token_urls)
        except UsageError as wrong:
            problem = f"{name}: {wrong.description}"
        else:
            return endpoint if endpoint and isinstance(parse_address(endpoint), HttpAddress) else None
        raise UsageError(problem)


def _descend(tree: dict[str, JsonValue], path: list[str]) -> dict[str, JsonValue]:
    for name in path:
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    return tree
