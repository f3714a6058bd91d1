"""What is left of a run: the commands to pass again, with references that hold in the new run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from b24batch.commands import Command
from b24batch.encoding import JsonValue
from b24batch.references import Ref, no_ids, refers, replaced
from b24batch.retries import is_read

if TYPE_CHECKING:
    from b24batch.results import AnyResult


@attrs.frozen
class Remaining:
    """The commands of a result that are passed again.

    Attributes:
        result: The result that they are left of.
        commands: In the order in which they were added.
        places: Of each, its place in the new run, by its place and its name in the old one.
    """

    result: AnyResult
    commands: list[Command] = attrs.field(factory=list)
    places: dict[int | str, int] = attrs.field(factory=dict)

    def add(self, place: int, command: Command) -> None:
        """Add a command, unless a reference in it leads nowhere now, or to no id in the place of one."""
        if refers(command.params):
            try:
                no_id = next(no_ids(command.params, self._value_of), None)
                if no_id is not None and not is_read(command.method):
                    return
                command = attrs.evolve(command, params=replaced(command.params, self._value_of))
            except KeyError:
                return
        self.places[place] = len(self.commands)
        if command.name is not None:
            self.places[command.name] = len(self.commands)
        self.commands.append(command)

    def _value_of(self, reference: Ref) -> JsonValue:
        row = self.result[reference.target]
        value = reference.found_in(row.data, row.total, row.next) if row.is_success else None
        if value is not None:
            return value
        place = self.places[reference.target]
        return attrs.evolve(reference, target=place) if isinstance(reference.target, int) else reference
