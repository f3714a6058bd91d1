"""Ways through a list: by cursor, by start, or whole; and what no list is."""

from __future__ import annotations

from typing import Protocol

from b24batch.commands import Command
from b24batch.encoded import EncodedCommand
from b24batch.errors import UsageError
from b24batch.families import Family, Row
from b24batch.offsets import ByStart
from b24batch.pages import ByCursor
from b24batch.results import AjaxResult
from b24batch.write_methods import is_known_write


class Pages(Protocol):
    """A way through a list.

    Attributes:
        command: What is called, with the caller's own params.
        ended: Whether the list has no more pages.
        unbroken: Whether the pages asked for behind the one taken last are what follows it.
    """

    command: Command
    ended: bool
    unbroken: bool

    def ask(self, pages: int) -> list[EncodedCommand]:
        """Return the commands for up to so many of the next pages."""

    def take(self, outcome: AjaxResult) -> list[Row]:
        """Return the rows of the next page, and go on behind it."""


def way_through(command: Command, family: Family, paging: str, *, cursor_id_key: str | None, descending: bool) -> Pages:
    """Return the way through the list that `command` asks for.

    Args:
        command: The method, with the caller's own params.
        family: How the method spells what is needed.
        paging: ``cursor``, ``start`` or ``whole``.
        cursor_id_key: As the caller gave it.
        descending: Whether the newest row comes first.

    Raises:
        UsageError: For arguments that do not go together.
    """
    if paging == "cursor":
        return ByCursor(command, family, descending)
    if descending or cursor_id_key is not None:
        way = "give an order in the params, and no cursor"
        raise UsageError(f"{command.method}: paging='{paging}' keeps the order of the portal: {way}")
    return ByStart(command, family, whole=paging == "whole")


def refuse_write(method: str) -> None:
    """Raise `UsageError` for a method that is known to write."""
    if is_known_write(method):
        raise UsageError(f"{method} writes: a list only reads; use call")
