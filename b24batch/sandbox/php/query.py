"""PHP's ``parse_str``: query text to nested arrays."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from b24batch.sandbox.php.values import INT_MAX, JSON, to_key

#: ``max_input_vars``, PHP's default setting: variables past it vanish.
MAX_VARIABLES = 1000

#: ``max_input_nesting_level``, PHP's default setting: a variable with more brackets vanishes.
MAX_DEPTH = 64

_ESCAPED = re.compile(r"[%+]")
_MANGLED = re.compile(r"[ .]")
_MANGLED_TAIL = re.compile(r"[ .\[]")
_SPACES = " \t\n\v\f\r"
_COOKIE_PREFIXES = ("__Host-", "__Secure-")


class Array(dict[JSON, JSON]):
    """A PHP array under construction, which remembers the number that ``[]`` takes next."""

    __slots__ = ("free",)

    def __init__(self) -> None:
        """Start empty: the first number is 0."""
        super().__init__()
        self.free = 0

    def put(self, key: str | None, value: JSON) -> bool:
        """Set a value; the key None appends. Return False if no number is left."""
        index = self.free if key is None else to_key(key)
        if key is None and index > INT_MAX:
            return False
        if type(index) is int and index >= self.free:
            self.free = index + 1
        self[index] = value
        return True

    def descend(self, key: str | None) -> Array | None:
        """Return the array under a key; make one if it is missing or a scalar."""
        found = None if key is None else self.get(to_key(key))
        if isinstance(found, Array):
            return found
        made = Array()
        return made if self.put(key, made) else None


def parse_str(text: str) -> Array:
    """Decode a query as PHP does, with its name mangling and its limits.

    Bytes that are not UTF-8 stay in the text as ``surrogateescape`` leaves them.
    """
    variables = Array()
    # PHP walks the query as a C string, so a raw NUL ends it.
    for pair in [pair for pair in text.partition("\0")[0].split("&") if pair][:MAX_VARIABLES]:
        name, _, value = pair.partition("=")
        register(variables, unquote(name), unquote(value))
    return variables


def unquote(text: str) -> str:
    """Decode ``+`` and percent escapes byte by byte."""
    if not _ESCAPED.search(text):
        return text
    raw = text.replace("+", " ").encode("utf-8", "surrogateescape")
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def register(variables: Array, name: str, value: JSON) -> None:
    """Store one decoded variable under its decoded name, brackets and all."""
    name = name.partition("\0")[0].lstrip(" ")
    root, bracket, rest = name.partition("[")
    root = _MANGLED.sub("_", root)
    if not root:
        return
    keys: list[str | None] = _split_keys(root, rest) if bracket else [root]
    if len(keys) > MAX_DEPTH + 1:
        variables.pop(to_key(root), None)
        return
    _store(variables, keys, value, name)


def _split_keys(root: str, rest: str) -> list[str | None]:
    """Return the keys of a name; ``rest`` follows the first opening bracket."""
    keys: list[str | None] = [root]
    while True:
        inner = rest[1:] if rest[:1] and rest[0] in _SPACES else rest
        if inner.startswith("]"):
            keys.append(None)
            rest = inner[1:]
        else:
            index, closed, tail = inner.partition("]")
            if not closed:
                return _end_unclosed(keys, rest)
            keys.append(rest[: len(rest) - len(inner)] + index)
            rest = tail
        if not rest.startswith("["):
            return keys
        rest = rest[1:]


def _end_unclosed(keys: list[str | None], rest: str) -> list[str | None]:
    """A bracket that never closes belongs to the name, but only to the outermost."""
    if len(keys) == 1:
        return [f"{keys[0]}_{_MANGLED_TAIL.sub('_', rest)}"]
    # It still counts as a level.
    return keys if len(keys) <= MAX_DEPTH else [*keys, None]


def _store(variables: Array, keys: list[str | None], value: JSON, name: str) -> None:
    array: Array | None = variables
    for place, key in enumerate(keys):
        if array is None or _is_forbidden(key, name):
            return
        if place == len(keys) - 1:
            array.put(key, value)
        else:
            array = array.descend(key)


def _is_forbidden(key: str | None, name: str) -> bool:
    """PHP drops what only its own reading of a name makes look like a protected cookie."""
    return key is not None and any(key.startswith(it) and not name.startswith(it) for it in _COOKIE_PREFIXES)
