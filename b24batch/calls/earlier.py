"""The commands that a reference may lead to, and text that looks like a reference in the portal's syntax."""

from __future__ import annotations

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.references import Key, Ref, walk_leaves
from b24batch.calls.scalars import InvalidValue
from b24batch.calls.words import PLACE, is_referable, parse_reference
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: How many calls back a reference in a stream may lead: as many as one request holds.
MEMORY = 50


class Earlier:
    """The commands that a reference may lead to: those before it, as far back as they are remembered.

    Attributes:
        memory: How many commands are remembered; None for all.
    """

    def __init__(self, memory: int | None = None) -> None:
        self.memory = memory
        self._names: dict[Key, str] = {}
        self._places: dict[str, int] = {}
        self._count = 0

    def add(self, wire_name: str, own_name: str | None) -> None:
        """Remember the next command by its position and its name, and forget the one that is too far back.

        If a name is used again, as it may be in a later chunk of a stream, it means the later command only.
        """
        if wire_name in self._places:
            self._forget(wire_name)
        self._names[self._count] = wire_name
        self._places[wire_name] = self._count
        if own_name is not None:
            self._names[own_name] = wire_name
        self._count += 1
        if self.memory is not None and (last := self._names.get(self._count - 1 - self.memory)) is not None:
            self._forget(last)

    def _forget(self, name: str) -> None:
        del self._names[self._places.pop(name)]
        self._names.pop(name, None)

    def bind(self, reference: Ref) -> Ref:
        """Return `reference` with the key of its command in the request; raise `UsageError` if there is none."""
        name = self._names.get(reference.target)
        if name is None:
            raise UsageError(f"has {reference!r}, {self._explain_missing(reference.target)}")
        if not is_referable(name):
            why_not = "but the portal cannot follow a name with white space or ] in it"
            raise UsageError(f"has {reference!r}, {why_not}")
        return attrs.evolve(reference, target=name, written=reference.target)

    def refuse_spelt(self, params: JsonValue, name: str, advice: str = "") -> None:
        """Raise `UsageError` for text in `params` that the portal would read as a reference to another command.

        Args:
            params: The parameters of the command.
            name: The key of the command in the request.
            advice: What to do instead. Default: the ``ref(...)`` to write.
        """
        for path, text in walk_leaves(params):
            bucket, keys = parse_reference(text) if isinstance(text, str) else ("", [])
            target = self._find_target(keys[0]) if keys else None
            if target is not None and self._names[target] != name:
                what = advice or _advise(bucket, target, keys[1:])
                raise InvalidValue(f"is {shown(text)}, which would be sent as text: {what}", *map(str, path))

    def _find_target(self, key: str) -> Key | None:
        if key in self._names:
            return key
        return int(key) if PLACE.fullmatch(key) and int(key) in self._names else None

    def _explain_missing(self, target: Key) -> str:
        if isinstance(target, str):
            return "but no earlier call has that name"
        if target < self._count:
            return f"but that call is more than {self.memory} calls back, or a later call has the same name"
        return "but a reference must lead to an earlier call"


def _advise(bucket: str, target: Key, keys: list[str]) -> str:
    reference = Ref(target)
    match bucket:
        case "result":
            value = attrs.evolve(reference, path=tuple(int(key) if PLACE.fullmatch(key) else key for key in keys))
        case "total" | "next":
            value = getattr(reference, bucket)
        case _:
            return f"a reference to the {bucket} of a call is not possible; to send it as text, use Session.call"
    return f"for the value, write {value!r} without quotes; to send it as text, use Session.call"
