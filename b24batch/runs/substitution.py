"""Substitution: replaces references with values from earlier answers, and detects missing or wrong values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.chunks import Chunk
from b24batch.calls.earlier import MEMORY
from b24batch.calls.encoded import EncodedCommand, resolve
from b24batch.calls.methods import is_read
from b24batch.calls.references import Ref, find_invalid_ids
from b24batch.errors import AjaxError, ReferenceMissed, UsageError
from b24batch.results import AjaxResult

_RAN = "the command ran with a wrong value"


def find_targets(commands: Iterable[EncodedCommand]) -> set[str]:
    """Return the names of the commands that references in `commands` lead to."""
    return {str(reference.target) for encoded in commands for reference in encoded.references}


@attrs.define(eq=False)
class Answered:
    """The outcomes that later references may lead to.

    Attributes:
        wanted: The names to remember; None for the last ones, whatever their names.
        memory: How many are remembered if `wanted` is None.
    """

    wanted: Collection[str] | None = None
    memory: int = MEMORY
    _rows: dict[str, AjaxResult] = attrs.field(factory=dict, init=False)

    def note(self, name: str, row: AjaxResult) -> None:
        """Remember an outcome."""
        if self.wanted is None or name in self.wanted:
            self._rows[name] = row

    def note_all(self, commands: Iterable[EncodedCommand], rows: Iterable[AjaxResult]) -> None:
        """Remember the outcomes of commands."""
        if self.wanted is None or self.wanted:
            for encoded, row in zip(commands, rows, strict=True):
                self.note(encoded.name, row)

    def forget(self, names: Iterable[str]) -> None:
        """Forget outcomes that are too far back, once the commands of these names have their final outcome."""
        for name in names if self.wanted is None else ():
            self._rows[name] = self._rows.pop(name)
        while self.wanted is None and len(self._rows) > self.memory:
            del self._rows[next(iter(self._rows))]

    def make_ready(self, encoded: EncodedCommand, part: Collection[str], *, halt: bool) -> EncodedCommand | AjaxResult:
        """Return a command ready to be sent with those named in `part`, or its outcome if it cannot be sent.

        References into `part` are left to the portal; others are replaced with their values. A command is ``skipped``
        if it refers to one that did not succeed, and ``failed`` if the value is missing or is not a valid id.
        """
        values: dict[Ref, JsonValue] = {}
        for reference in encoded.references:
            if reference.target in part:
                continue
            row = self._rows.get(str(reference.target))
            if row is None or not row.is_success:
                return AjaxResult(encoded.command, "skipped")
            values[reference] = reference.find_in(row.data, row.total, row.next)
            if values[reference] is None:
                error = _make_missed_error(reference, "the command was not sent", not_executed=True)
                return AjaxResult(encoded.command, "failed", error=error)
        try:
            return _refuse_invalid_ids(encoded, values) or _put_in(encoded, values, halt=halt) if values else encoded
        except UsageError as error:
            reason = f"{encoded.label}: {error.description}"
        return AjaxResult(encoded.command, "failed", error=UsageError(reason))


def _refuse_invalid_ids(encoded: EncodedCommand, values: Mapping[Ref, JsonValue]) -> AjaxResult | None:
    """Return the outcome of a write whose id is a list, an object or a boolean; None for any other command."""
    reference = None if is_read(encoded.command.method) else next(find_invalid_ids(encoded.params, values.get), None)
    if reference is None:
        return None
    value = values[reference]
    what = value if isinstance(value, bool) else "a list" if isinstance(value, list) else "an object"
    error = ReferenceMissed(f"{reference!r} is {what}; expected an id: the command was not sent")
    error.not_executed = True
    return AjaxResult(encoded.command, "failed", error=error)


def _put_in(encoded: EncodedCommand, values: dict[Ref, JsonValue], *, halt: bool) -> EncodedCommand:
    """Return a command with these values. In a command that reads, a boolean of unknown form becomes 1 or 0.

    Raises:
        UsageError: If it cannot be sent with these values.
    """
    try:
        return resolve(encoded, values, halt=halt)
    except UsageError:
        if not is_read(encoded.command.method):
            raise
    numbers = {reference: int(value) if isinstance(value, bool) else value for reference, value in values.items()}
    return resolve(encoded, numbers, halt=halt)


def mark_missed(chunk: Chunk, rows: list[AjaxResult]) -> list[AjaxResult]:
    """Return the outcomes of one request, with a `ReferenceMissed` for each command that ran with a wrong value."""
    if not chunk.has_references():
        return rows
    checked: dict[str, AjaxResult] = {}
    for encoded, row in zip(chunk.commands, rows, strict=True):
        checked[encoded.name] = _check_row(encoded, row, checked)
    return list(checked.values())


def _check_row(encoded: EncodedCommand, row: AjaxResult, earlier: dict[str, AjaxResult]) -> AjaxResult:
    """Return `row`, with a `ReferenceMissed` if the portal inserted a wrong value, even if it then refused it."""
    refused = type(row.error) is AjaxError
    for reference in encoded.references if row.status == "ok" or refused else ():
        target = earlier[str(reference.target)]
        value = reference.find_in(target.data, target.total, target.next) if target.is_success else None
        if value is None:
            consequence = f"the portal refused a wrong value ({row.error})" if refused else _RAN
            return attrs.evolve(row, error=_make_missed_error(reference, consequence))
        if isinstance(value, bool) and _reads_letters(encoded, reference):
            text = f"{reference!r} is {value}, which the portal inserted as a flag where Y or N is expected"
            return attrs.evolve(row, error=ReferenceMissed(f"{text}: send the command in a later request"))
    return row


def _reads_letters(encoded: EncodedCommand, reference: Ref) -> bool:
    """Return whether a boolean is expected at `reference` in another form than the one that the portal inserts."""
    try:
        forms = {resolve(encoded, {reference: value}, halt=True).text for value in (True, 1)}
    except UsageError:
        return False
    return len(forms) > 1


def fail_misread(chunk: Chunk, rows: list[AjaxResult]) -> list[AjaxResult]:
    """Return `rows`, where commands that only read, but with a wrong value, are ``failed``.

    So the outcome is the same whether the portal or the library replaces a reference.
    """
    if not chunk.has_references():
        return rows
    return [
        AjaxResult(row.command, "failed", error=row.error, http_status=row.http_status, request_id=row.request_id)
        if row.status == "ok" and isinstance(row.error, ReferenceMissed) and is_read(row.command.method)
        else row
        for row in rows
    ]


def _make_missed_error(reference: Ref, consequence: str, *, not_executed: bool = False) -> ReferenceMissed:
    error = ReferenceMissed(f"{reference!r} is missing, null, or was made from such a value: {consequence}")
    error.not_executed = not_executed
    return error
