"""The claims in a journal: a request takes its commands before it is sent, and records what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from b24batch.calls.encoded import EncodedCommand
from b24batch.journal import schema
from b24batch.journal.noted import SKIPPED, UNKNOWN, digest_of, dump
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
    is_open: bool = True

    def release(self, database: sqlite3.Connection) -> None:
        """Record that it was not executed so far."""
        for name in self.names:
            known = UNKNOWN if name in self.perhaps else SKIPPED
            database.execute(schema.RELEASE, (*known, name, self.number))

    def note(self, database: sqlite3.Connection, names: list[str], rows: Sequence[AjaxResult], answered: float) -> None:
        """Record its outcomes; ignored if its claim is no longer this run's."""
        pairs = zip(names, rows, strict=True)
        noted = [(*dump(row, perhaps=name in self.perhaps), name, self.number) for name, row in pairs]
        database.executemany(schema.NOTE, noted)
        http_status = next((row.http_status for row in rows if row.http_status is not None), None)
        if http_status is not None:
            database.execute(schema.ANSWERED, (answered, http_status, self.number))


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
    (number,) = database.execute(schema.NUMBER).fetchone()
    claimed = Claimed(number, names, frozenset(name for (name,) in lost))
    database.execute(schema.REQUEST, (number, request_id, now))
    rows = [
        (encoded.name, encoded.position, encoded.command.method, digest_of(encoded), number, again)
        for encoded, again in zip(commands, may_repeat, strict=True)
    ]
    return claimed if database.executemany(schema.CLAIM, rows).rowcount == len(rows) else None
