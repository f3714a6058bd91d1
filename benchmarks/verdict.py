"""Whether outcomes are the truth: what the journal of a portal says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs

from b24batch.sandbox import Portal
from b24batch.statuses import Status

#: How often a command with this outcome may have run.
_ALLOWED = {"ok": {1}, "failed": {0}, "skipped": {0}, "unknown": {0, 1}}


@attrs.frozen
class Verdict:
    """What the journal says.

    Attributes:
        doubled: The commands that ran more than once.
        wrong: The commands whose outcome is not what the journal says.
        lost: How many commands have no outcome.
    """

    doubled: list[str]
    wrong: list[str]
    lost: int

    @property
    def is_clean(self) -> bool:
        """Whether all is well."""
        return not (self.doubled or self.wrong or self.lost)

    def __str__(self) -> str:
        return f"{len(self.doubled)} doubled, {len(self.wrong)} contradict the journal, {self.lost} lost"


def judge(portal: Portal, outcomes: Mapping[str, Status], count: int) -> Verdict:
    """Hold the outcomes of so many commands, by the titles of their deals, against the journal."""
    ran = Counter(str(executed.params["fields"]["TITLE"]) for executed in portal.executed)
    doubled = [title for title, times in ran.items() if times > 1]
    wrong = [title for title, status in outcomes.items() if ran[title] not in _ALLOWED[status]]
    return Verdict(doubled, wrong, count - len(outcomes))
