"""The outcomes of the last run, which a session keeps."""

from __future__ import annotations

import attrs

from b24batch.results import AnyResult
from b24batch.statuses import count_outcomes


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
