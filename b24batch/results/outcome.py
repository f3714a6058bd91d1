"""The outcome of one command."""

from __future__ import annotations

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.errors import SdkError
from b24batch.redaction import shown
from b24batch.statuses import Status


@attrs.frozen(repr=False)
class AjaxResult:
    """The outcome of one command.

    Attributes:
        command: The command as it was passed.
        status: Whether it took effect: ``ok``, ``failed``, ``skipped`` or ``unknown``.
        data: What the method returned; None unless the command is ``ok``.
        error: Why the command failed or is ``unknown``. None for ``skipped``, and for ``ok`` if `is_success`.
        total: The number of rows, as counted by a list method; None if it was not counted.
        next: The ``start`` of the next page of a list method; None on the last page.
        time: The portal's ``time`` block, durations in seconds; None if there was none.
        http_status: The HTTP status of the answer that contained this outcome; None if there was no answer.
        request_id: The ``X-Request-ID`` of the request; None if it was not sent.
    """

    command: Command
    status: Status
    data: JsonValue = None
    error: SdkError | None = None
    total: int | None = None
    next: int | None = None
    time: dict[str, JsonValue] | None = None
    http_status: int | None = None
    request_id: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the command is ``ok`` and has no error."""
        return self.status == "ok" and self.error is None

    @property
    def not_executed(self) -> bool:
        """Whether it is proven that the command was not executed."""
        return self.status == "skipped" or (
            self.status == "failed" and self.error is not None and self.error.not_executed
        )

    @property
    def name(self) -> str | None:
        """The name of the command; None without one."""
        return self.command.name

    @property
    def method(self) -> str:
        """The method of the command."""
        return self.command.method

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the outcome, without the parameters, as a dict that can be dumped as JSON."""
        return {
            "name": self.command.name,
            "method": self.command.method,
            "status": self.status,
            "data": self.data,
            "error": self.error and self.error.to_dict(),
            "total": self.total,
            "next": self.next,
            "time": self.time,
            "http_status": self.http_status,
            "request_id": self.request_id,
        }

    def __repr__(self) -> str:
        outcome = f"data={shown(self.data)}" if self.error is None else f"error={self.error!r}"
        return f"AjaxResult({self.command.method}, {self.status}, {outcome})"

    def _repr_html_(self) -> str:
        from b24batch.html import render_outcome

        return render_outcome(self.to_dict())
