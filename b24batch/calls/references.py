"""References: a value from the result of an earlier command of the same run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NoReturn, TypeAlias

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.words import PLACE, is_referable, write_reference
from b24batch.redaction import redact, shown

Key: TypeAlias = str | int
#: Types that hold values. The abstract class comes last: checking it takes ten times as long.
CONTAINERS = (dict, list, tuple, Mapping)
MAPPINGS = (dict, Mapping)
#: The names of fields that hold one id; those of user fields may hold many.
_ONE_ID = re.compile(r"(?!(?i:uf)).+(?:_ID|Id[0-9]*)")


def _to_key(key: object) -> Key:
    """Return a key as plain text or integer: the text of a member of an Enum may be another one."""
    __tracebackhide__ = True
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise TypeError(f"ref: expected a name or a position, got {shown(key)}")
    if isinstance(key, int) and key < 0:
        raise ValueError(f"ref: expected a position from 0, got {key}; it cannot count from the end")
    if isinstance(key, str) and not is_referable(key):
        raise ValueError(f"ref: expected a name that is not empty and has no white space or ], got {shown(key)}")
    return str.__str__(key) if isinstance(key, str) else int(key)


@attrs.frozen(repr=False)
class Ref:
    """A placeholder for a value from the result of an earlier command, made by ``ref(...)``.

    ``ref("company")["item"]["id"]`` is a value inside the result of that command; ``ref("deals").total`` and ``.next``
    are the numbers that a list method returned. Use it as a whole value in the params of a later command. It cannot
    be part of a longer text, where the portal's substitution is not safe.

    Attributes:
        target: The name or the position of the earlier command.
        path: The keys that lead to the value in its result.
        bucket: Which of the portal's maps has the value: ``result``, ``total`` or ``next``.
        written: The target as the caller wrote it, once `target` is the key in the request.
    """

    target: Key
    path: tuple[Key, ...] = ()
    bucket: Literal["result", "total", "next"] = "result"
    written: Key | None = None

    @property
    def total(self) -> Ref:
        """The total number of rows of the list method."""
        __tracebackhide__ = True
        return self._of_bucket("total")

    @property
    def next(self) -> Ref:
        """The ``start`` of the next page of the list method."""
        __tracebackhide__ = True
        return self._of_bucket("next")

    def _of_bucket(self, bucket: Literal["total", "next"]) -> Ref:
        __tracebackhide__ = True
        if self.path or self.bucket != "result":
            raise TypeError(f"{bucket} belongs to a command, not to a value in it; write ref({self.target!r}).{bucket}")
        return attrs.evolve(self, bucket=bucket)

    def __getitem__(self, key: Key) -> Ref:
        __tracebackhide__ = True
        if self.bucket != "result":
            raise TypeError(f"{self!r} is a number and has no keys")
        return attrs.evolve(self, path=(*self.path, _to_key(key)))

    def text(self) -> str:
        """Return the text that the portal replaces; `target` must be the key in the request."""
        return write_reference(self.bucket, self.target, *self.path)

    def find_in(self, result: JsonValue, total: int | None, next: int | None) -> JsonValue:
        """Return the value from what the command returned; None if it is missing or null."""
        value = {"result": result, "total": total, "next": next}[self.bucket]
        for key in self.path:
            value = _step(value, key)
        return value

    def __repr__(self) -> str:
        keys = "".join(f"[{key!r}]" for key in self.path)
        target = self.target if self.written is None else self.written
        return redact(f"ref({target!r}){keys}{'' if self.bucket == 'result' else f'.{self.bucket}'}")

    def __str__(self) -> NoReturn:
        __tracebackhide__ = True
        raise TypeError(f"{self!r} cannot be part of a text; use it as a whole value in the params")

    def __format__(self, spec: str) -> NoReturn:
        __tracebackhide__ = True
        self.__str__()

    def __add__(self, other: object) -> NoReturn:
        __tracebackhide__ = True
        self.__str__()

    __radd__ = __add__

    def __bool__(self) -> NoReturn:
        __tracebackhide__ = True
        raise TypeError(f"{self!r} has no value yet: it is neither true nor false before its command has run")

    __iter__ = None
    __contains__ = None


def _step(value: JsonValue, key: Key) -> JsonValue:
    """Return the value at one key, as PHP finds it in an array; text and numbers have no keys."""
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and PLACE.fullmatch(str(key)):
        return value[int(key)] if int(key) < len(value) else None
    return None


def ref(target: Key) -> Ref:
    """Refer to the result of an earlier command, by its name or its position in the calls.

    Args:
        target: The name of a `Command` or of a call in a mapping; or the position of a call, from 0.

    Returns:
        A `Ref`, to be used as a whole value anywhere in the params of a later command.

    Raises:
        TypeError: If the target is neither a string nor an integer.
        ValueError: If the position is negative, or the name is empty or has white space or ``]`` in it.
    """
    __tracebackhide__ = True
    return Ref(_to_key(target))


def walk_leaves(params: JsonValue) -> Iterator[tuple[tuple[Key, ...], JsonValue]]:
    """Yield every value in `params` that holds no other values, in order, with the path to it."""
    waiting: list[tuple[tuple[Key, ...], JsonValue]] = [((), params)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, CONTAINERS) and value:
            waiting += [((*path, name), item) for name, item in _list_items(value)][::-1]
        else:
            yield path, value


def find_references(params: JsonValue) -> Iterator[Ref]:
    """Yield every reference in `params`."""
    return (value for _, value in walk_leaves(params) if isinstance(value, Ref))


def has_references(params: JsonValue) -> bool:
    """Return whether `params` contain a reference."""
    return next(find_references(params), None) is not None


def find_invalid_ids(params: JsonValue, value_of: Callable[[Ref], JsonValue]) -> Iterator[Ref]:
    """Yield each reference in the place of an id whose value is a list, an object or a boolean.

    A portal would read such a value as the number 1. Ids are the argument ``id``, and below ``fields`` the names that
    end in ``_ID`` or ``Id``, except user fields.
    """
    for path, value in walk_leaves(params):
        if isinstance(value, Ref) and _is_place_of_id(path) and isinstance(value_of(value), list | dict | bool):
            yield value


def _is_place_of_id(path: tuple[Key, ...]) -> bool:
    match [str(name) for name in path]:
        case [name]:
            return name.casefold() == "id"
        case [name, field]:
            return name.casefold() == "fields" and _ONE_ID.fullmatch(field) is not None
    return False


def replace_references(params: JsonValue, value_of: Callable[[Ref], JsonValue]) -> JsonValue:
    """Return a copy of `params` with every reference replaced."""
    if isinstance(params, Ref):
        return value_of(params)
    if not isinstance(params, CONTAINERS):
        return params
    copy = {}
    for name, item in _list_items(params):  # no comprehension: in Python 3.11 it would be another frame at every level
        copy[name] = replace_references(item, value_of)
    return copy if isinstance(params, MAPPINGS) else list(copy.values())


def _list_items(container: JsonValue) -> Iterable[tuple[Key, JsonValue]]:
    return container.items() if isinstance(container, MAPPINGS) else enumerate(container)
