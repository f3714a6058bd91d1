"""A command: one call of a method."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import NoneType
from typing import Self

import attrs

from b24batch.aliases import JsonValue, Params
from b24batch.calls.methods import V3_ONLY
from b24batch.calls.scalars import wire_text
from b24batch.calls.stored import from_stored, to_stored
from b24batch.errors import UsageError
from b24batch.redaction import shown

METHOD = re.compile(r"(?:[A-Za-z0-9_]+:)?[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*", re.ASCII)
_NO_METHOD = "method: expected a name such as crm.deal.add, got"
_NO_PARAMS = "params: expected a mapping, or a list for a positional method, got"
_STORED = frozenset(["method", "params", "name", "idempotent", "refs"])
_FORMAT_SUFFIXES = (".json", ".xml")
#: The most common types come first: a check against an abstract class costs ten times as much.
_PARAMS = (dict, list, tuple, NoneType, Mapping)


def _describe_invalid_method(method: object) -> str:
    reason = _describe_invalid_text(method) if isinstance(method, str) else _NO_METHOD
    return f"{reason} {shown(method)}" if reason else ""


@functools.lru_cache
def _describe_invalid_text(text: str) -> str:
    name = text.casefold()
    if not METHOD.fullmatch(text):
        return _NO_METHOD
    if name.endswith(_FORMAT_SUFFIXES):
        return "method: expected a name without a format at its end, got"
    return "method: this one exists only in REST 3.0, which b24batch does not support:" if name in V3_ONLY else ""


def describe_invalid_name(name: object) -> str:
    """Return what is wrong with the name of a command; an empty text if it is valid."""
    if not isinstance(name, str) or not name:
        return f"name: expected a string that is not empty, got {shown(name)}"
    try:
        wire_text(name)
    except UsageError as error:
        return f"name: {error.description}"
    return ""


@attrs.frozen(init=False)
class _Parts:
    """What a `Command` consists of. Of a class that attrs makes, some editors do not show the arguments."""

    method: str
    params: Params
    name: str | None
    idempotent: bool


class Command(_Parts):
    """One call of a method, to be sent alone or in a batch.

    Args:
        method: A method of the portal, such as ``crm.deal.add``; it may start with ``vendor:``.
        params: Parameters by name, or a list for a positional ``task.*`` method. Default None: no parameters.
        name: The key of its outcome in the `Result`. Default None: its position in the list of calls.
        idempotent: Whether it may safely run twice, so that it is sent again after its answer was lost. Methods that
            are known to only read are sent again in any case. Default False.

    Raises:
        UsageError: If the method, the name or the params are invalid.
    """

    __slots__ = ()

    def __init__(
        self, method: str, params: Params = None, *, name: str | None = None, idempotent: bool = False
    ) -> None:
        wrong = (
            _describe_invalid_method(method)
            or ("" if isinstance(params, _PARAMS) else f"{_NO_PARAMS} {shown(params)}")
            or ("" if name is None else describe_invalid_name(name))
        )
        if wrong:
            __tracebackhide__ = True
            del self, method, params, name  # one of them may be the URL of a webhook, and a traceback would show it
            raise UsageError(wrong)
        name = None if name is None else wire_text(name)
        self.__attrs_init__(str.__str__(method), params, name, idempotent)

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the command as a dict that can be dumped as JSON, for `from_dict`.

        Its keys are ``method``, ``params``, ``name``, ``idempotent`` and, if the params have references, ``refs``.
        Values have the form in which they are sent: a date, a Decimal or a UUID is its text.

        Raises:
            UsageError: If a value cannot be sent.
        """
        __tracebackhide__ = True
        refs: list[JsonValue] = []
        try:
            params = to_stored(self.params, (), refs)
        except UsageError as error:
            wrong = f"{self.method}: {error.description}"
        else:
            stored = {"method": self.method, "params": params, "name": self.name, "idempotent": self.idempotent}
            return stored | ({"refs": refs} if refs else {})
        raise UsageError(wrong)

    @classmethod
    def from_dict(cls, stored: Mapping[str, JsonValue]) -> Self:
        """Return the command that `to_dict` has made a dict of. A reference may be only where `to_dict` noted one.

        Raises:
            UsageError: If the dict is not one of `to_dict`.
        """
        __tracebackhide__ = True
        if not isinstance(stored, Mapping) or not {"method"} <= stored.keys() <= _STORED:
            raise UsageError(f"expected a mapping with the keys {', '.join(sorted(_STORED))}, got {shown(stored)}")
        idempotent = stored.get("idempotent", False)
        if not isinstance(idempotent, bool):
            raise UsageError(f"idempotent: expected True or False, got {shown(idempotent)}")
        params = from_stored(stored.get("params"), stored.get("refs", []))
        return cls(stored["method"], params, name=stored.get("name"), idempotent=idempotent)
