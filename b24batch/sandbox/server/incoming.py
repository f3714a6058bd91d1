"""An HTTP request, decoded: which method, which params, whose credentials."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import Compat32
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from b24batch.sandbox.journal import Request
from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.php.query import MAX_VARIABLES, Array, parse_str, register
from b24batch.sandbox.php.values import JSON, received, to_mapping

_FORMAT = re.compile(r"\.(?:json|xml)\Z", re.IGNORECASE)

#: What PHP's ``trim`` takes away.
_TRIMMED = b" \t\n\r\0\v"


class Incoming(NamedTuple):
    """A request, the user and the webhook code it comes with, and whether its address is known."""

    request: Request
    user: JSON
    code: JSON
    known: bool


class Upload(NamedTuple):
    """A file in a form."""

    name: str
    content: bytes


class _AsItIs(Compat32):
    """Headers of a form's parts keep their bytes, names in other alphabets too."""

    def header_fetch_parse(self, name: str, value: JSON) -> JSON:
        """Return the value as it is."""
        del name
        return value


class Wire(NamedTuple):
    """The parts of an HTTP request as they were read."""

    verb: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


def decode(wire: Wire) -> Incoming:
    """Decode a request; nothing is an error here: a malformed JSON body counts as empty."""
    address = _parse_address(split_target(wire)[0])
    params = {key: received(value) for key, value in read_fields(wire).items() if key != "method"}
    user, code, method = address or (None, None, "")
    name = _FORMAT.sub("", method).lower()
    request = Request(name, params, wire.headers, wire.connection, wire.verb)
    if user is None:
        user, code = params.get("aplogin"), params.get("ap")
    return Incoming(request, user, code, address is not None)


def split_target(wire: Wire) -> tuple[str, str]:
    """Return the two parts of the request's address."""
    path, _, query = wire.target.encode("latin-1").decode("utf-8", "surrogateescape").partition("?")
    return path, query


def read_fields(wire: Wire) -> dict[JSON, JSON]:
    """Return query and body decoded, the body's fields over those of the query; only POST has a body."""
    query = parse_str(split_target(wire)[1])
    return _merge(query, *_decode_bodies(wire)) if wire.verb == "POST" else _merge(query)


def _parse_address(path: str) -> tuple[str | None, str | None, str] | None:
    """Return user, code and method of ``/rest/[USER/CODE/]METHOD``; None for any other path."""
    plain = unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    root, *segments = _normalize(plain)
    if root != "rest" or len(segments) not in (1, 3) or segments[0] == "api":
        return None
    if len(segments) == 1:
        return None, None, segments[0]
    return segments[0], segments[1], segments[2]


def _normalize(path: str) -> list[str]:
    """Return the segments of a path; slashes count once, ``.`` not at all, and ``..`` takes the one before away."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return kept or [""]


def _merge(*arrays: dict[JSON, JSON]) -> dict[JSON, JSON]:
    """PHP's ``array_merge``: names replace, while numbers are counted from 0 again and pile up."""
    free = itertools.count()
    return {next(free) if type(key) is int else key: value for array in arrays for key, value in array.items()}


def _decode_bodies(wire: Wire) -> list[dict[JSON, JSON]]:
    """Return the body's fields; those of a form twice, since the portal merges them in twice."""
    header = wire.headers.get("content-type", "")
    kind = header.partition(";")[0].strip().lower()
    if kind == "application/json" or "+json" in kind:
        return [_decode_json(wire.body)]
    if kind == "multipart/form-data":
        return [_decode_multipart(header, wire.body)] * 2
    if kind == "application/x-www-form-urlencoded":
        return [parse_str(wire.body.decode("utf-8", "surrogateescape"))] * 2
    return [parse_str(wire.body.strip(_TRIMMED).decode("utf-8", "surrogateescape"))]


def _decode_json(body: bytes) -> dict[JSON, JSON]:
    try:
        return to_mapping(received(php_json.loads(body.decode())))
    except (ValueError, RecursionError):
        return {}


def _decode_multipart(header: str, body: bytes) -> dict[JSON, JSON]:
    """Read the plain fields of a form; files are not params."""
    message = BytesParser(policy=_AsItIs()).parsebytes(
        b"Content-Type: " + header.encode("latin-1") + b"\r\n\r\n" + body
    )
    variables = Array()
    for part in list(message.walk())[1 : MAX_VARIABLES + 1]:
        name, raw = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if name and isinstance(raw, bytes) and not part.get_filename():
            register(variables, str(name), raw.decode("utf-8", "surrogateescape"))
    return variables


def read_upload(wire: Wire, field: str = "file") -> Upload | None:
    """Return the file that a field of a form holds; like PHP, without folders in its name."""
    about = BytesParser(policy=_AsItIs()).parsebytes(
        b"Content-Type: " + wire.headers.get("content-type", "").encode("latin-1") + b"\r\n\r\n"
    )
    boundary = about.get_boundary()
    if wire.verb != "POST" or boundary is None:
        return None
    for part in (b"\r\n" + wire.body).split(f"\r\n--{boundary}".encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        described = BytesParser(policy=_AsItIs()).parsebytes(head.strip() + b"\r\n\r\n")
        name = (described.get_filename() or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if name and described.get_param("name", header="content-disposition") == field:
            return Upload(re.split(r"[/\\]", name)[-1], content)
    return None
