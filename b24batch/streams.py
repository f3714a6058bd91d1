"""Streams: what comes one by one as it is answered, and what of it is known when somebody stops."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import chain
from typing import Generic, NoReturn, Self, TypeVar

_Item = TypeVar("_Item")
_Known = TypeVar("_Known")


class Stream(chain[_Item], Generic[_Item, _Known]):
    """An iterator over what a generator yields, which knows what has come and was not handed on yet.

    It is a `chain` of that one generator so that no line of Python, and so no signal, comes between an item that
    leaves the generator and the loop that gets it.

    Args:
        steps: Yields the items.
        known: Tells what has come and was not yielded.
    """

    _steps: Generator[_Item, None, None]
    _known: Callable[[], _Known]

    def __new__(cls, steps: Generator[_Item, None, None], known: Callable[[], _Known]) -> Self:
        """Return a stream that has not begun."""
        stream = super().__new__(cls, steps)
        stream._steps, stream._known = steps, known
        return stream

    @property
    def result(self) -> _Known:
        """What has come and was not yielded, at any moment: after an exception in the body of the loop, for one."""
        return self._known()

    def close(self) -> None:
        """End it, and send nothing more; `result` stays."""
        self._steps.close()

    def throw(self, error: BaseException) -> NoReturn:
        """End it, and raise `error` with `result` in its attribute of that name."""
        vars(error)["result"] = self.result
        self.close()
        raise error
