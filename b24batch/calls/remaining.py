"""The commands that remain after a run, to be sent again."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.methods import is_read
from b24batch.calls.references import Key, Ref, find_invalid_ids, has_references, replace_references


@attrs.frozen
class Remaining:
    """The commands of a run that are to be sent again, without the others that their references lead to.

    Attributes:
        value_of: Returns the value of a reference; None if it has none.
        commands: In the order in which they were added.
        places: The new position of each command, by its old position and its name.
    """

    value_of: Callable[[Ref], JsonValue]
    commands: list[Command] = attrs.field(factory=list)
    places: dict[Key, int] = attrs.field(factory=dict)

    def add(self, place: int, command: Command) -> None:
        """Add a command, unless a reference in it no longer has a value."""
        if has_references(command.params):
            try:
                no_id = next(find_invalid_ids(command.params, self._update), None)
                if no_id is not None and not is_read(command.method):
                    return
                command = attrs.evolve(command, params=replace_references(command.params, self._update))
            except KeyError:
                return
        self.places[place] = len(self.commands)
        if command.name is not None:
            self.places[command.name] = len(self.commands)
        self.commands.append(command)

    def _update(self, reference: Ref) -> JsonValue:
        """Return the value of a reference, or the reference with the new position of its command."""
        value = self.value_of(reference)
        if value is not None:
            return value
        place = self.places[reference.target]
        return attrs.evolve(reference, target=place) if isinstance(reference.target, int) else reference
