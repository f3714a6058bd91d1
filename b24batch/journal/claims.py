"""The claims in a journal: a request takes its commands before it is sent, and records what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from b24batch.calls.encoded import EncodedCommand
from b24batch.journal import schema
from b24batch.journal.noted import LOST, digest_of, dump
from b24batch.results import AjaxResult


@attrs.define
class Claimed:
    """A request of this life of the run.

    Attributes:
        number: Its number in the file.
        names: The names of its commands.
        perhaps: The names of those that an earlier life may have run already; they may run twice.
        is_open: Whether it may have been sent.
    """

    number: int
    names: list[str]
    perhaps: frozenset[str]
    is_open: bool = attrs.field(default=True, init=False)

    def release(self, database: sqlite3.Connection) -> None:
        """Record that it was not executed so far."""
        again = [(*self._unless_it_ran(name, "skipped", None), name, self.number) for name in self.names]
        database.executemany(schema.RELEASE, again)

    def note(self, database: sqlite3.Connection, names: list[str], rows: Sequence[AjaxResult], answered: float) -> None:
        """Record its outcomes; ignored if its claim is no longer this run's."""
        noted = [self._dump(name, row) for name, row in zip(names, rows, strict=True)]
        database.executemany(schema.NOTE, noted)
        http_status = next((row.http_status for row in rows if row.http_status is not None), None)
        if http_status is not None:
            database.execute(schema.ANSWERED, (answered, http_status, self.number))

    def _dump(self, name: str, row: AjaxResult) -> tuple[str, str | None, str | None, int | None, int | None, str, int]:
        status, data, error, total, following = dump(row)
        if status == "skipped" or (row.error is not None and row.error.not_executed):
            status, error = self._unless_it_ran(name, status, error)
        return status, data, error, total, following, name, self.number

    def _unless_it_ran(self, name: str, status: str, error: str | None) -> tuple[str, str | None]:
        """Return the outcome of a command that this life did not run: an earlier one may have run it."""
        return ("unknown", LOST) if name in self.perhaps else (status, error)


def claim(
    database: sqlite3.Connection,
    request_id: str,
    commands: Sequence[EncodedCommand],
    may_repeat: list[bool],
    now: float,
) -> Claimed | None:
    """Record that a request is about to be sent; None if another run has sent some of its commands meanwhile."""
    names = [encoded.name for encoded in commands]
    lost = database.execute(schema.PERHAPS.format(schema.marks(names)), names) if any(may_repeat) else ()
    claimed = Claimed(database.execute(schema.NUMBER).fetchone()[0], names, frozenset(name for (name,) in lost))
    database.execute(schema.REQUEST, (claimed.number, request_id, now))
    rows = [
        (encoded.name, encoded.position, encoded.command.method, digest_of(encoded), claimed.number, again)
        for encoded, again in zip(commands, may_repeat, strict=True)
    ]
    return claimed if database.executemany(schema.CLAIM, rows).rowcount == len(rows) else None
