"""Delete several data storages in one batch, and tell which of them could not be deleted.

WRITES: it creates the data storages ``demo_1``, ``demo_2`` and ``demo_3``, and deletes those that it created. Start it
with ``python examples/delete_storages.py``, and it does so on a sandbox portal inside the script; if the environment
variable ``B24_WEBHOOK_URL`` holds the URL of a webhook, on that portal. (Cloud portals keep data storages for
applications: a webhook gets ``ACCESS_DENIED``.)

Shown: ``halt_on_error=False``, so that one failure does not keep the others from being deleted; `errors` by position;
rows that know their `command`.
"""

from __future__ import annotations

import os

from b24batch import Session
from b24batch.sandbox import Portal

CODES = ["demo_1", "demo_2", "demo_3"]


def create(b24: Session) -> list[str]:
    """Create the storages on the portal, and return the codes of those that are new."""
    calls = [("entity.add", {"ENTITY": code, "NAME": f"Storage {code}"}) for code in CODES]
    result = b24.batch(calls, halt_on_error=False)
    for message in result.error_messages:
        print(f"not created: {message}")
    return [code for code, row in zip(CODES, result, strict=True) if row.is_success]


def delete(b24: Session, codes: list[str]) -> None:
    """Delete these storages and everything in them from the portal."""
    result = b24.batch([("entity.delete", {"ENTITY": code}) for code in codes], halt_on_error=False)
    print(f"deleted: {', '.join(code for code, row in zip(codes, result, strict=True) if row.is_success)}")
    for position, error in result.errors.items():
        print(f"not deleted: {codes[int(position)]}, {error}")


def main() -> None:
    with Portal() as portal, Session(os.environ.get("B24_WEBHOOK_URL") or portal.url) as b24:
        created = create(b24)
        if created:
            delete(b24, [*created, created[0]])  # the second time there is nothing left to delete


if __name__ == "__main__":
    main()
