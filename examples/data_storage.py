"""Create a data storage with its properties in one batch, unless they are there already.

WRITES: it creates the data storage ``demo_prices``. Start it with ``python examples/data_storage.py``, and it does so
on a sandbox portal inside the script; if the environment variable ``B24_WEBHOOK_URL`` holds the URL of a webhook, on
that portal. (Cloud portals keep data storages for applications: a webhook gets ``ACCESS_DENIED``.)

Shown: looking first and sending only what is missing, so that every run but the first does nothing; telling one
error from another by its `code`; calls under names; `raise_for_errors`.
"""

from __future__ import annotations

import os

from b24batch import Session
from b24batch.sandbox import Portal

ENTITY = "demo_prices"
PROPERTIES = {"PRICE": "N", "CURRENCY": "S", "PHOTO": "F"}


def missing(b24: Session) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the calls that make what the portal does not have yet; this only reads."""
    wanted = {"storage": ("entity.add", {"ENTITY": ENTITY, "NAME": "Prices"})}
    for code, kind in PROPERTIES.items():
        params = {"ENTITY": ENTITY, "PROPERTY": code, "NAME": code.capitalize(), "TYPE": kind}
        wanted[code] = ("entity.item.property.add", params)
    storage = {"ENTITY": ENTITY}
    found = b24.batch({"storage": ("entity.get", storage), "properties": ("entity.item.property.get", storage)})
    if found.is_success:
        there = {"storage", *(row["PROPERTY"] for row in found.data["properties"])}
        return {name: call for name, call in wanted.items() if name not in there}
    if "storage" in found.errors and found.errors["storage"].code == "ERROR_ENTITY_NOT_FOUND":
        return wanted
    raise SystemExit("\n".join(found.error_messages))


def ensure_storage(b24: Session) -> None:
    """Create on the portal what is missing, the storage before its properties; an error skips the rest."""
    calls = missing(b24)
    if not calls:
        print(f"{ENTITY} is there with all its properties: nothing to do")
        return
    result = b24.batch(calls).raise_for_errors()
    print(f"{ENTITY}: created {', '.join(result.data)}")


def main() -> None:
    with Portal() as portal, Session(os.environ.get("B24_WEBHOOK_URL") or portal.url) as b24:
        ensure_storage(b24)
        ensure_storage(b24)


if __name__ == "__main__":
    main()
