"""A run's journal in a SQLite file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs

from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.clock import Clock
from b24batch.errors import JournalError, RunBusy
from b24batch.journal import schema
from b24batch.journal.file import JournalFile
from b24batch.journal.inspection import settle, summarize
from b24batch.journal.lives import begin_life, end_life
from b24batch.journal.lock import FileLock
from b24batch.journal.noted import Kept, Noted, digest_of, dump, fate_of, load_noted
from b24batch.results import AjaxResult
from b24batch.statuses import Status


class Journal:
    """A journal in a SQLite file: a run that is started again with the same calls goes on where it was.

    Pass it, or just its path, as ``journal=`` to `Session.batch_by_chunk` or `Session.stream_batch`. A command that
    is about to be sent is on the disk before the request leaves, and its outcome after the answer. So a killed
    process, a power cut or a full disk may leave commands ``unknown``, but no write is sent twice. Commands are
    recognised by their names, or by their positions if they have none.

    The file has no URL, no secrets and no params of commands; it has what the portal returned. Any SQLite program can
    read its view ``outcomes``, also during a run.

    Args:
        path: The file. It is created if it does not exist, and only its owner can read it. Do not put it on a network
            drive, where file locks are not reliable.
        clock: The source of the times in it. Default: the module `time`.

    Raises:
        UsageError: The file is something else, or was written by a newer version.
        JournalError: The file cannot be opened or created.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock = time) -> None:
        self._file = JournalFile(path)
        self._held = FileLock(self._file.path)
        self._clock = clock
        self._repeatable: Callable[[Command], bool] = bool  # replaced when a run begins
        #: The number of the first request of this life.
        self._first = 0
        self._claims: dict[str, _Claim] = {}
        #: The numbers of the requests that this object claimed.
        self._own: set[int] = set()

    @property
    def name(self) -> str:
        """The file's name."""
        return self._file.name

    def begin(self, portal: str, repeatable: Callable[[Command], bool]) -> None:
        """Take the run, as in `RunJournal.begin`."""
        self._held.take(self._clock.time())
        try:
            self._file.prepare()
            with self._file.write() as database:
                self._first = begin_life(database, portal, self.name, self._clock.time())
        except BaseException:
            self._held.release()
            raise
        self._repeatable = repeatable
        self._claims.clear()
        self._own.clear()

    def fates(self, commands: Sequence[EncodedCommand]) -> list[AjaxResult | None]:
        """Return what earlier lives know of each command, as in `RunJournal.fates`."""
        keys = [encoded.name for encoded in commands]
        with self._file.read() as database:
            found = database.execute(schema.KEPT.format(", ".join("?" * len(keys))), keys).fetchall()
        if any(number >= self._first and number not in self._own for _key, number, *_texts in found):
            raise self._overtaken()
        kept = {key: Kept(*texts, is_ours=number in self._own) for key, number, *texts in found}
        return [fate_of(encoded, kept.get(encoded.name), self.name, self._repeatable) for encoded in commands]

    def claim(self, request_id: str, commands: Sequence[EncodedCommand]) -> None:
        """Record that a request is about to be sent, as in `RunJournal.claim`."""
        known = self._claims.get(request_id)
        if known is not None and known.is_open:
            return
        with self._file.write() as database:
            (number,) = database.execute(schema.NUMBER).fetchone()
            database.execute(schema.REQUEST, (number, request_id, self._clock.time()))
            claims = [self._claim_of(encoded, number) for encoded in commands]
            if database.executemany(schema.CLAIM, claims).rowcount != len(claims):
                raise self._overtaken()
            self._own.add(number)
        self._claims[request_id] = _Claim(number, [key for key, *_, again, _first in claims if not again])

    def release(self, request_id: str) -> None:
        """Record that a request was not executed so far, as in `RunJournal.release`."""
        claim = self._claims[request_id]
        with self._file.write() as database:
            database.executemany(schema.RELEASE, [(key, claim.number) for key in claim.keys])
        claim.is_open = False

    def note(self, request_id: str, commands: Sequence[EncodedCommand], rows: Sequence[AjaxResult]) -> None:
        """Record the outcomes of a request, as in `RunJournal.note`."""
        claim = self._claims.pop(request_id, None)
        if claim is None:
            return
        answered = next((row.http_status for row in rows if row.http_status is not None), None)
        noted = [(*dump(row), encoded.name, claim.number) for encoded, row in zip(commands, rows, strict=True)]
        with self._file.write() as database:
            database.executemany(schema.NOTE, noted)
            if answered is not None:
                database.execute(schema.ANSWERED, (self._clock.time(), answered, claim.number))
                database.execute("UPDATE run SET stuck = 0 WHERE stuck")

    def hold(self, seconds: float) -> None:
        """Do nothing: the lock of a file does not expire."""

    def end(self) -> None:
        """Give the run back, and merge the parts of the file."""
        with suppress(JournalError), self._file.write() as database:  # if it fails, the next life does it
            end_life(database)
        self._file.merge()
        self._held.release()

    def summary(self) -> str:
        """Return one line: the number of commands with each outcome, of lives, and the time of the last request."""
        with self._file.read() as database:
            return summarize(database)

    def rows(self, status: Status | None = None) -> Iterator[Noted]:
        """Return an iterator over the commands, in order; with `status`, only those with this status."""
        with self._file.read() as database:
            return map(load_noted, database.execute(schema.ROWS, (status,)).fetchall())

    def settle(self, keys: Iterable[str], *, executed: bool) -> int:
        """Record what somebody found out about ``unknown`` commands, and return how many it changed.

        Args:
            keys: Their keys: names, or positions as text.
            executed: True if they took effect: they are ``ok`` from now on. False if not: the next run sends them.

        Raises:
            UsageError: The journal has no command with such a key.
            RunBusy: A run uses the journal.
        """
        given = [keys] if isinstance(keys, str) else list(keys)
        self._held.take(self._clock.time())
        try:
            with self._file.write() as database:
                return settle(database, given, self.name, executed=executed)
        finally:
            self._held.release()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Journal {self.name}>"

    def _claim_of(self, encoded: EncodedCommand, number: int) -> tuple[str, int | None, str, str, int, bool, int]:
        """Return the parameters of `schema.CLAIM`."""
        again = self._repeatable(encoded.command)
        method = encoded.command.method
        return encoded.name, encoded.position, method, digest_of(encoded), number, again, self._first

    def _overtaken(self) -> RunBusy:
        return RunBusy(f"{self.name}: another run has sent some of these commands meanwhile")


@attrs.define
class _Claim:
    """A request of this life.

    Attributes:
        number: Its number in the file.
        keys: The keys of its commands that must not run twice.
        is_open: Whether it may have been sent.
    """

    number: int
    keys: list[str]
    is_open: bool = True
