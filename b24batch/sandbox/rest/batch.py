"""The method ``batch``: commands in, five maps out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from b24batch.sandbox.php.query import Array, parse_str
from b24batch.sandbox.php.url import parse_url
from b24batch.sandbox.php.values import FALSY, JSON, is_list, list_items
from b24batch.sandbox.rest.references import substitute

#: The documented limit: element 51 and every later one is refused.
MAX_COMMANDS = 50

#: Compared with the method as it is written, so ``BATCH`` gets through.
BANNED = frozenset({"batch", "download", "upload"})

_TOO_LONG = {"error": "ERROR_BATCH_LENGTH_EXCEEDED", "error_description": "Max batch length exceeded"}
_NOT_ALLOWED = {
    "error": "ERROR_BATCH_METHOD_NOT_ALLOWED",
    "error_description": "Method is not allowed for batch usage",
}
_SECTIONS = {
    "result": "result",
    "result_error": "error",
    "result_total": "total",
    "result_next": "next",
    "result_time": "time",
}

#: Runs one method and returns its envelope: ``result`` and ``time``, or ``error`` and ``error_description``.
Process = Callable[[str, dict[JSON, JSON]], dict[str, JSON]]


def run(params: Mapping[JSON, JSON], process: Process) -> dict[str, JSON]:
    """Run the commands of a batch in order and return the five maps, lists where PHP makes lists of them.

    ``cmd`` and ``halt`` are read in any case.  A command that is not text is passed over without a trace, but
    counts.
    """
    query = {str(name).upper(): value for name, value in params.items()}
    halt = query.get("HALT") not in FALSY
    # The order of the buckets is the order in which reference names are tried.
    buckets: dict[str, dict[JSON, JSON]] = {name: {} for name in ("result", "next", "total", "time", "error")}
    for position, (key, command) in enumerate(list_items(query.get("CMD"))):
        envelope = _make_envelope(position, command, buckets, process)
        _sort_in(envelope, key, buckets)
        if halt and envelope.get("error") is not None:
            break
    return {section: _to_array(buckets[name]) for section, name in _SECTIONS.items()}


def shorten(params: Mapping[JSON, JSON], commands: int) -> dict[JSON, JSON]:
    """Return the params of a batch with only its first commands."""
    return {
        name: dict(itertools.islice(list_items(value), commands)) if str(name).upper() == "CMD" else value
        for name, value in params.items()
    }


def _make_envelope(
    position: int, command: JSON, buckets: Mapping[str, dict[JSON, JSON]], process: Process
) -> dict[str, JSON]:
    if position >= MAX_COMMANDS:
        return dict(_TOO_LONG)
    if not isinstance(command, str):
        return {}
    method, query = parse_url(command)
    if method in BANNED:
        return dict(_NOT_ALLOWED)
    return process(method or "", _decode_params(query, buckets))


def _decode_params(query: str | None, buckets: Mapping[str, dict[JSON, JSON]]) -> dict[JSON, JSON]:
    # To PHP the query "0" is as good as none.
    if query is None or query == "0":
        return {}
    params: Array = parse_str(query)
    if "$" in query or "%24" in query:
        return dict(substitute(params, buckets))
    return params


def _sort_in(envelope: dict[str, JSON], key: JSON, buckets: dict[str, dict[JSON, JSON]]) -> None:
    """Spread an envelope over the buckets; each further field of an error gets a separate bucket."""
    failed = envelope.get("error") is not None
    for name, value in envelope.items():
        buckets.setdefault(name, {})[key] = dict(envelope) if failed and name == "error" else value


def _to_array(bucket: dict[JSON, JSON]) -> JSON:
    return list(bucket.values()) if is_list(bucket) else bucket
