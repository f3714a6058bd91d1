"""b24batch in a Django project: settings, sessions, stored tokens, and views that a portal posts to.

Add ``b24batch.django`` to ``INSTALLED_APPS``, and add the setting ``B24BATCH``; `b24batch.django.conf` lists its keys.
"""

from __future__ import annotations

try:
    import django as _django  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name != "django":
        raise
    raise ImportError("b24batch.django needs Django: pip install 'b24batch[django]'") from None

from b24batch.django.sessions import get_session, session_for
from b24batch.django.views import event_view, install_view, placement_view

__all__ = ["event_view", "get_session", "install_view", "placement_view", "session_for"]
