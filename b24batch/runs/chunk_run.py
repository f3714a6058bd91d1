"""The state of one chunk of a run: what is known of its commands at any moment."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import TypeAlias

import attrs

from b24batch.calls.encoded import EncodedCommand
from b24batch.errors import AnswerLost, OperatingLimitExceeded, SdkError
from b24batch.results import AjaxResult
from b24batch.runs.operating import Waited
from b24batch.statuses import Status

#: The commands of one request, by name.
Part: TypeAlias = dict[str, EncodedCommand]


@attrs.define(eq=False)
class ChunkRun:
    """A chunk on its way, in one request or in several.

    Attributes:
        commands: What is sent, in order.
        rows: By name, the outcomes of its commands as far as they are known at any moment: None for one that is on
            its way, nothing for one that was not attempted. It changes in one step each time, so that an exception
            at any instant (Ctrl-C, a soft time limit) finds what is true.
        blocked: The names of those that wait for operating time, and of those skipped behind them.
        waited: The waits for it.
        request_id: The ``X-Request-ID`` of the request on its way.
    """

    commands: tuple[EncodedCommand, ...]
    rows: dict[str, AjaxResult | None] = attrs.field(factory=dict, init=False)
    blocked: set[str] = attrs.field(factory=set, init=False)
    waited: Waited = attrs.field(factory=Waited, init=False)
    request_id: str = attrs.field(default="", init=False)

    def leave(self, part: Part, request_id: str) -> None:
        """Note that commands are on their way, before they are."""
        self.request_id = request_id
        self.rows = self.rows | dict.fromkeys(part)

    def note(self, part: Part, rows: list[AjaxResult]) -> None:
        """Note the outcomes of one request."""
        self.rows.update(zip(part, rows, strict=True))
        self.blocked -= part.keys()
        if any(map(is_blocked, rows)):
            again = (row.status == "skipped" or is_blocked(row) for row in rows)
            self.blocked.update(compress(part, again))

    def decide(self, encoded: EncodedCommand, row: AjaxResult) -> None:
        """Note a command that is not sent; one that waits for a blocked one is tried again together with it."""
        self.rows[encoded.name] = row
        self.blocked.discard(encoded.name)
        if any(reference.target in self.blocked for reference in encoded.references):
            self.blocked.add(encoded.name)

    def blocked_commands(self) -> list[EncodedCommand]:
        """Return the commands to send again, in order."""
        return [encoded for encoded in self.commands if encoded.name in self.blocked]

    def blocked_methods(self) -> set[str]:
        """Return the methods that have used up their operating time."""
        errors = [row.error for row in map(self.rows.get, self.blocked) if row]
        return {error.method for error in errors if isinstance(error, OperatingLimitExceeded)}

    def known(self) -> list[AjaxResult]:
        """Return the outcome of each command, in order; what was not attempted is skipped."""
        return [self.rows.get(encoded.name) or self._open(encoded) for encoded in self.commands]

    def _open(self, encoded: EncodedCommand) -> AjaxResult:
        """Return the outcome of a command that has none yet."""
        if encoded.name not in self.rows:
            return AjaxResult(encoded.command, "skipped")
        lost = AnswerLost("interrupted before the answer came", request_id=self.request_id)
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
