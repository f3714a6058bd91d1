"""Streams: iterators over outcomes as they arrive, which also know the outcomes that were not yielded yet."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import chain
from typing import Generic, Never, NoReturn, Self, TypeVar

_Item = TypeVar("_Item")
_Known = TypeVar("_Known")


def _nothing() -> Generator[Never, None, None]:
    yield from ()


#: Its `throw` raises an exception without a frame: it has ended, so no code runs.
_ENDED = _nothing()
_ENDED.close()


class Stream(chain[_Item], Generic[_Item, _Known]):
    """An iterator over the items of a generator, which also knows the items that arrived but were not yielded yet.

    It is a `chain` of that one generator: no Python code runs between the generator and the loop, so a signal cannot
    interrupt there and lose an item.

    Args:
        steps: The generator of the items.
        known: Returns the items that arrived but were not yielded.
        wind_down: Lets nothing more begin; or None if it cannot be wound down.
        stopped: None, and behind it the exception, if any, to be raised after the items. It is raised without a frame:
            a notebook always shows the innermost one, and this would be a line of the library.
    """

    _steps: Generator[_Item, None, None]
    _known: Callable[[], _Known]
    wind_down: Callable[[], None] | None

    def __new__(
        cls,
        steps: Generator[_Item, None, None],
        known: Callable[[], _Known],
        wind_down: Callable[[], None] | None = None,
        *,
        stopped: list[BaseException | None],
    ) -> Self:
        """Return a stream that has not started."""
        stream = super().__new__(cls, steps, map(_ENDED.throw, iter(stopped.pop, None)))
        stream._steps, stream._known, stream.wind_down = steps, known, wind_down
        return stream

    @property
    def result(self) -> _Known:
        """The items that arrived but were not yielded, for example after an exception in the body of the loop."""
        return self._known()

    def close(self) -> None:
        """End the stream. Nothing more is sent; `result` remains."""
        self._steps.close()

    def throw(self, error: BaseException) -> NoReturn:
        """End the stream and raise `error`, with `result` as its attribute."""
        try:
            self.close()
        finally:
            vars(error)["result"] = self.result
        raise error


#: The end of a note that counts the rows of a list.
_ROWS = "in the `result` of this exception"


def give_rows(error: BaseException, rows: list[_Item], *, yielded: int | None = None) -> None:
    """Give an exception that stopped a list its rows, and a note that counts them in the place of an earlier one.

    Args:
        error: The exception.
        rows: The rows that the caller does not have yet.
        yielded: The number of rows that the caller has; None if rows are not yielded.
    """
    vars(error)["result"] = rows
    notes = getattr(error, "__notes__", [])
    notes[:] = [note for note in notes if not note.endswith(_ROWS)]
    if yielded:
        error.add_note(f"{yielded} rows were yielded; {len(rows)} more are {_ROWS}")
    elif rows:
        error.add_note(f"{len(rows)} rows were read; they are {_ROWS}")
