"""The portal of a command: its options, and the session for it."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.exceptions import ImproperlyConfigured

from b24batch.django.conf import get_config
from b24batch.django.sessions import get_session, session_for
from b24batch.session import Session


def add_portal(parser: ArgumentParser) -> None:
    """Add the options that choose a portal."""
    about = "an alias in B24BATCH; default: %(default)s"
    parser.add_argument("--alias", default="default", help=about)
    about = "a portal on which the alias's application is installed; default: the alias's MEMBER_ID"
    parser.add_argument("--member-id", metavar="ID", help=about)


def open_portal(alias: str, member_id: str | None) -> Session:
    """Return the session for a portal, which waits for the rate instead of raising an error.

    Raises:
        ImproperlyConfigured: As `get_session`, or the portal of an application is not chosen.
        UsageError: The application is not installed on the portal.
    """
    config = get_config(alias)
    if member_id is None and not config.is_webhook and not config.get("MEMBER_ID"):
        raise ImproperlyConfigured(f"which portal? B24BATCH[{alias!r}] is an application: pass --member-id")
    if member_id is not None and config.is_webhook:
        raise ImproperlyConfigured(f"B24BATCH[{alias!r}] is a webhook: omit --member-id")
    session = get_session(alias) if member_id is None else session_for(member_id, alias)
    return session.with_options(max_wait=None)
