"""Create a company, a contact in it and a deal for both in one batch, and read the deal back.

WRITES: it creates one of each. Start it with ``python examples/company_contact_deal.py``, and it creates them on a
sandbox portal inside the script; if the environment variable ``B24_WEBHOOK_URL`` holds the URL of a webhook, on that
portal.

Shown: `ref`, which stands for what an earlier call returns; what becomes of the dependents of a call that fails.
"""

from __future__ import annotations

import os

from b24batch import EntityTypeId, Session, ref
from b24batch.sandbox import Portal

COMPANY = ref("company")["item"]["id"]


def create(b24: Session) -> None:
    """Create the three in one request, each with the ids of those before it."""
    result = b24.batch(
        {
            "company": ("crm.item.add", {"entityTypeId": EntityTypeId.COMPANY, "fields": {"title": "Company 1"}}),
            "contact": ("crm.contact.add", {"fields": {"NAME": "Contact 1", "COMPANY_ID": COMPANY}}),
            "deal": ("crm.deal.add", {"fields": {"TITLE": "D", "COMPANY_ID": COMPANY, "CONTACT_ID": ref("contact")}}),
            "read": ("crm.deal.get", {"ID": ref("deal")}),
        }
    ).raise_for_errors()
    deal = result.data["read"]
    print(f"deal {deal['ID']} of company {deal['COMPANY_ID']} and contact {deal['CONTACT_ID']}")


def fail(b24: Session) -> None:
    """Show that nothing runs with a wrong value when the call that it depends on fails."""
    result = b24.batch(
        {
            "company": ("crm.item.add", {"entityTypeId": EntityTypeId.COMPANY}),
            "contact": ("crm.contact.add", {"fields": {"NAME": "Contact 2", "COMPANY_ID": COMPANY}}),
        }
    )
    for row in result:
        print(f"{row.command.name}: {row.error or row.status}")


def main() -> None:
    with Portal() as portal, Session(os.environ.get("B24_WEBHOOK_URL") or portal.url) as b24:
        create(b24)
        fail(b24)


if __name__ == "__main__":
    main()
