"""Create several companies in one batch and read them back in another.

WRITES: it creates three companies. Start it with ``python examples/companies.py``, and it creates them on a sandbox
portal inside the script; if the environment variable ``B24_WEBHOOK_URL`` holds the URL of a webhook, on that portal.

Shown: calls under names, `is_success`, `error_messages`, `data`, and ``return_ajax_result=True``.
"""

from __future__ import annotations

import os

from b24batch import EntityTypeId, Session
from b24batch.sandbox import Portal

TITLES = {"first": "Company 1", "second": "Company 2 & Sons", "third": "Company 3 (100% new)"}


def create(b24: Session) -> dict[str, int]:
    """Create the companies on the portal, and return their ids under the names of the calls."""
    result = b24.batch(
        {
            name: ("crm.item.add", {"entityTypeId": EntityTypeId.COMPANY, "fields": {"title": title}})
            for name, title in TITLES.items()
        }
    )
    if not result.is_success:
        raise SystemExit("\n".join(result.error_messages))
    return {name: answer["item"]["id"] for name, answer in result.data.items()}


def read_back(b24: Session, ids: dict[str, int]) -> None:
    """Print what the portal has stored, command by command."""
    calls = {
        name: ("crm.item.get", {"entityTypeId": EntityTypeId.COMPANY, "id": company_id})
        for name, company_id in ids.items()
    }
    result = b24.batch(calls, halt_on_error=False, return_ajax_result=True)
    for name, row in result.data.items():
        outcome = f"{row.data['item']['id']}: {row.data['item']['title']}" if row.is_success else row.error
        print(f"{name}: {row.status}, {outcome}")


def main() -> None:
    with Portal() as portal, Session(os.environ.get("B24_WEBHOOK_URL") or portal.url) as b24:
        read_back(b24, create(b24))


if __name__ == "__main__":
    main()
