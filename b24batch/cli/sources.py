"""The commands of a file: JSON Lines, or one JSON array."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Protocol, TypeAlias

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.cli.params import decode_json
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: A command, and its number in the file, from 1.
Numbered: TypeAlias = tuple[int, Command]

_KEYS = ("method", "params", "name", "idempotent")
#: The first line of an array of commands: a single command in brackets has a method behind the first one.
_ARRAY = re.compile(rb'(\xef\xbb\xbf)?\s*\[\s*(?!["\s])|(\xef\xbb\xbf)?\s*\[\s*$')


class Source(Protocol):
    """The commands of a file, with their numbers. Those of a regular file can be read again.

    Attributes:
        unit: What the numbers count.
    """

    unit: str

    def __iter__(self) -> Iterator[Numbered]:
        """Read the commands; raise `UsageError` for an invalid one, with its number."""

    def numbers(self) -> Iterator[int]:
        """Return the numbers of all commands; none if the file cannot be read twice."""


@attrs.define
class JsonFile:
    """A file with a command in every line, or with an array of commands.

    Attributes:
        file: The file. It is read line by line, but an array is read as a whole.
        again: Whether it can be read again, from its beginning.
        unit: What the numbers count: lines, or the elements of the array.
    """

    file: BinaryIO
    again: bool = False
    unit: str = attrs.field(default="line", init=False)

    def __iter__(self) -> Iterator[Numbered]:
        """Read the commands."""
        for number, value in self._values():
            try:
                command = make_command(value)
            except UsageError as error:
                reason = error.description
            else:
                yield number, command
                continue
            raise UsageError(f"{self.unit} {number}: {reason}")

    def numbers(self) -> Iterator[int]:
        """Return the numbers of all commands; none if the file cannot be read twice."""
        if not self.again:
            return
        begin = self._begin()
        if self.unit == "line":
            yield from (number for number, line in enumerate(chain(begin, self.file), 1) if line.strip())
        else:
            yield from (number for number, _ in self._values())

    def _values(self) -> Iterator[tuple[int, JsonValue]]:
        number = 0
        try:
            begin = self._begin()
            if self.unit == "element":
                yield from enumerate(_decode_array(b"".join([*begin, *self.file])), 1)
                return
            for number, line in enumerate(chain(begin, self.file), 1):
                if line.strip():
                    yield number, _decode_line(number, line)
        except OSError as error:
            reason = f"{self.unit} {number + 1}: cannot be read: {error.strerror}"
        else:
            return
        raise UsageError(reason)

    def _begin(self) -> list[bytes]:
        """Return the first lines, up to one that is not blank, and note by it whether the file is an array."""
        if self.again:
            self.file.seek(0)
        lines = []
        for line in self.file:
            lines.append(line)
            if line.strip():
                self.unit = "element" if _ARRAY.match(line) else "line"
                break
        return lines


def _decode_line(number: int, line: bytes) -> JsonValue:
    try:
        return decode_json(line.rstrip())
    except UsageError as error:
        reason = error.description
    raise UsageError(f"line {number}: {reason}")


def _decode_array(content: bytes) -> list[JsonValue]:
    try:
        return list(decode_json(content))
    except UsageError as error:
        reason = error.description
    raise UsageError(f"the array {reason}")


def make_command(value: JsonValue) -> Command:
    """Return the command in a JSON value; raise `UsageError` if it is invalid."""
    if isinstance(value, list):
        return _unpack(value)
    if not isinstance(value, dict):
        raise UsageError(f"expected an object with a method and params, or [method, params], got {shown(value)}")
    if unknown := sorted(value.keys() - set(_KEYS)):
        raise UsageError(f"expected only {', '.join(_KEYS)}, got {', '.join(map(shown, unknown))}")
    if "method" not in value:
        raise UsageError("has no method")
    idempotent = value.get("idempotent", False)
    if not isinstance(idempotent, bool):
        raise UsageError(f"idempotent: expected true or false, got {shown(idempotent)}")
    return Command(value["method"], value.get("params"), name=value.get("name"), idempotent=idempotent)


def _unpack(value: list[JsonValue]) -> Command:
    if not 1 <= len(value) <= 2 or not isinstance(value[0], str):
        raise UsageError(f"expected [method, params], got {shown(value)}")
    return Command(value[0], *value[1:])
