"""A run's journal in the project's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from django.db import Error, router

from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.django import command_rows
from b24batch.django.claims import Claim
from b24batch.django.connection import OwnConnection
from b24batch.django.lease import Lease, check, check_vendor, get_model
from b24batch.errors import JournalError
from b24batch.journal.asked import Asked
from b24batch.journal.file import FORKED
from b24batch.journal.inspection import to_keys
from b24batch.journal.noted import Noted, fate_of
from b24batch.results import AjaxResult
from b24batch.statuses import Status

_T = TypeVar("_T")


class DjangoJournal:
    """A journal in the project's database: a run that is started again with the same calls goes on where it was.

    Pass it as ``journal=`` to `Session.batch_by_chunk` or `Session.stream_batch`, as a `b24batch.journal.Journal`.
    It is for tasks that any of several machines may run. One process has the run at a time, by a lease that each
    request extends. When the process dies, another can take the run as soon as the lease has ended. If the first was
    only slow, its next request raises `RunBusy`, and no command is sent twice.

    It has a database connection of its own, so each claim is committed before its request leaves, also inside
    ``atomic()``. On SQLite that connection has to wait for a transaction that has used the file, so pass `using`
    there to keep journals in a separate file. Other databases than PostgreSQL and SQLite are refused.

    The rows have no URL, no secrets and no params of commands; they have what the portal returned.

    Args:
        name: The run's name, at most 200 characters, for example ``"export-7"``.
        using: The alias of the database; default None, the one that the project's routers choose.
        lease: Seconds until another process may take the run of one that died, at most a day.

    Raises:
        UsageError: An argument is invalid.
    """

    def __init__(self, name: str, *, using: str | None = None, lease: float = 180.0) -> None:
        check(name, using, lease)
        self.name = name
        alias = using or str(router.db_for_write(get_model("JournalRun")))
        check_vendor(alias)
        self._connection = OwnConnection(alias)
        self._lease = Lease(name, lease, alias)
        self._repeatable: Callable[[Command], bool] = bool  # replaced when a run begins
        self._run: Any = None
        #: The number of the last request, also of other lives.
        self._number = 0
        self._claims: dict[str, Claim] = {}
        self._asked = Asked()

    def begin(self, portal: str, repeatable: Callable[[Command], bool]) -> None:
        """Take the run, as in `RunJournal.begin`."""
        run = self._transact(lambda: self._lease.take(portal))
        self._repeatable, self._run = repeatable, run
        self._lease.epoch, self._number = run.epoch, run.requests
        self._claims.clear()
        self._asked.forget()

    def fates(self, commands: Sequence[EncodedCommand]) -> list[AjaxResult | None]:
        """Return what earlier lives know of each command, as in `RunJournal.fates`."""
        for encoded in commands:
            command_rows.check(encoded)
        self._asked.add([encoded.name for encoded in commands])
        found = self._transact(lambda: self._find(commands))
        if any(row.request > self._run.requests for row in found.values()):
            raise self._lease.overtaken()
        kept = {key: command_rows.to_kept(row) for key, row in found.items()}
        return [fate_of(encoded, kept.get(encoded.name), self.name, self._repeatable) for encoded in commands]

    def claim(self, request_id: str, commands: Sequence[EncodedCommand]) -> None:
        """Record that a request is about to be sent, as in `RunJournal.claim`."""
        claim = self._claims.get(request_id)
        if claim is None or not claim.is_open:
            number = claim.number if claim else None
            self._claims[request_id] = self._transact(lambda: self._claim(request_id, commands, number))

    def release(self, request_id: str) -> None:
        """Record that a request was not executed so far, as in `RunJournal.release`."""
        claim = self._claims[request_id]
        self._transact(lambda: claim.release(self._lease))
        claim.is_open = False

    def note(self, request_id: str, commands: Sequence[EncodedCommand], rows: Sequence[AjaxResult]) -> None:
        """Record the outcomes of a request, as in `RunJournal.note`."""
        claim = self._claims.pop(request_id, None)
        if claim is None:
            return
        claim.set_outcomes(commands, rows)
        self._transact(lambda: claim.store(self._lease))

    def hold(self, seconds: float) -> None:
        """Keep the run during a wait of so many seconds, as in `RunJournal.hold`.

        Raises:
            RunBusy: Another process has taken it.
        """
        if not self._transact(lambda: self._lease.extend(seconds)):
            raise self._lease.overtaken()
        self._connection.close()  # during a long wait a server or a firewall may drop it

    def end(self) -> None:
        """Give the run back, and close the connection; a forked process leaves both to its parent."""
        if self._lease.is_inherited:
            return
        with suppress(JournalError):  # if it fails, the lease ends by itself
            self._transact(self._lease.give_back)
        self._lease.epoch = None
        self._connection.close()
        self._asked.forget()

    def summary(self) -> str:
        """Return one line: the number of commands with each outcome, of lives, and the time of the last request."""
        return self._transact(self._lease.summarize)

    def rows(self, status: Status | None = None) -> Iterator[Noted]:
        """Return an iterator over the commands, in order; with `status`, only those with this status."""
        rows = self._transact(lambda: list(command_rows.select(self._lease.commands, status)))
        return map(command_rows.to_noted, rows)

    def settle(self, keys: Iterable[str], *, executed: bool) -> int:
        """Record what somebody found out about ``unknown`` commands, and return how many it changed.

        Make sure first that no process of the run is alive: one that was suspended could still send its request.

        Args:
            keys: Their keys: names, or positions as text.
            executed: True if they took effect: they are ``ok`` from now on. False if not: the next run sends them.

        Raises:
            UsageError: The journal has no command with such a key.
            RunBusy: A process has the run.
        """
        given = to_keys(keys, executed=executed)
        return self._transact(lambda: self._lease.settle(given, executed=executed)) if given else 0

    def __repr__(self) -> str:
        return f"<DjangoJournal {self.name}>"

    def _find(self, commands: Sequence[EncodedCommand]) -> dict[str, Any]:
        return {row.key: row for row in self._lease.commands.filter(key__in=[encoded.name for encoded in commands])}

    def _may_send(self, commands: Sequence[EncodedCommand], found: dict[str, Any]) -> bool:
        """Return whether each command is new, was not executed, was corrected, or may run twice."""
        return all(
            command_rows.may_send(row, encoded, may_repeat=self._repeatable(encoded.command))
            for encoded in commands
            if (row := found.get(encoded.name))
        )

    def _claim(self, request_id: str, commands: Sequence[EncodedCommand], again: int | None) -> Claim:
        """Claim the commands for a request, which has the number `again` if it was released before."""
        number = self._number + 1 if again is None else again
        self._number = max(self._number, number)
        found = self._find(commands) if self._lease.extend(requests=self._number) else None
        if found is None or not self._may_send(commands, found):
            raise self._lease.overtaken()
        rows = [command_rows.to_row(self._run, encoded, number, request_id) for encoded in commands]
        command_rows.store(self._lease.commands, rows, command_rows.CLAIMED)
        perhaps = frozenset(key for key, row in found.items() if row.status == "unknown")
        return Claim(number, {row.key: row for row in rows}, perhaps)

    def _transact(self, act: Callable[[], _T]) -> _T:
        """Call `act` in a transaction on the journal's connection, and raise `JournalError` if it fails."""
        if self._lease.is_inherited:
            raise JournalError(f"{self.name} {FORKED}; nothing more was sent")
        try:
            return self._connection.run(act)
        except Error as error:
            # The first line only: the following ones may have values.
            reason = f"{type(error).__name__}: {error}".partition("\n")[0] + self._connection.advice(error)
        finally:
            if self._lease.epoch is None:
                self._connection.close()
        raise JournalError(f"{self.name} cannot be read or written ({reason}); nothing more was sent")
