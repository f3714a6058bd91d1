"""The rows of a journal's commands in the project's database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from django.utils import timezone

from b24batch.calls.encoded import EncodedCommand
from b24batch.errors import UsageError
from b24batch.journal.noted import Kept, Noted, digest_of, dump, load_error, load_noted
from b24batch.redaction import shown
from b24batch.results import AjaxResult
from b24batch.statuses import Status

#: The columns that an answer sets, in the order of `set_outcome`.
OUTCOME = ("status", "data", "error", "total", "next", "http_status")
#: The columns that are stored then: an answer ends the count of deaths.
NOTED = (*OUTCOME, "deaths")
#: The columns that a claim sets.
CLAIMED = ("position", "method", "digest", "request", "request_id", "sent", *OUTCOME)
#: The most characters of a key, and of a method.
_LONGEST = 255


def check(encoded: EncodedCommand) -> None:
    """Raise `UsageError` if some database cannot store the command's name or method."""
    for text in (encoded.name, encoded.command.method):
        if len(text) > _LONGEST or "\0" in text:  # PostgreSQL has no NUL
            reason = f"expected a name and a method of at most {_LONGEST} characters that a database can store"
            raise UsageError(f"{encoded.label}: {reason}")


def to_row(run: Any, encoded: EncodedCommand, number: int, request_id: str) -> Any:
    """Return the row of a command that is about to be sent."""
    return type(run).commands.rel.related_model(
        run=run,
        key=encoded.name,
        position=encoded.position,
        method=encoded.command.method,
        digest=digest_of(encoded),
        request=number,
        request_id=request_id,
        sent=timezone.now(),
        status="sent",
    )


def set_outcome(row: Any, outcome: AjaxResult, *, perhaps: bool) -> None:
    """Set the columns that an answer sets; `perhaps` as in `dump`."""
    for column, value in zip(OUTCOME, (*dump(outcome, perhaps=perhaps), outcome.http_status), strict=True):
        setattr(row, column, value)


def store(commands: Any, rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Insert rows; of those that exist, set these columns."""
    for row in rows:
        row.pk = None  # the key decides whether a row exists
    commands.bulk_create(rows, update_conflicts=True, unique_fields=("run", "key"), update_fields=columns)


def store_late(commands: Any, rows: Iterable[Any]) -> None:
    """Set the outcomes of those commands that were not sent again since."""
    for row in rows:
        outcome = {column: getattr(row, column) for column in NOTED}
        commands.filter(key=row.key, request=row.request).update(**outcome)


def may_send(row: Any, encoded: EncodedCommand, *, may_repeat: bool) -> bool:
    """Return whether a command was not executed, was corrected after it failed, or is unknown and may run twice."""
    if row.status == "failed":
        return row.digest != digest_of(encoded) or load_error(row.error, row.request_id).not_executed
    return row.status == "skipped" or (may_repeat and row.status == "unknown")


def to_kept(row: Any) -> Kept:
    """Return what the journal has of a command."""
    columns = ("digest", "status", "data", "error", "total", "next", "http_status", "request_id")
    return Kept(*(getattr(row, column) for column in columns))


def to_noted(row: Any) -> Noted:
    """Return what a person sees of a command."""
    status: Status = "unknown" if row.status == "sent" else row.status
    known = (row.key, row.position, row.method, status, row.data, row.error, row.request_id, row.sent.timestamp())
    return load_noted(known)


def select(commands: Any, status: Status | None) -> Any:
    """Return the commands in order; with `status`, only those with this status."""
    if status is not None and status not in get_args(Status):
        raise UsageError(f"status: expected one of {', '.join(get_args(Status))}, got {shown(status)}")
    if status is not None:
        commands = commands.filter(status__in=("sent", "unknown") if status == "unknown" else (status,))
    return commands.order_by("position", "key")


def count(commands: Any) -> dict[Status, int]:
    """Return the number of commands with each status."""
    counts = Counter(commands.values_list("status", flat=True))
    counts["unknown"] += counts.pop("sent", 0)
    return +counts
