"""A portal inside the process, for those who have none at hand; it forgets everything at the end."""

from __future__ import annotations

from b24batch.sandbox import Portal


def start_sandbox() -> Portal:
    """Start a portal with some deals in it."""
    portal = Portal().start()
    for number in range(1, 121):
        portal.execute("crm.deal.add", {"fields": {"TITLE": f"Deal {number}", "OPPORTUNITY": 100 * number}})
    return portal
