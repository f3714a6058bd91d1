"""The lease of a run: which process may send the commands of a journal in the project's database."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.models import F, Max, Min, Q
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from b24batch.django import command_rows
from b24batch.errors import RunBusy, UsageError
from b24batch.journal.inspection import summary_of
from b24batch.journal.lives import MOST_DEATHS, check_deaths, check_portal
from b24batch.journal.noted import LOST
from b24batch.redaction import shown

#: The most characters of a run's name.
_LONGEST_NAME = 200
#: The databases that can hold journals.
_VENDORS = ("postgresql", "sqlite")
#: The longest lease, seconds.
_DAY = 86400.0


class Lease:
    """A run's row, which one process has until its lease ends. All methods need a transaction.

    Each taking of the run has a number, its epoch. A process that lost the run has an old epoch, so it can no longer
    claim commands, however late it wakes up. The time is that of the database.

    Args:
        name: The run's name.
        seconds: For how long the lease is extended each time.
        alias: The alias of the database.
    """

    def __init__(self, name: str, seconds: float, alias: str) -> None:
        self.name = name
        self.alias = alias
        #: The epoch that this object has; None if it does not have the run.
        self.epoch: int | None = None
        self._pid = 0
        self._seconds = seconds

    @property
    def row(self) -> Any:
        """The run's row, as a queryset."""
        return get_model("JournalRun").objects.using(self.alias).filter(name=self.name)

    @property
    def commands(self) -> Any:
        """The commands of the run, as a queryset."""
        return get_model("JournalCommand").objects.using(self.alias).filter(run__name=self.name)

    def take(self, portal: str) -> Any:
        """Take the run for its next life, and return its row.

        Raises:
            RunBusy: Another process has it.
            UsageError: It is on another portal.
            JournalError: It died again and again at the same request.
        """
        self._pid = os.getpid()
        self.row.get_or_create(name=self.name, defaults={"portal": portal})
        self._advance(until=self._end(0.0), owner=_describe_process(), since=Now())
        run = self.row.get()
        check_portal(self.name, run.portal, portal)
        stuck = self._sent.filter(deaths__gte=MOST_DEATHS - 1).aggregate(first=Min("position"), last=Max("position"))
        check_deaths(self.name, **stuck)
        self._cut(deaths=1)
        self.row.update(lives=F("lives") + 1)
        return run

    def extend(self, wait: float = 0.0, **values: object) -> bool:
        """Extend the lease by its length and by `wait`, set other columns, and lock the row.

        Returns:
            False if another process took the run.
        """
        mine = self.row.filter(epoch=self.epoch)
        # It never becomes shorter: with lanes, a request may be sent during a longer wait.
        return bool(mine.update(until=Greatest(F("until"), self._end(wait)), **values))

    def lock(self) -> None:
        """Lock the row."""
        self.row.select_for_update().exists()

    def give_back(self) -> None:
        """Give the run back; what has no answer is ``unknown``."""
        if self.row.filter(epoch=self.epoch).update(until=None):
            self._cut(deaths=0)

    def settle(self, keys: list[str], *, executed: bool) -> int:
        """Record what somebody found out about ``unknown`` commands, and return how many it changed.

        Raises:
            UsageError: The journal has no command with such a key.
            RunBusy: A process has the run.
        """
        for key in keys:
            if not self.commands.filter(key=key).exists():
                raise UsageError(f"{self.name} has no command with the key {shown(key)}")
        self._advance(until=None)
        lost, status = self.commands.filter(status__in=("sent", "unknown")), "ok" if executed else "skipped"
        return sum(lost.filter(key=key).update(status=status, error=None, deaths=0) for key in keys)

    def summarize(self) -> str:
        """Return one line: the number of commands with each outcome, of lives, and the time of the last request."""
        sent = self.commands.aggregate(last=Max("sent"))["last"]
        lives = sum(self.row.values_list("lives", flat=True))
        return summary_of(command_rows.count(self.commands), lives, sent and to_local(sent))

    def overtaken(self) -> RunBusy:
        """Return the error of a process that lost the run."""
        return RunBusy(f"{self.name}: another run took over after the lease ended; nothing more was sent")

    @property
    def is_inherited(self) -> bool:
        """Whether another process has the run, of which this one is a fork."""
        return self.epoch is not None and os.getpid() != self._pid

    @property
    def _sent(self) -> Any:
        return self.commands.filter(status="sent")

    def _advance(self, **values: object) -> None:
        """Begin the next epoch if nobody has the run; raise `RunBusy` otherwise."""
        free = self.row.filter(Q(until=None) | Q(until__lt=Now()))
        if not free.update(epoch=F("epoch") + 1, **values):
            owner, since = self.row.values_list("owner", "since").get()
            raise RunBusy(f"{self.name} is in use by {owner} since {to_local(since):%H:%M}")

    def _cut(self, deaths: int) -> None:
        """Let what has no answer be ``unknown``, and count so many lives that died meanwhile."""
        self._sent.update(status="unknown", error=LOST, deaths=F("deaths") + deaths)

    def _end(self, wait: float) -> Any:
        return Now() + timedelta(seconds=self._seconds + wait)


def check(name: object, using: object, seconds: object) -> None:
    """Raise `UsageError` if an argument of a journal is invalid."""
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or "\0" in name:
        raise UsageError(f"name: expected a str of 1 to {_LONGEST_NAME} characters, got {shown(name)}")
    if using is not None and using not in list(connections):
        raise UsageError(f"using: expected one of {', '.join(connections)}, got {shown(using)}")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _DAY:
        raise UsageError(f"lease: expected a number of seconds of at most {_DAY:g}, got {shown(seconds)}")


def check_vendor(alias: str) -> None:
    """Raise `UsageError` if a database cannot hold journals: MySQL and MariaDB take keys for equal that are not."""
    vendor = connections[alias].vendor
    if vendor not in _VENDORS:
        raise UsageError(f"using: expected a database of {' or '.join(_VENDORS)}, got {alias!r}, which is {vendor}")


def get_model(name: str) -> Any:
    """Return a model of this application; it may not be imported before Django has loaded all applications."""
    try:
        return apps.get_model("b24batch", name)
    except LookupError:
        missing = ImproperlyConfigured("a DjangoJournal needs b24batch.django: add it to INSTALLED_APPS")
    raise missing


def to_local(moment: datetime) -> datetime:
    """Return a time from the database in the project's time zone."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def _describe_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"[:255]
