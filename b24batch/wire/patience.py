"""How long a renewal waits for other processes: as long as its session waits for anything."""

from __future__ import annotations

import inspect
from typing import Any, Protocol, cast

import attrs

from b24batch.wire.auth import Access, Auth, Renewal
from b24batch.wire.connections import Connections


class _Patient(Auth, Protocol):
    """Credentials whose renewal may wait for other processes."""

    def renew(self, refused: Access, connections: Connections, max_wait: float | None = None) -> Renewal:
        """Wait at most so many seconds."""


@attrs.frozen(eq=False, repr=False)
class _Bounded:
    """Credentials whose renewal waits for other processes no longer than a session waits for anything."""

    auth: _Patient
    max_wait: float

    @property
    def host(self) -> str:
        return self.auth.host

    @property
    def scheme(self) -> str:
        return self.auth.scheme

    def access(self) -> Access:
        return self.auth.access()

    def renew(self, refused: Access, connections: Connections) -> Renewal:
        return self.auth.renew(refused, connections, max_wait=self.max_wait)


def takes_max_wait(function: Any) -> bool:
    """Return whether a function, perhaps somebody else's, has the parameter ``max_wait``, the most seconds to wait."""
    return "max_wait" in inspect.signature(function).parameters


def bounded(auth: Auth, max_wait: float | None) -> Auth:
    """Return credentials that get the `max_wait` of a session, if their `renew` takes one."""
    if max_wait is None or not takes_max_wait(auth.renew):
        return auth
    return _Bounded(cast(_Patient, auth), max_wait)
