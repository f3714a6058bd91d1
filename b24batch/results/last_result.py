"""The outcomes that an exception has, and those of the last run, which a session keeps."""

from __future__ import annotations

from collections.abc import Iterator

from b24batch.results import AjaxResult, AnyResult, Result
from b24batch.statuses import count_outcomes


def outcomes_of(error: BaseException | Iterator[AjaxResult]) -> AnyResult | None:
    """Return the outcomes in an exception that stopped a run, in a `BatchError`, or in a stream.

    This is ``error.result`` with its type, or None if there is none. Every exception that stops a run has one, even
    `KeyboardInterrupt`. The iterator of `Session.stream_batch` has the outcomes that it has not yielded yet.
    """
    result = getattr(error, "result", None)
    return result if isinstance(result, Result) else None


class LastResult:
    """Keeps the outcomes of the last run; a session and those made from it share one."""

    def __init__(self) -> None:
        self.result: AnyResult | None = None

    def keep(self, result: AnyResult) -> AnyResult:
        """Keep the outcomes of a run, instead of those of the run before, and return them."""
        self.result = result
        return result

    def give(self, error: BaseException, result: AnyResult) -> None:
        """Give `error`, which stopped a run, the outcomes and a note that counts them; keep them if there are any."""
        vars(error)["result"] = result
        if result.rows:
            counts = count_outcomes(row.status for row in self.keep(result))
            error.add_note(f"{counts}; their outcomes: b24.last_result")


class NotKept(LastResult):
    """Keeps nothing: for a run of the library's own, whose outcomes are not those of the caller's commands."""

    def keep(self, result: AnyResult) -> AnyResult:
        """Return the outcomes."""
        return result

    def give(self, error: BaseException, result: AnyResult) -> None:
        """Leave the error as it is."""
