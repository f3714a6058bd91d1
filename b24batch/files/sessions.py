"""The session that a file is sent or received by."""

from __future__ import annotations

from b24batch.errors import UsageError
from b24batch.session import Session
from b24batch.wire.transport import Transport


def get_transport(session: Session) -> Transport:
    """Return what sends the requests of a session; raise `UsageError` if it is anything else, such as a webhook URL."""
    if not isinstance(session, Session):
        raise UsageError(f"session: expected a Session, got {type(session).__name__}")
    return session._transport
