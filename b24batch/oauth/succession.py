"""The succession of a portal's tokens: which one took the place of which, told without looking at a clock."""

from __future__ import annotations

import hashlib

from b24batch.redaction import Secret

#: How many replaced tokens a store knows; one that was replaced before those has expired long ago.
_REMEMBERED = 100


def with_replaced(replaced: str, old: Secret | None, new: Secret) -> str:
    """Return what a store remembers of the access tokens it had, once `new` is in the place of `old`.

    Args:
        replaced: What it remembered before, "" at first.
        old: None when there was none.
        new: May be the same, when something else of the token has changed.
    """
    if old is None or old == new:
        return replaced
    return " ".join([_fingerprint(old), *replaced.split()][:_REMEMBERED])


def is_replaced(replaced: str, access_token: Secret) -> bool:
    """Return whether a store remembers an access token as one that it had."""
    return _fingerprint(access_token) in replaced.split()


def _fingerprint(access_token: Secret) -> str:
    """Return what tells a token from others, and cannot be used in its place."""
    return hashlib.sha256(access_token.reveal().encode()).hexdigest()[:16]
