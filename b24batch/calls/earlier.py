"""The commands that references may speak of, and text that spells a reference as the portal does."""

from __future__ import annotations

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.references import Key, Ref, leaves
from b24batch.calls.scalars import InvalidValue
from b24batch.calls.words import PLACE, is_referable, spelt
from b24batch.errors import UsageError
from b24batch.redaction import shown


class Earlier:
    """The commands that a reference may speak of: those before it, as far back as they are remembered.

    Attributes:
        memory: How many commands back those are; None for all.
    """

    def __init__(self, memory: int | None = None) -> None:
        self.memory = memory
        self._names: dict[Key, str] = {}
        self._places: dict[str, int] = {}
        self._count = 0

    def add(self, wire_name: str, own_name: str | None) -> None:
        """Remember the next command by its position and by its own name, and forget one too far back.

        A name that comes again, as it may in a later chunk of a stream, is that of the later command only.
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

    def bound(self, reference: Ref) -> Ref:
        """Return `reference` with the name of its command on the wire; raise `UsageError` when it leads nowhere."""
        name = self._names.get(reference.target)
        if name is None:
            raise UsageError(f"has {reference!r}, {self._why_not(reference.target)}")
        if not is_referable(name):
            why_not = "a name that the portal could not find: it has white space or a ] in it"
            raise UsageError(f"has {reference!r}, {why_not}")
        return attrs.evolve(reference, target=name, written=reference.target)

    def refuse_spelt(self, params: JsonValue, name: str, advice: str = "") -> None:
        """Raise `UsageError` for text in `params` that elsewhere is a reference to a command other than `name`.

        Args:
            params: With their values.
            name: On the wire.
            advice: What to do instead; by default the ``ref(...)`` to write.
        """
        for path, text in leaves(params):
            bucket, keys = spelt(text) if isinstance(text, str) else ("", [])
            target = self._target(keys[0]) if keys else None
            if target is not None and self._names[target] != name:
                what = advice or _advice(bucket, target, keys[1:])
                raise InvalidValue(f"is {shown(text)}, which is text here: {what}", *map(str, path))

    def _target(self, key: str) -> Key | None:
        if key in self._names:
            return key
        return int(key) if PLACE.fullmatch(key) and int(key) in self._names else None

    def _why_not(self, target: Key) -> str:
        if isinstance(target, str):
            return "but no call before it has that name"
        if target < self._count:
            return f"which is more than {self.memory} calls back, or has lost its name to a later call"
        return "but a reference leads to a call before it"


def _advice(bucket: str, target: Key, keys: list[str]) -> str:
    reference = Ref(target)
    match bucket:
        case "result":
            value = attrs.evolve(reference, path=tuple(int(key) if PLACE.fullmatch(key) else key for key in keys))
        case "total" | "next":
            value = getattr(reference, bucket)
        case _:
            return f"nothing refers to the {bucket} of a call; Session.call sends it as text"
    return f"write {value!r} for the value, without quotes; Session.call sends it as text"
