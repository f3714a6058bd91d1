"""A portal inside the process, for those who have no webhook at hand; it forgets everything at the end."""

from __future__ import annotations

from b24batch.sandbox import Portal


def sandbox_url() -> str:
    """Start a portal with some deals in it, and return the URL of its webhook."""
    portal = Portal().start()
    for number in range(1, 121):
        portal.execute("crm.deal.add", {"fields": {"TITLE": f"Deal {number}", "OPPORTUNITY": 100 * number}})
    return portal.url
