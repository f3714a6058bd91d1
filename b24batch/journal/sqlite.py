"""A run's journal in a SQLite file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from sqlite3 import Connection
from types import TracebackType
from typing import Self, get_args

from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.clock import Clock
from b24batch.errors import JournalError, RunBusy, UsageError
from b24batch.journal import schema
from b24batch.journal.asked import Asked
from b24batch.journal.claims import Claimed, claim
from b24batch.journal.file import JournalFile
from b24batch.journal.inspection import settle, summarize, to_keys
from b24batch.journal.lives import begin_life, end_life, read_kept
from b24batch.journal.lock import FileLock
from b24batch.journal.noted import Kept, Noted, fate_of, load_noted
from b24batch.redaction import shown
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
        self._held: FileLock | None = None
        self._asked = Asked()
        self._clock = clock
        self._repeatable: Callable[[Command], bool]
        #: The number of the first request of this life.
        self._first: int
        self._claims: dict[str, Claimed] = {}

    @property
    def name(self) -> str:
        """The file's name."""
        return self._file.name

    def begin(self, portal: str, repeatable: Callable[[Command], bool]) -> None:
        """Take the run, as in `RunJournal.begin`."""
        lock, now = FileLock(self._file), self._clock.time()
        try:
            lock.take(now)
            self._file.prepare()
            self._first = self._file.write(lambda database: begin_life(database, portal, self.name, now))
            self._held, self._repeatable = lock, repeatable
        except BaseException:
            lock.release()
            raise
        self._claims.clear()

    def fates(self, commands: Sequence[EncodedCommand]) -> list[AjaxResult | None]:
        """Return what earlier lives know of each command, as in `RunJournal.fates`."""
        keys = [encoded.name for encoded in commands]
        self._asked.add(keys)
        found = self._file.read(lambda database: read_kept(database, keys))
        if any(number >= self._first for _key, number, *_texts in found):
            raise self._overtaken()
        kept = {key: Kept(*texts) for key, _number, *texts in found}
        return [fate_of(encoded, kept.get(encoded.name), self.name, self._repeatable) for encoded in commands]

    def claim(self, request_id: str, commands: Sequence[EncodedCommand]) -> None:
        """Record that a request is about to be sent, as in `RunJournal.claim`."""
        known = self._claims.get(request_id)
        if known is None or not known.is_open:
            may_repeat = [self._repeatable(encoded.command) for encoded in commands]
            self._claims[request_id] = self._file.write(
                lambda database: self._claim(database, request_id, commands, may_repeat)
            )

    def release(self, request_id: str) -> None:
        """Record that a request was not executed so far, as in `RunJournal.release`."""
        claimed = self._claims[request_id]
        self._file.write(claimed.release)
        claimed.is_open = False

    def note(self, request_id: str, commands: Sequence[EncodedCommand], rows: Sequence[AjaxResult]) -> None:
        """Record the outcomes of a request, as in `RunJournal.note`."""
        claimed, now = self._claims.get(request_id), self._clock.time()
        if claimed is not None:
            names = [encoded.name for encoded in commands]
            self._file.write(lambda database: claimed.note(database, names, rows, now))
            del self._claims[request_id]

    def hold(self, seconds: float) -> None:
        """Do nothing: the lock of a file does not expire."""

    def end(self) -> None:
        """Give the run back, and merge the parts of the file."""
        try:
            with suppress(JournalError):  # the next life does it
                self._file.write(end_life)
            self._file.merge()
        finally:
            self._give_back()

    def summary(self) -> str:
        """Return one line: the number of commands with each outcome, of lives, and the time of the last request."""
        return self._file.read(summarize)

    def rows(self, status: Status | None = None) -> Iterator[Noted]:
        """Return an iterator over the commands, in order; with `status`, only those with this status."""
        if status is not None and status not in get_args(Status):
            raise UsageError(f"status: expected one of {', '.join(get_args(Status))}, got {shown(status)}")
        return map(load_noted, self._file.read(lambda database: database.execute(schema.ROWS, (status,)).fetchall()))

    def settle(self, keys: Iterable[str], *, executed: bool) -> int:
        """Record what somebody found out about ``unknown`` commands, and return how many it changed.

        Args:
            keys: Their keys: names, or positions as text.
            executed: True if they took effect: they are ``ok`` from now on. False if not: the next run sends them.

        Raises:
            UsageError: The journal has no command with such a key, or an argument is invalid. Nothing was changed.
            RunBusy: A run uses the journal.
        """
        given, lock = to_keys(keys, executed=executed), FileLock(self._file)
        try:
            lock.take(self._clock.time())
            return self._file.write(lambda database: settle(database, given, self.name, executed=executed))
        finally:
            lock.release()

    def close(self) -> None:
        """Close the file."""
        try:
            self._give_back()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Journal {self.name}>"

    def _claim(
        self, database: Connection, request_id: str, commands: Sequence[EncodedCommand], may_repeat: list[bool]
    ) -> Claimed:
        claimed = claim(database, request_id, commands, may_repeat, self._clock.time())
        if claimed is None:
            raise self._overtaken()
        return claimed

    def _give_back(self) -> None:
        if self._held is not None:
            self._held.release()
        self._asked.forget()

    def _overtaken(self) -> RunBusy:
        return RunBusy(f"{self.name}: another run has sent some of these commands meanwhile")
