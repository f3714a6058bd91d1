"""Aliases of types: whatever JSON can hold, and what a method is called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

#: Whatever JSON can hold; the one place where types end.
JsonValue: TypeAlias = Any


#: Parameters by name, or in their order for the positional ``task.*`` methods; None is no parameters.
Params: TypeAlias = Mapping[str, JsonValue] | Mapping[int, JsonValue] | list[JsonValue] | tuple[JsonValue, ...] | None


#: Parameters ready for the wire: text, numbers, flags, None at the top level, lists and dicts with text names, and
#: references.
WireParams: TypeAlias = dict[str, JsonValue] | list[JsonValue]
