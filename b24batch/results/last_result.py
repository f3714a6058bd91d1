"""The outcomes that an exception has, and those of the last run, which a session keeps."""

from __future__ import annotations

import attrs

from b24batch.results import AnyResult, Result
from b24batch.statuses import count_outcomes


def outcomes_of(error: BaseException) -> AnyResult | None:
    """Return the outcomes in an exception that stopped a run, or in a `BatchError`.

    This is ``error.result`` with its type, or None if the exception has none. Every exception that stops a run has
    one, even `KeyboardInterrupt`.
    """
    result = getattr(error, "result", None)
    return result if isinstance(result, Result) else None


@attrs.define(eq=False)
class LastResult:
    """Keeps the outcomes of the last run; a session and those made from it share one."""

    result: AnyResult | None = None

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
