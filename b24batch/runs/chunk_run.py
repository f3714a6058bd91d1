"""The state of one chunk of a run: the outcomes of its commands so far."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress

import attrs

from b24batch.calls.chunks import Chunk
from b24batch.calls.encoded import EncodedCommand
from b24batch.errors import AnswerLost, OperatingLimitExceeded, SdkError
from b24batch.results import AjaxResult
from b24batch.runs.operating import Waited
from b24batch.statuses import Status


@attrs.define(eq=False)
class ChunkRun:
    """A chunk that is being sent, in one request or several.

    Attributes:
        commands: The commands, in order.
        rows: The outcomes so far, by name: None for a command that is being sent, no entry for one that was not
            attempted. Each change is a single step, so that an exception at any moment (Ctrl-C, a soft time limit)
            finds a consistent state.
        blocked: The names of commands that wait for operating time, and of those skipped because of them.
        waited: The waits for operating time.
        request_id: The ``X-Request-ID`` of the request that is being sent.
        restored: The names of commands whose outcome is from an earlier life of the run.
        is_counted: Whether its outcomes are final and in the statistics.
    """

    commands: tuple[EncodedCommand, ...]
    rows: dict[str, AjaxResult | None] = attrs.field(factory=dict, init=False)
    blocked: set[str] = attrs.field(factory=set, init=False)
    waited: Waited = attrs.field(factory=Waited, init=False)
    request_id: str = attrs.field(default="", init=False)
    restored: frozenset[str] = attrs.field(default=frozenset(), init=False)
    is_counted: bool = attrs.field(default=False, init=False)
    _before: dict[str, AjaxResult | None] = attrs.field(factory=dict, init=False)

    def restore(self, rows: list[AjaxResult | None]) -> None:
        """Record the outcomes from an earlier life of the run: None for a command that is to be sent."""
        known = {encoded.name: row for encoded, row in zip(self.commands, rows, strict=True) if row is not None}
        self.rows, self.restored = {**known}, frozenset(known)

    def list_unsent(self) -> list[EncodedCommand]:
        """Return the commands without an outcome from an earlier life."""
        return [encoded for encoded in self.commands if encoded.name not in self.restored]

    def omit_restored(self, rows: list[AjaxResult]) -> list[AjaxResult]:
        """Return those of the chunk's outcomes, in order, that are not from an earlier life."""
        if not self.restored:
            return rows
        return [row for encoded, row in zip(self.commands, rows, strict=True) if encoded.name not in self.restored]

    def find_originals(self, request: Chunk) -> list[EncodedCommand]:
        """Return the commands of a request as the caller passed them, with their references."""
        names = set(request.names)
        return [encoded for encoded in self.commands if encoded.name in names]

    def leave(self, request: Chunk, request_id: str) -> None:
        """Record that the commands of a request are about to be sent."""
        self.request_id, self._before = request_id, self.rows
        self.rows = self.rows | dict.fromkeys(request.names)

    def take_back(self) -> None:
        """Record that the request that was about to be sent was not: its commands are as they were before."""
        self.rows = self._before

    def note(self, request: Chunk, rows: list[AjaxResult]) -> None:
        """Record the outcomes of one request."""
        names = request.names
        self.rows.update(zip(names, rows, strict=True))
        self.blocked.difference_update(names)
        if any(map(is_blocked, rows)):
            again = (row.status == "skipped" or is_blocked(row) for row in rows)
            self.blocked.update(compress(names, again))

    def decide(self, encoded: EncodedCommand, row: AjaxResult) -> None:
        """Record the outcome of a command that is not sent; if it depends on a blocked one, it is retried with it."""
        self.rows[encoded.name] = row
        self.blocked.discard(encoded.name)
        if any(reference.target in self.blocked for reference in encoded.references):
            self.blocked.add(encoded.name)

    def list_blocked_commands(self) -> list[EncodedCommand]:
        """Return the commands to send again, in order."""
        return [encoded for encoded in self.commands if encoded.name in self.blocked]

    def list_blocked_methods(self) -> set[str]:
        """Return the methods that have used up their operating time."""
        errors = [row.error for row in map(self.rows.get, self.blocked) if row]
        return {error.method for error in errors if isinstance(error, OperatingLimitExceeded)}

    def list_known(self) -> list[AjaxResult]:
        """Return the outcome of each command, in order; ``skipped`` if it was not attempted."""
        return [self.rows.get(encoded.name) or self._make_open(encoded) for encoded in self.commands]

    def _make_open(self, encoded: EncodedCommand) -> AjaxResult:
        """Return the outcome of a command that was not answered: ``skipped`` or ``unknown``."""
        if encoded.name not in self.rows:
            return AjaxResult(encoded.command, "skipped")
        lost = AnswerLost("interrupted before the answer arrived", request_id=self.request_id)
        return AjaxResult(encoded.command, "unknown", error=lost, request_id=lost.request_id)


def is_blocked(row: AjaxResult) -> bool:
    """Return whether a command's method had used up its operating time."""
    return isinstance(row.error, OperatingLimitExceeded)


def repeat_error(error: SdkError, commands: Iterable[EncodedCommand]) -> list[AjaxResult]:
    """Return the error of a whole request as the outcome of each of its commands."""
    status: Status = "unknown" if isinstance(error, AnswerLost) else "failed"
    return [
        AjaxResult(encoded.command, status, error=error, http_status=error.http_status, request_id=error.request_id)
        for encoded in commands
    ]
