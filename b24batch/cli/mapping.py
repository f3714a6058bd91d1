"""How the columns of a table become the parameters of a command: ``--map TITLE=name``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import attrs

from b24batch.calls.commands import Command
from b24batch.cli.params import PAIR, parse_pairs
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: Names that are parameters beside the fields in most methods, and fields in some.
_AMBIGUOUS = frozenset({"entitytypeid", "fields", "filter", "id", "params"})
#: Names that are parameters wherever brackets follow; others may be fields whose path is incomplete.
_PARAMETERS = frozenset({"arfields", "data", "fields", "filter", "order", "params", "select"})


@attrs.frozen
class ColumnMap:
    """A method, and how its parameters are made of a row.

    Attributes:
        method: The method of every command.
        constants: ``key=value`` pairs, the same in every command.
        targets: The key of each parameter, with brackets as in ``key=value``, and its column.
        key: The column of the commands' names; None for none.
    """

    method: str
    constants: Sequence[str]
    targets: Sequence[tuple[str, str]]
    key: str | None

    @classmethod
    def read(cls, method: str, constants: Sequence[str], pairs: Iterable[str], key: str | None) -> Self:
        """Return the map that the arguments describe.

        Args:
            method: The method.
            constants: ``key=value`` pairs.
            pairs: Such as ``TITLE=name``: the field TITLE is in the column "name". ``fields[PHONE][0][VALUE]=phone``
                has the whole key of a parameter; so has whatever follows a dot, as in ``.id=ID``.
            key: The column of the names.

        Raises:
            UsageError: A pair is invalid, or two pairs set the same parameter.
        """
        made = cls(method, constants, [_read_pair(pair) for pair in pairs], key)
        made.make_command({column: column for column in made.columns})
        return made

    @property
    def columns(self) -> list[str]:
        """The columns that a table must have."""
        return list(dict.fromkeys([*(column for _, column in self.targets), *([self.key] if self.key else [])]))

    def make_command(self, row: Mapping[str, str]) -> Command:
        """Return the command of a row. Its values are text, as the cells are; that of an empty cell is empty."""
        params = parse_pairs([*self.constants, *(f"{key}={row[column]}" for key, column in self.targets)])
        return Command(self.method, params, name=row[self.key] or None if self.key else None)


def _read_pair(pair: str) -> tuple[str, str]:
    is_parameter = pair.startswith(".")
    match = PAIR.fullmatch(pair.removeprefix("."))
    if match is None or not match["value"]:
        raise UsageError(f"--map: expected FIELD=COLUMN, such as TITLE=name, got {shown(pair)}")
    name, path, column = match["name"], match["path"], match["value"]
    if is_parameter or (path and name.casefold() in _PARAMETERS):
        return f"{name}{path}", column
    if path or name.casefold() in _AMBIGUOUS:
        parameter, field = f".{name}{path}={column}", f"fields[{name}]{path}={column}"
        raise UsageError(f"--map {shown(pair)}: write {parameter} for the parameter {name}, or {field} for the field")
    return f"fields[{name}]", column
