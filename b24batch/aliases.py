"""Type aliases: JSON values, and the parameters of a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

#: Any JSON value. It is not typed any further.
JsonValue: TypeAlias = Any


#: Parameters by name, or a list for a positional ``task.*`` method; None for no parameters.
Params: TypeAlias = Mapping[str, JsonValue] | Mapping[int, JsonValue] | list[JsonValue] | tuple[JsonValue, ...] | None


#: Parameters converted for the wire: strings, numbers, booleans, lists, dicts with string keys, references; None at the
#: top level only.
WireParams: TypeAlias = dict[str, JsonValue] | list[JsonValue]
