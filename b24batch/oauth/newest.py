"""Which of two tokens of a portal is newer, and the error for one that could not be stored."""

from __future__ import annotations

from contextlib import nullcontext

from b24batch.errors import SdkError, TokenRefreshError, UsageError
from b24batch.oauth.server import AGAIN
from b24batch.oauth.stores import TokenStore, lock_store
from b24batch.oauth.tokens import Token


def choose_first_token(store: TokenStore, member_id: str, token: Token | None, now: float) -> Token:
    """Return the token to start with, the caller's or the stored one, and make sure that it is stored.

    Raises:
        UsageError: There is no token.
    """
    with nullcontext() if token is None else lock_store(store, member_id, None):
        stored = store.get(member_id)
        if token is not None and (stored is None or _is_newer(token, stored, store, now)):
            store.put(token)
            stored = token
    if stored is None:
        raise UsageError(f"the store has no token of {member_id}: authorise the application first")
    return stored


def _is_newer(token: Token, stored: Token, store: TokenStore, now: float) -> bool:
    """Return whether the caller's token comes from a newer authorisation than the stored one.

    Their expiry times do not tell, since they may come from the clocks of two machines.
    """
    if token.refresh_token is None or token.access_token == stored.access_token:
        return False
    has_replaced = getattr(store, "has_replaced", None)
    if has_replaced is not None and has_replaced(token):
        return False
    return stored.refresh_token is None or token.expires > now


def refuse_stranger(new: Token, old: Token) -> None:
    """Raise `TokenRefreshError` if a new token is for another portal than the old one, or for http instead of https."""
    if new.member_id != old.member_id:
        raise TokenRefreshError(f"the OAuth server returned a token of another portal; {AGAIN}")
    if old.address.scheme == "https" != new.address.scheme:
        raise TokenRefreshError(f"the OAuth server returned an address without https; {AGAIN}")


def not_stored_error(token: Token, error: Exception) -> TokenRefreshError:
    """Return the error for a new token that the store refused. The old token is no longer valid."""
    return TokenRefreshError(
        f"the new token of {token.address.host} could not be stored: {_explain(error, token)}; it is kept in memory, "
        "and the next call stores it first: repair the store before the program ends",
        code="TOKEN_NOT_STORED",
        temporary=True,
    )


def _explain(error: Exception, token: Token) -> str:
    if isinstance(error, SdkError):
        return error.description
    text = str(error).partition("\n")[0]
    for secret in filter(None, (token.access_token, token.refresh_token)):
        text = text.replace(secret.reveal(), "***")
    return f"{type(error).__name__}: {text[:200]}"
