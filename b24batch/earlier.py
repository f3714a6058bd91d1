"""The commands that references may speak of, and text that spells a reference as the portal does."""

from __future__ import annotations

import re

import attrs

from b24batch.encoding import JsonValue, Unfit, shown
from b24batch.references import PLACE, Key, Ref, is_referable, texts

#: A whole value that the portal takes for a reference: one of its maps, anything up to white space, keys in brackets.
_SPELT = re.compile(r"(?ai)\$(result|next|total|time|error)(\S+)")
_KEYS = re.compile(r"\[([^\]]+)\]")


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
            self._forget(self._places[wire_name])
        self._names[self._count] = wire_name
        self._places[wire_name] = self._count
        if own_name is not None:
            self._names[own_name] = wire_name
        self._count += 1
        if self.memory is not None:
            self._forget(self._count - 1 - self.memory)

    def _forget(self, place: int | None) -> None:
        name = None if place is None else self._names.get(place)
        if place is not None and name is not None:
            del self._names[place], self._places[name]
            self._names.pop(name, None)

    def bound(self, reference: Ref) -> Ref:
        """Return `reference` with the name of its command on the wire; raise `Unfit` when it leads nowhere."""
        name = self._names.get(reference.target)
        if name is None:
            raise Unfit(f"has {reference!r}, {self._why_not(reference.target)}")
        if not is_referable(name):
            raise Unfit(f"has {reference!r}, a name that the portal could not find: it has white space or a ] in it")
        return attrs.evolve(reference, target=name, written=reference.target)

    def refuse_spelt(self, params: JsonValue, name: str, advice: str = "") -> None:
        """Raise `Unfit` for text in `params` that elsewhere is a reference to a command, other than the one `name`.

        Args:
            params: With their values.
            name: On the wire.
            advice: What to do instead; by default the ``ref(...)`` to write.
        """
        for path, text in texts(params):
            spelt = _SPELT.fullmatch(text)
            keys = _KEYS.findall(spelt[2]) if spelt else []
            target = self._target(keys[0]) if keys else None
            if spelt and target is not None and self._names[target] != name:
                what = advice or _advice(spelt[1].lower(), target, keys[1:])
                raise Unfit(f"is {shown(text)}, which is text here: {what}", path)

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
