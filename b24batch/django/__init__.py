"""b24batch in a Django project: settings, sessions, stored tokens, and views that a portal posts to.

Add ``b24batch.django`` to ``INSTALLED_APPS``, and add the setting ``B24BATCH``; `b24batch.django.conf` lists its keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import django as _django  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name != "django":
        raise
    raise ImportError("b24batch.django needs Django: pip install 'b24batch[django]'") from None

from b24batch.django.health import AliasHealth, check_health
from b24batch.django.middleware import RateLimitedMiddleware
from b24batch.django.sessions import get_session, session_for
from b24batch.django.stores import DjangoTokenStore
from b24batch.django.views import event_view, install_view, placement_view

if TYPE_CHECKING:
    from b24batch.django.journals import DjangoJournal
    from b24batch.django.models import JournalCommand, JournalRun, PortalToken

__all__ = [
    "AliasHealth",
    "DjangoJournal",
    "DjangoTokenStore",
    "JournalCommand",
    "JournalRun",
    "PortalToken",
    "RateLimitedMiddleware",
    "check_health",
    "event_view",
    "get_session",
    "install_view",
    "placement_view",
    "session_for",
]


def __getattr__(name: str) -> object:
    """Load models on access, since Django imports this package before it can load them; and a journal when needed."""
    if name == "DjangoJournal":
        from b24batch.django import journals

        return journals.DjangoJournal
    if name in {"JournalCommand", "JournalRun", "PortalToken"}:
        from b24batch.django import models

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
