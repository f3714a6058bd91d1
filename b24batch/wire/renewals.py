"""Renewals: the token of one request, renewed when it is stale or was refused."""

from __future__ import annotations

import attrs

from b24batch.wire.auth import Access, Auth, Renewal, with_max_wait
from b24batch.wire.connections import Connections
from b24batch.wire.statistics import Counts


@attrs.define(eq=False)
class Renewals:
    """The credentials of one request, and how often its token was renewed.

    Attributes:
        auth: The credentials.
        connections: The connections to ask for a token with.
        max_wait: The longest wait in seconds for another thread or process that renews it; None means no limit.
        counts: Counts the new tokens.
        most: Maximum number of renewals; 0 for a request that needs no token.
    """

    auth: Auth
    connections: Connections
    max_wait: float | None
    counts: Counts
    most: int = 2
    _done: list[Renewal] = attrs.field(factory=list, init=False)

    def get_access(self) -> Access:
        """Return the address and a token that is not stale, as far as one can be had."""
        access = self.auth.access()
        return self.auth.access() if access.stale and self.renew(access) else access

    def renew(self, access: Access) -> bool:
        """Get a newer token: at most one refresh, and one token that another refreshed, so that the loop ends."""
        if "refreshed" in self._done or len(self._done) >= self.most:
            return False
        renew = with_max_wait(self.auth.renew, self.max_wait)
        renewal: Renewal = renew(access, self.connections)
        self._done.append(renewal)
        if renewal == "refreshed":
            self.counts.count_refresh()
        return renewal != "none"
