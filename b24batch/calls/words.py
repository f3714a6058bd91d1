"""The portal's syntax: references, the text and the size of a command, the body of a batch, the maps of its answer.

Everything that is specific to this protocol is in this module.
"""

from __future__ import annotations

import json
import re

from b24batch.aliases import JsonValue, WireParams
from b24batch.errors import UsageError

#: Our own limit for the body of a request: a portal accepts far more, but ends the request after 60 seconds.
MAX_BODY_BYTES = 4_000_000
#: The size of a batch's body without its commands, each of which counts a comma; the last one has none.
ENVELOPE_BYTES = len('{"halt": 1, "cmd": {}}') - len(", ")
_COMMAND_BYTES = len(': "", ')
_write_json = json.JSONEncoder().encode

#: A portal refuses these inside a batch, but only if they are in lower case.
NOT_IN_A_BATCH = frozenset({"batch", "download", "upload"})

#: How a position is written, in a list and among calls.
PLACE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_PHP_SPACE = frozenset(" \t\n\v\f\r")
_BUCKETS = "result|next|total|time|error"
#: A whole value that the portal takes for a reference: one of its maps, anything up to white space, keys in brackets.
_SPELT = re.compile(rf"(?ai)\$({_BUCKETS})(\S+)")
_KEYS = re.compile(r"\[([^\]]+)\]")
#: Where the portal's substitution may find a reference: at one of its buckets or, if it continues after a failed
#: command, at any word. A reference extends to the next white space and contains a key in brackets, which is searched
#: for separately: a single pattern takes quadratic time.
_BUCKET = re.compile(rf"(?ai)\$(?:{_BUCKETS})\S*")
_ANY_BUCKET = re.compile(r"(?ai)\$[a-z_]\S*")
_KEY = re.compile(r"\[[^\]]")


def write_reference(bucket: str, *keys: str | int) -> str:
    """Return the text that the portal replaces with the value at `keys` in one of its maps."""
    return f"${bucket}" + "".join(f"[{key}]" for key in keys)


def is_referable(name: str) -> bool:
    """Return whether the portal's substitution can find `name`: it ends at white space, and a name at ``]``."""
    return bool(name) and "]" not in name and not _PHP_SPACE & set(name)


def parse_reference(text: str) -> tuple[str, list[str]]:
    """Return bucket and keys if all of `text` is a reference in the portal's syntax; otherwise no keys."""
    match = _SPELT.fullmatch(text)
    return (match[1].lower(), _KEYS.findall(match[2])) if match else ("", [])


def may_refer(text: str, *, halt: bool) -> bool:
    """Return whether the portal's substitution may find a reference in `text`."""
    words = (_BUCKET if halt else _ANY_BUCKET).findall(text)
    return any(_KEY.search(word.rpartition("]")[0]) for word in words)


def write_command(name: str, method: str, query: str) -> str:
    """Return the text of a command for a batch; raise `UsageError` if it is too long for any batch."""
    text = f"{method}?{query}" if query else method
    if measure_command(name, text) + ENVELOPE_BYTES > MAX_BODY_BYTES:
        raise UsageError(f"it takes more than {MAX_BODY_BYTES} bytes")
    return text


def measure_command(name: str, text: str) -> int:
    """Return the bytes that a command adds to the body of a batch."""
    return len(text) + len(_write_json(name)) + _COMMAND_BYTES


def make_batch_request(texts: dict[str, str], *, halt: bool) -> tuple[str, WireParams]:
    """Return the method and the body of the request with these texts of commands by name."""
    return "batch", {"halt": int(halt), "cmd": texts}


#: What the answer to a direct call says: data, number of rows, where to go on, times.
DIRECT_ANSWER = ("result", "total", "next", "time")


class BatchAnswer:
    """The five maps of a batch's answer, each as a dict: PHP writes an empty one, or one with keys 0, 1, 2, as a list.

    A map of any other type is empty here; the first two are checked when the answer is decoded.
    """

    def __init__(self, result: JsonValue) -> None:
        maps = _map(result)
        self.result = _map(maps.get("result"))
        self.error = _map(maps.get("result_error"))
        self.total = _map(maps.get("result_total"))
        self.next = _map(maps.get("result_next"))
        self.time = _map(maps.get("result_time"))


def _map(value: JsonValue) -> dict[str, JsonValue]:
    if isinstance(value, dict):
        return value
    return {str(place): item for place, item in enumerate(value)} if isinstance(value, list) else {}
