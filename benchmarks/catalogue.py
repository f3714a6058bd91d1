"""The jobs of the benchmarks: what each is called, who does it, and what the portal is set to."""

from __future__ import annotations

from typing import NamedTuple

from environments import AT_ONCE
from imports import TIMES

IN_SEQUENCE = ("b24batch", "bare", "by hand", "b24pysdk", "fast_bitrix24", "b24jssdk")
BESIDE_EACH_OTHER = ("b24batch", *AT_ONCE, "b24pysdk", "fast_bitrix24", "b24jssdk")

_FIELDS = "fields[TITLE]=Сделка № "
_BUSY = "work=20&workers=8"


class Job(NamedTuple):
    """A job.

    Attributes:
        title: What it is called in the table.
        commands: How many commands the portal must have got at least.
        sample: What the first one of the last request must have had in it, decoded.
        portal: What the portal is set to, as in the query of its ``/reset``.
        clients: Who does it.
        once: Whether it is too long for more than the first round.
        audited: Whether the note tells what the portal has stored in the end.
    """

    title: str
    commands: int = 0
    sample: str = ""
    portal: str = ""
    clients: tuple[str, ...] = IN_SEQUENCE
    once: bool = False
    audited: bool = False


def _beside(title: str, sample: str, portal: str, *, commands: int = 1_000, once: bool = False) -> Job:
    return Job(title, commands, sample, portal, BESIDE_EACH_OTHER, once)


def _unreliable(title: str, failure: str) -> Job:
    portal = f"{_BUSY}&fail_every=20&failure={failure}"
    title = f"1,000 writes at 20 ms a command, {title}"
    return Job(title, 0, "", portal, BESIDE_EACH_OTHER, once=True, audited=True)


JOBS = {
    "writes": Job("10,000 writes with 4 nested fields, in chunks of 50", 10_000, _FIELDS),
    "named": Job("2,000 named commands in 40 batches", 2_000, "crm.deal.get?id="),
    "lists": Job("One batch of 50 lists of 50 rows, 20 times", 1_000, "filter[CATEGORY_ID]=0"),
    "rows": Job("100,000 rows of a list, none kept", 2_000, "crm.deal.list?"),
    "calls": Job("200 single calls", 200, "id=200"),
    "limited": Job("60 calls under 50 and 10/s", 60, "id=60", "capacity=50&rate=10"),
    "near": Job("1,000 writes in 20 chunks, a portal 20 ms away", 1_000, _FIELDS, "latency=20"),
    "far": _beside("1,000 writes in 20 chunks, a portal 300 ms away", _FIELDS, "latency=300"),
    "busy": _beside("1,000 writes in 20 chunks at 20 ms a command, 8 workers", _FIELDS, _BUSY),
    "busy_rows": _beside(
        "20,000 rows of a list at 20 ms a page, 8 workers, none kept",
        "crm.deal.list?",
        f"{_BUSY}&rows=20000",
        commands=400,
    ),
    "busy_named": _beside("200 batches of 5 named commands at 20 ms a command, 8 workers", "crm.deal.get?id=", _BUSY),
    "busy_limited": _beside("The same under 50 and 2/s", "crm.deal.get?id=", f"{_BUSY}&capacity=50&rate=2", once=True),
    "lost": _unreliable("every 20th answer is lost", "lost"),
    "error": _unreliable("every 20th request is answered 500 and not executed", "error"),
    "import": Job(f"Import, median of {TIMES}"),
}
