"""A form that a portal posts: fields with flat names as in PHP, some of them tokens."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, shown
from b24batch.wire.addresses import is_host_name, is_loopback

#: ``data[FIELDS][ID]``; PHP itself reads at most 64 brackets.
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,64})")
#: Seconds: a portal's token lasts an hour, whatever a form says.
_LONGEST = 3600


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

    def read_token(self, names: tuple[str, str, str, str], member_id: str, *, local: bool) -> Token:
        """Return the token in the form.

        Args:
            names: The fields with the access token, the refresh token, the seconds that it is valid, and the host.
            member_id: The field with the portal's id.
            local: Whether the portal may be on this machine.
        """
        access, refresh, expires_in, domain = names
        return Token(
            self.read_secret(access),
            self.read_secret(refresh) if self.has(refresh) else None,
            time.time() + min(self.read_integer(expires_in), _LONGEST),
            self._read_endpoint(domain, local=local),
            self.read_text(member_id),
        )

    def _read_endpoint(self, domain: str, *, local: bool) -> str:
        """Return the URL of the REST API. The host is not trusted: anyone can post a form."""
        host = self.read_text(domain)
        if local and re.fullmatch(r"[\w.]+(?::[0-9]+)?", host) and is_loopback(host):
            return f"http://{host}/rest/"
        if not is_host_name(host):
            raise UsageError(f"{domain}: expected the host name of a portal, got {shown(host)}")
        return f"https://{host}/rest/"


def _descend(tree: dict[str, JsonValue], path: list[str]) -> dict[str, JsonValue]:
    for name in path:
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    return tree
