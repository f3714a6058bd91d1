"""Export all deals as CSV: page by page, so that it needs the same memory for a thousand deals and for a million.

It only reads. Start it with ``python examples/export_deals.py > deals.csv``, and it reads 1,200 deals made up on a
sandbox portal inside the script; if the environment variable ``B24_WEBHOOK_URL`` holds the URL of a webhook, those of
that portal.

Shown: `fetch_list` with a select, up to 2,500 rows by one request. If an export breaks off, put the last id in its file
into ``AFTER``: the next one goes on behind that deal.
"""

from __future__ import annotations

import csv
import os
import sys
from typing import TextIO

from b24batch import EntityTypeId, Session
from b24batch.sandbox import Portal

COLUMNS = ["id", "title", "stageId", "opportunity", "currencyId", "createdTime"]
AFTER = 0


def export(b24: Session, file: TextIO) -> None:
    """Write all deals to a file, oldest first."""
    writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    params = {"entityTypeId": EntityTypeId.DEAL, "filter": {">id": AFTER}, "select": COLUMNS}
    for page in b24.fetch_list("crm.item.list", params):
        writer.writerows(page)


def make_up(portal: Portal) -> None:
    """Put deals into the sandbox."""
    for number in range(1200):
        fields = {"TITLE": f'Deal {number}, "new"', "OPPORTUNITY": number}
        portal.execute("crm.deal.add", {"fields": fields})


def main() -> None:
    with Portal() as portal, Session(os.environ.get("B24_WEBHOOK_URL") or portal.url) as b24:
        make_up(portal)
        export(b24, sys.stdout)


if __name__ == "__main__":
    main()
