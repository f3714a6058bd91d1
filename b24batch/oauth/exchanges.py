"""Exchanges of a refresh token: at its server, or at both in turn if nobody said which one issued it."""

from __future__ import annotations

import copy

import attrs

from b24batch.errors import NotSent, SdkError, TokenRefreshError
from b24batch.oauth.server import SPENT, Grant, Keep, TokenServer
from b24batch.oauth.servers import Server
from b24batch.redaction import Secret
from b24batch.wire.connections import Connections

#: How a server refuses a token, or an application, that only the other server may know.
_STRANGE = (SPENT, "wrong_client")


@attrs.define(eq=False)
class Exchanges:
    """The exchanges of an application on one portal."""

    _server: TokenServer
    #: The refusals of servers that do not know a refresh token.
    _refusals: dict[tuple[str | None, Secret], SdkError] = attrs.field(factory=dict, init=False)

    def run(self, grant: Grant, servers: list[Server], connections: Connections, keep: Keep) -> None:
        """Ask the server; of two, the second one as well if the first one is unreachable or does not know the token.

        Raises:
            SdkError: What the failures of the servers mean together.
        """
        failures: list[SdkError] = []
        for server in servers:
            failure = self._ask(grant, server, connections, keep)
            if failure is None:
                return
            failures.append(failure)
            if not _is_stranger(failure):
                break
        raise _choose(failures)

    def _ask(self, grant: Grant, server: Server, connections: Connections, keep: Keep) -> SdkError | None:
        """Return why a server gave no token; one that does not know the refresh token is asked for it only once."""
        asked = server.endpoint, grant["refresh_token"]
        if asked in self._refusals:
            return copy.copy(self._refusals[asked])
        try:
            self._server.exchange(grant, connections, keep, at=server)
            return None
        except (NotSent, TokenRefreshError) as error:
            failure = error
        if failure.code == SPENT:
            self._refusals[asked] = copy.copy(failure)
        return failure


def _is_stranger(error: SdkError) -> bool:
    """Return whether the other server may have issued the token: this one is unreachable, or does not know it."""
    return isinstance(error, NotSent) or error.code in _STRANGE


def _choose(failures: list[SdkError]) -> SdkError:
    """Return the failure that counts; the last one may not be a stranger's.

    The token may be that of the unreachable server. If both were reached, it is spent if one of them says so.
    """
    if not _is_stranger(failures[-1]):
        return failures[-1]
    unreachable = [error for error in failures if isinstance(error, NotSent)]
    spent = [error for error in failures if error.code == SPENT]
    return [*unreachable, *spent, *failures][0]
