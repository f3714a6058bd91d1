"""PHP's ``parse_url``, reduced to what a batch command keeps of it: path and query."""

from __future__ import annotations

import re
from typing import NamedTuple


class Split(NamedTuple):
    """The two parts of a URL that name a method and its parameters; None where PHP has no such part."""

    path: str | None
    query: str | None


#: What PHP answers to a URL it gives up on (``false``).
NOTHING = Split(None, None)

#: A port has at most five digits and this is its greatest value.
_LAST_PORT = 65535

_PLAIN = re.compile(r"([A-Za-z0-9_.]+)(?:\?([^#]*))?", re.ASCII)
_REST = re.compile(r"([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z0-9+.\-]+:", re.ASCII)
_PORT_THEN_PATH = re.compile(r"[0-9]{0,5}(?:/|\Z)", re.ASCII)
_PORT = re.compile(r"([0-9]{1,5})(?:/|\Z)", re.ASCII)
_AUTHORITY = re.compile(r"[^/?#]*")
_STRTOL = re.compile(r"[ \t\n\r\v\f]*([+-]?[0-9]+)", re.ASCII)


def parse_url(text: str) -> Split:
    """Split a command as PHP splits a URL; scheme, user, host, port and fragment are thrown away.

    Control characters become ``_``.  A command without a path, or one PHP refuses, has no method.
    """
    # A name followed by "?" is a path whatever comes later: the usual command takes this way.
    plain = _PLAIN.match(text)
    if plain and (plain.end(1) == len(text) or text[plain.end(1)] == "?"):
        return Split(plain[1], plain[2] and _CONTROL.sub("_", plain[2]))
    scheme = _SCHEME.match(text)
    if scheme:
        return _split_after_scheme(text, scheme.end())
    return _split_after_colon(text, text.find(":"))


def _split_path(text: str) -> Split:
    found = _REST.match(text)
    path, query = found.groups() if found else (text, None)
    # A query without a path leaves PHP no path at all, but nothing at all is the empty path.
    kept = _CONTROL.sub("_", path) if path or not text else None
    return Split(kept, query and _CONTROL.sub("_", query))


def _split_after_scheme(text: str, start: int) -> Split:
    rest = text[start:]
    if not rest:
        return NOTHING
    if not rest.startswith("/"):
        return _split_after_port(text, start) if _PORT_THEN_PATH.match(rest) else _split_path(rest)
    if not rest.startswith("//"):
        return _split_path(rest)
    if text[: start - 1].lower() == "file" and rest[2:3] == "/":
        return _split_path(rest[3:] if rest[4:5] == ":" else rest[2:])
    return _split_after_host(rest[2:], has_port=False)


def _split_after_colon(text: str, colon: int) -> Split:
    """Continue with text that has no scheme; a colon may still precede a port."""
    relative = text.startswith("//")
    query = re.search(r"[?#]", text)
    if colon == 0 or (0 < colon < len(text) - 1 and colon < (query.start() if query else len(text))):
        return _split_after_port(text, colon + 1)
    return _split_after_host(text[2:], has_port=False) if relative else _split_path(text)


def _split_after_port(text: str, start: int) -> Split:
    relative = text.startswith("//")
    port = _PORT.match(text, start)
    if port:
        rest = text[2:] if relative else text
        # Port 0 does not stop the later search for a port behind the host.
        return _split_after_host(rest, has_port=int(port[1]) > 0) if _fits(port[1]) else NOTHING
    if start == len(text):
        return NOTHING
    return _split_after_host(text[2:], has_port=False) if relative else _split_path(text)


def _split_after_host(text: str, *, has_port: bool) -> Split:
    found = _AUTHORITY.match(text)
    authority = found[0] if found else ""
    host = authority[authority.rfind("@") + 1 :]
    if not (host.startswith("[") and authority.endswith("]")):
        host, _, port = host.rpartition(":") if ":" in host else (host, "", "")
        if port and not has_port and not (len(port) <= 5 and _fits(port)):
            return NOTHING
    if not host:
        return NOTHING
    rest = text[len(authority) :]
    return _split_path(rest) if rest else NOTHING


def _fits(port: str) -> bool:
    number = _STRTOL.match(port)
    return number is not None and 0 <= int(number[1]) <= _LAST_PORT
