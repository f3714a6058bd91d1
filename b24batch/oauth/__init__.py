"""OAuth 2.0: the credentials of an application, its tokens, token stores, and the forms that a portal posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b24batch.oauth.credentials import OAuth, OAuthOptions
    from b24batch.oauth.forms import FormOptions
    from b24batch.oauth.installations import Install
    from b24batch.oauth.offline import offline_events
    from b24batch.oauth.offline_batch import OfflineBatch, OfflineEvent
    from b24batch.oauth.posted import Event, Placement
    from b24batch.oauth.servers import TOKEN_URL
    from b24batch.oauth.sqlite import SQLiteTokenStore
    from b24batch.oauth.stores import MemoryTokenStore, TokenStore
    from b24batch.oauth.tokens import Token

#: The module of each name. Modules are loaded on access, since most programs need one or two of them.
_PLACES = {
    "OAuth": "credentials",
    "OAuthOptions": "credentials",
    "FormOptions": "forms",
    "OfflineBatch": "offline_batch",
    "OfflineEvent": "offline_batch",
    "offline_events": "offline",
    "Event": "posted",
    "Install": "installations",
    "Placement": "posted",
    "TOKEN_URL": "servers",
    "SQLiteTokenStore": "sqlite",
    "MemoryTokenStore": "stores",
    "TokenStore": "stores",
    "Token": "tokens",
}

__all__ = [
    "TOKEN_URL",
    "Event",
    "FormOptions",
    "Install",
    "MemoryTokenStore",
    "OAuth",
    "OAuthOptions",
    "OfflineBatch",
    "OfflineEvent",
    "Placement",
    "SQLiteTokenStore",
    "Token",
    "TokenStore",
    "offline_events",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
