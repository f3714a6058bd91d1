"""Import deals from a CSV file by a key of their own; kill the script at any moment, and start it again to go on.

WRITES: it creates a deal for each row. Start it with ``python examples/durable_import.py [FILE]``; the file has the
columns ``order`` and ``title``. It creates the deals on a sandbox portal inside the script; if the environment variable
``B24_WEBHOOK_URL`` holds the URL of a webhook, on that portal. Without FILE it imports two rows of its own.

Shown: ``FILE.journal`` keeps every outcome, so nothing is created twice. What a kill has left ``unknown`` is looked up
by the key, and settled; then the same run again sends what is not there.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from pathlib import Path

from b24batch import Command, EntityTypeId, Session, look_up
from b24batch.journal import Journal
from b24batch.sandbox import Portal

DEAL = {"entityTypeId": EntityTypeId.DEAL}
MINE = {"originatorId": "durable_import"}


def deal(row: dict[str, str]) -> Command:
    """Return the command that creates the deal of a row; its name is the key."""
    fields = {**MINE, "title": row["title"], "originId": row["order"]}
    return Command("crm.item.add", {**DEAL, "fields": fields}, name=row["order"])


def settle(b24: Session, path: Path) -> None:
    """Look up what became of the unknown commands; wait a minute after a kill, since a request may still run."""
    with Journal(path) as journal:
        keys = [noted.key for noted in journal.rows("unknown")]
        found = look_up(b24, "crm.item.list", "originId", keys, {**DEAL, "filter": MINE})
        journal.settle(found, executed=True)
        journal.settle(set(keys) - set(found), executed=False)


def run(b24: Session, path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        calls = [deal(row) for row in csv.DictReader(file)]
    journal = path.with_name(f"{path.name}.journal")
    if b24.batch_by_chunk(calls, journal=journal).by_status("unknown"):
        settle(b24, journal)
    print(b24.batch_by_chunk(calls, journal=journal).summary())


def main() -> None:
    with Portal() as portal, tempfile.TemporaryDirectory() as folder:
        sample = Path(folder, "orders.csv")
        sample.write_text("order,title\n17,Table\n18,Chair\n", encoding="utf-8")
        with Session(os.environ.get("B24_WEBHOOK_URL") or portal.url) as b24:
            run(b24, Path(sys.argv[1]) if sys.argv[1:] else sample)


if __name__ == "__main__":
    main()
