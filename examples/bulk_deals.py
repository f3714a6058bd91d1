"""Create 120 deals in chunks, some of them wrong, while one answer gets lost; each deal is created exactly once.

WRITES: it creates 117 deals. Start it with ``python examples/bulk_deals.py``, and it creates them on a sandbox portal
inside the script; if the environment variable ``B24_WEBHOOK_URL`` holds the URL of a webhook, on that portal.

Shown: what to do with each status. ``ok``: nothing. ``failed``: report it and do not repeat it, the portal has looked
at it. ``skipped``: the portal never got to it, since it stops at the first error of a request; `remaining()` has it
ready to be sent. ``unknown``: the answer was lost, so look whether the deal is there, by a key of one's own.
"""

from __future__ import annotations

import os

from b24batch import Command, EntityTypeId, Session
from b24batch.sandbox import Portal

DEAL = {"entityTypeId": EntityTypeId.DEAL}
WRONG = {9, 59, 109}
#: A portal that stays away must not keep the script for ever.
ROUNDS = 10


def deal(number: int) -> Command:
    """Return the command that creates a deal; the wrong ones lack their fields."""
    fields = {"title": f"Deal {number}", "originatorId": "bulk_deals", "originId": f"order-{number}"}
    return Command("crm.item.add", DEAL if number in WRONG else {**DEAL, "fields": fields}, name=f"order-{number}")


def not_there(b24: Session, commands: list[Command]) -> list[Command]:
    """Return the commands whose deal the portal does not have; this only reads."""
    keys = [{"originatorId": "bulk_deals", "originId": command.name} for command in commands]
    lookups = b24.batch_by_chunk(("crm.item.list", {**DEAL, "filter": key, "select": ["id"]}) for key in keys)
    found = lookups.raise_for_errors().data
    return [command for command, page in zip(commands, found, strict=True) if not page["items"]]


def create(b24: Session, commands: list[Command]) -> list[Command]:
    """Create the deals on the portal, and return the commands that have to be sent again."""
    result = b24.batch_by_chunk(commands)
    print(result.summary())
    for row in result:
        if row.status == "failed":
            print(f"  {row.command.name} failed: {row.error}")
    return result.remaining() + not_there(b24, [row.command for row in result if row.status == "unknown"])


def main() -> None:
    with Portal() as portal, Session(os.environ.get("B24_WEBHOOK_URL") or portal.url) as b24:
        portal.fail_next("lost_after", after=1)  # the sandbox executes its second request, and does not answer
        todo = [deal(number) for number in range(120)]
        for _ in range(ROUNDS):
            todo = create(b24, todo) if todo else []
        print(f"{len(todo)} commands left")


if __name__ == "__main__":
    main()
