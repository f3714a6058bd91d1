"""The outcomes of an earlier run, as the program wrote them, and which lines of its file are to be sent again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import chain
from typing import get_args

import attrs

from b24batch import errors
from b24batch.aliases import JsonValue
from b24batch.cli.params import decode_json
from b24batch.cli.sources import Source
from b24batch.cli.terminal import open_file
from b24batch.errors import SdkError, UsageError
from b24batch.redaction import shown
from b24batch.statuses import Status

#: The classes of the errors that prove that no command of their request was executed.
_NOT_EXECUTED = frozenset(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, SdkError) and kind.not_executed
)
#: How many ranges of numbers a message names.
_MOST_NAMED = 5


@attrs.frozen
class Outcome:
    """An outcome: its line in the file of outcomes, the command it is of, and whether that was not executed."""

    place: int
    method: str
    name: str | None
    status: Status
    not_executed: bool


@attrs.define
class Gaps:
    """The commands that have no outcome, in groups without a command between them that has one.

    Attributes:
        groups: The numbers of the commands, group by group.
        is_open: Whether the last command had no outcome.
    """

    groups: list[list[int]] = attrs.field(factory=list, init=False)
    is_open: bool = attrs.field(default=False, init=False)

    def add(self, number: int) -> None:
        """Add a command that has no outcome."""
        self.groups += [] if self.is_open else [[]]
        self.groups[-1].append(number)
        self.is_open = True

    def close(self) -> None:
        """Note that a command has an outcome."""
        self.is_open = False

    @property
    def numbers(self) -> list[int]:
        """The numbers of all these commands."""
        return list(chain.from_iterable(self.groups))

    def list_options(self) -> str:
        """Return the options that send these commands and no others, such as ``--from 3 --limit 1``."""
        options = [f"--from {group[0]} --limit {len(group)}" for group in self.groups]
        if self.is_open:
            options[-1] = f"--from {self.groups[-1][0]}"
        return ", then ".join(options[:_MOST_NAMED]) + (", ..." if len(options) > _MOST_NAMED else "")


@attrs.frozen
class Remainder:
    """What remains of a file after a run.

    Attributes:
        unit: What the numbers count.
        remaining: The numbers of the commands that were certainly not executed.
        unknown: Of those that perhaps were.
        untold: Those that have no outcome.
    """

    unit: str
    remaining: frozenset[int]
    unknown: list[int]
    untold: Gaps

    def describe(self, path: str) -> Iterator[str]:
        """Yield a sentence about the commands that are not sent even though their outcome is not certain."""
        if self.unknown:
            where = f"{_name_numbers(self.unit, self.unknown)} unknown in {path}"
            yield f"{where}, perhaps executed, and not sent again: look for them on the portal"
        if self.untold.groups:
            where = f"{_name_numbers(self.unit, self.untold.numbers)} without an outcome in {path}"
            yield f"{where} and not sent: if they were never sent, send them with {self.untold.list_options()}"


def find_remainder(path: str, source: Source) -> Remainder:
    """Compare the outcomes in a file with the commands that they are of.

    Raises:
        UsageError: The file of outcomes is invalid, or is not of these commands.
    """
    outcomes = _read_outcomes(path)
    found: dict[str, list[int]] = {"remaining": [], "unknown": []}
    untold = Gaps()
    for number, command in source:
        outcome = outcomes.pop(number, None)
        if outcome is None:
            untold.add(number)
            continue
        untold.close()
        if (outcome.method, outcome.name) != (command.method, command.name):
            there, here = _label(outcome.method, outcome.name), _label(command.method, command.name)
            at = f"line {outcome.place} is the outcome of {source.unit} {number}, {there}"
            raise UsageError(f"{path}: {at}, but that is {here} in the file of commands")
        if outcome.not_executed or outcome.status == "unknown":
            found["remaining" if outcome.not_executed else "unknown"].append(number)
    for number, outcome in outcomes.items():
        at = f"line {outcome.place} is the outcome of {source.unit} {number}"
        raise UsageError(f"{path}: {at}, which the file of commands does not have")
    return Remainder(source.unit, frozenset(found["remaining"]), found["unknown"], untold)


def _read_outcomes(path: str) -> dict[int, Outcome]:
    """Return the outcomes by the numbers of their commands. A later one replaces one that was not executed."""
    outcomes: dict[int, Outcome] = {}
    try:
        with open_file(path) as file:
            for place, line in enumerate(file, 1):
                if line.strip():
                    _add(outcomes, path, *_read_outcome(path, place, line))
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
    else:
        if outcomes:
            return outcomes
        reason = f"{path} has no outcomes; if > has just emptied it, write to another file, or with >>"
    raise UsageError(reason)


def _add(outcomes: dict[int, Outcome], path: str, number: int, outcome: Outcome) -> None:
    earlier = outcomes.get(number)
    if earlier is not None and not earlier.not_executed:
        raise UsageError(f"{path}: line {outcome.place}: {number} has an outcome already, in line {earlier.place}")
    outcomes[number] = outcome


def _read_outcome(path: str, place: int, line: bytes) -> tuple[int, Outcome]:
    reason = "expected an outcome as b24batch run writes it"
    try:
        record = decode_json(line)
    except UsageError as error:
        reason = error.description
        if not line.endswith(b"\n"):
            reason += "; it is cut off: delete this line, and look for its command on the portal"
    else:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return _to_number(record["line"]), _to_outcome(place, record)
    raise UsageError(f"{path}: line {place}: {reason}")


def _to_number(value: JsonValue) -> int:
    if type(value) is int and value > 0:
        return value
    raise ValueError(shown(value))


def _to_outcome(place: int, record: JsonValue) -> Outcome:
    status = get_args(Status)[get_args(Status).index(record["status"])]
    kind = record["error"] and record["error"]["type"]
    not_executed = status == "skipped" or (status == "failed" and kind in _NOT_EXECUTED)
    return Outcome(place, record["method"], record["name"], status, not_executed)


def _label(method: str, name: str | None) -> str:
    return method if name is None else f"{method} {shown(name)}"


def _name_numbers(unit: str, numbers: list[int]) -> str:
    """Return such as ``lines 4 to 7 and 9 are``."""
    if len(numbers) == 1:
        return f"{unit} {numbers[0]} is"
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    named = [f"{first} to {last}" if first < last else str(first) for first, last in ranges[:_MOST_NAMED]]
    more = len(ranges) - len(named)
    return f"{unit}s {', '.join(named)}{', ...' if more else ''} are"
