"""The tokens and codes that a portal has given to its application."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import attrs

from b24batch.sandbox.server.answers import PortalError

#: The application that every sandbox portal knows, and the portal's own id.
CLIENT_ID = "local.5andb0x.00000001"
CLIENT_SECRET = "sandbox-c1ient-5ecret"
MEMBER_ID = "5a4db0c5a4db0c5a4db0c5a4db0c5a4d"
#: What the portal puts into each event, so that the application knows where it comes from.
APPLICATION_TOKEN = "a9910ca7104a9910ca7104a9910ca710"

#: Documented seconds in which an access token, a refresh token and an authorization code are good.
ACCESS_LIFE = 3600
REFRESH_LIFE = 180 * 24 * 3600
CODE_LIFE = 30


def make_expired_token() -> PortalError:
    """Return the refusal of an access token whose time is over."""
    return PortalError("expired_token", "The access token provided has expired.", 401)


def _make_unknown_token() -> PortalError:
    return PortalError("invalid_token", "Unable to get application by token", 401)


def make_invalid_grant(what: str) -> PortalError:
    """Return the refusal of a code or a refresh token."""
    return PortalError("invalid_grant", f"The {what} is unknown, used or expired", 400)


@attrs.frozen
class Pair:
    """An access token, the refresh token that came with it, and when the first one expires."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    expires_in: int
    expires: int


@attrs.define
class Tokens:
    """All valid tokens and codes, each with the time (seconds since 1970) at which it expires."""

    _time: Callable[[], float]
    _access: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)
    _refresh: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)
    _codes: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)

    def issue(self, expires_in: int = ACCESS_LIFE) -> Pair:
        """Make a pair of tokens whose access token is valid for this many seconds."""
        now = int(self._time())
        pair = Pair(secrets.token_hex(35), secrets.token_hex(35), expires_in, now + expires_in)
        self._access[pair.access_token] = pair.expires
        self._refresh[pair.refresh_token] = now + REFRESH_LIFE
        return pair

    def issue_code(self) -> str:
        """Make an authorization code."""
        code = secrets.token_hex(35)
        self._codes[code] = int(self._time()) + CODE_LIFE
        return code

    def check(self, access_token: str) -> None:
        """Let a request pass that comes with a good access token.

        Raises:
            PortalError: 401 ``invalid_token`` or ``expired_token``.

        """
        expires = self._access.get(access_token)
        if expires is None:
            raise _make_unknown_token()
        if expires <= self._time():
            raise make_expired_token()

    def refresh(self, refresh_token: str) -> Pair:
        """Take a refresh token back and make a new pair; the old access token stays good until it expires.

        Raises:
            PortalError: ``invalid_grant``.

        """
        self._redeem(self._refresh, refresh_token, "refresh token")
        return self.issue()

    def exchange(self, code: str) -> Pair:
        """Take a code back and make the first pair.

        Raises:
            PortalError: ``invalid_grant``.

        """
        self._redeem(self._codes, code, "authorization code")
        return self.issue()

    def _redeem(self, good: dict[str, int], text: str, what: str) -> None:
        # One step, so that of two threads with the same token only one gets through.
        if good.pop(text, 0) <= self._time():
            raise make_invalid_grant(what)

    def revoke(self) -> None:
        """Forget all tokens and codes."""
        for good in (self._access, self._refresh, self._codes):
            good.clear()
