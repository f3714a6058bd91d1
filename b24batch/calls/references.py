"""References: a value that an earlier command of the same run returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NoReturn, TypeAlias

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.words import PLACE, is_referable, reference_text

Key: TypeAlias = str | int
#: The names of fields that hold one id; those of user fields may hold many.
_ONE_ID = re.compile(r"(?!(?i:uf)).+(?:_ID|Id[0-9]*)")


def _check_key(key: object) -> None:
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise TypeError(f"a reference goes on with a name or a position, not with {key!r:.80}")
    if isinstance(key, int) and key < 0:
        raise ValueError(f"a reference cannot count from the end: {key}")
    if isinstance(key, str) and not is_referable(key):
        raise ValueError(f"the portal cannot follow a name that is empty or has white space or a ] in it: {key!r:.80}")


@attrs.frozen(repr=False)
class Ref:
    """What ``ref(...)`` returns: a whole value in the params of a later command, to be put in when it is known.

    ``ref("company")["item"]["id"]`` goes into the result of the command, ``ref("deals").total`` and ``.next`` are what
    a list method counted. It is no text: inside other text the portal's substitution is not safe.

    Attributes:
        target: The name or the position of the earlier command.
        path: The way into its result.
        bucket: Which of the portal's maps: ``result``, ``total`` or ``next``.
        written: The target as the caller wrote it, once `target` is the name in the request.
    """

    target: Key
    path: tuple[Key, ...] = ()
    bucket: Literal["result", "total", "next"] = "result"
    written: Key | None = attrs.field(default=None, eq=False, kw_only=True)

    @property
    def total(self) -> Ref:
        """The number of rows that the list method counted."""
        return self._of_bucket("total")

    @property
    def next(self) -> Ref:
        """Where the list method goes on."""
        return self._of_bucket("next")

    def _of_bucket(self, bucket: Literal["total", "next"]) -> Ref:
        if self.path or self.bucket != "result":
            raise TypeError(f"only a command has a {bucket}: ref({self.target!r}).{bucket}")
        return attrs.evolve(self, bucket=bucket)

    def __getitem__(self, key: Key) -> Ref:
        if self.bucket != "result":
            raise TypeError(f"a {self.bucket} is a number and has nothing in it")
        _check_key(key)
        return attrs.evolve(self, path=(*self.path, key))

    def text(self) -> str:
        """Return what the portal replaces; `target` has to be the name in the request."""
        return reference_text(self.bucket, self.target, *self.path)

    def found_in(self, result: JsonValue, total: int | None, next: int | None) -> JsonValue:
        """Return the value in what the command returned; None when it is missing or null."""
        value = {"result": result, "total": total, "next": next}[self.bucket]
        for key in self.path:
            value = _step(value, key)
        return value

    def __repr__(self) -> str:
        keys = "".join(f"[{key!r}]" for key in self.path)
        target = self.target if self.written is None else self.written
        return f"ref({target!r}){keys}{'' if self.bucket == 'result' else f'.{self.bucket}'}"

    def __str__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a whole value and no text: put it into the params as it is")

    def __format__(self, spec: str) -> NoReturn:
        self.__str__()

    def __add__(self, other: object) -> NoReturn:
        self.__str__()

    __radd__ = __add__

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} is neither true nor false before its command has run")

    __iter__ = None
    __contains__ = None


def _step(value: JsonValue, key: Key) -> JsonValue:
    """Follow one key as PHP does in an array; there is nothing in text or a number."""
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and PLACE.fullmatch(str(key)):
        return value[int(key)] if int(key) < len(value) else None
    return None


def ref(target: Key) -> Ref:
    """Refer to the result of an earlier command, by its name or its position in the calls.

    Args:
        target: The name of a call in a mapping or of a `Command`; or the position, counted from 0.

    Returns:
        A `Ref`, to be put as a whole value anywhere into the params of a later command.

    Raises:
        TypeError: For a target that is neither text nor an integer.
        ValueError: For a negative position, or a name that the portal could not find.
    """
    _check_key(target)
    return Ref(target)


def leaves(params: JsonValue) -> Iterator[tuple[tuple[Key, ...], JsonValue]]:
    """Yield the values in `params`, at any depth, that have no value in them, each with the way to it."""
    waiting: list[tuple[tuple[Key, ...], JsonValue]] = [((), params)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping | list | tuple) and value:
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting.extend(((*path, name), item) for name, item in items)
        else:
            yield path, value


def found(params: JsonValue) -> Iterator[Ref]:
    """Yield every reference in `params`."""
    return (value for _, value in leaves(params) if isinstance(value, Ref))


def refers(params: JsonValue) -> bool:
    """Return whether there is a reference in `params`."""
    return next(found(params), None) is not None


def no_ids(params: JsonValue, value_of: Callable[[Ref], JsonValue]) -> Iterator[Ref]:
    """Yield each reference that is a whole id among `params` and leads to what a portal takes for the number 1.

    An id is the argument ``id``, and below ``fields`` what ends in ``_ID`` or ``Id`` and is no user field: one value.
    """
    for value in _ids(params):
        if isinstance(value, Ref) and isinstance(value_of(value), list | dict | bool):
            yield value


def _ids(params: JsonValue) -> Iterator[JsonValue]:
    for name, value in params.items() if isinstance(params, Mapping) else ():
        if str(name).casefold() == "id":
            yield value
        if str(name).casefold() == "fields" and isinstance(value, Mapping):
            yield from (item for key, item in value.items() if _ONE_ID.fullmatch(str(key)))


def replaced(params: JsonValue, value_of: Callable[[Ref], JsonValue]) -> JsonValue:
    """Return `params` with every reference in it replaced."""
    if isinstance(params, Ref):
        return value_of(params)
    if not isinstance(params, Mapping | list | tuple):
        return params
    items = params.items() if isinstance(params, Mapping) else enumerate(params)
    copy = {}
    for name, item in items:
        copy[name] = replaced(item, value_of)
    return copy if isinstance(params, Mapping) else list(copy.values())
