"""Sends any number of Bitrix24 REST calls in batches, and tells what became of each one."""

import logging
from typing import TYPE_CHECKING

from b24batch.calls.commands import Command
from b24batch.calls.crm import EntityTypeId
from b24batch.calls.formats import Call, Calls
from b24batch.calls.references import ref
from b24batch.errors import (
    AjaxError,
    AnswerLost,
    AuthError,
    CursorStalled,
    ExpiredToken,
    JournalError,
    NotSent,
    OperatingLimitExceeded,
    PortalMoved,
    RateLimited,
    ReferenceMissed,
    RunBusy,
    SdkError,
    TokenRefreshError,
    TransportError,
    UnexpectedAnswer,
    UsageError,
)
from b24batch.results import AjaxResult, AnyResult, BatchError, Result
from b24batch.results.last_result import outcomes_of
from b24batch.session import Session
from b24batch.wire.auth import Webhook
from b24batch.wire.rate import LeakyBucket
from b24batch.wire.retries import RetryPolicy

if TYPE_CHECKING:
    from b24batch.lookup import look_up
    from b24batch.oauth.credentials import OAuth

    __version__: str

__all__ = [
    "AjaxError",
    "AjaxResult",
    "AnswerLost",
    "AnyResult",
    "AuthError",
    "BatchError",
    "Call",
    "Calls",
    "Command",
    "CursorStalled",
    "EntityTypeId",
    "ExpiredToken",
    "JournalError",
    "LeakyBucket",
    "NotSent",
    "OAuth",
    "OperatingLimitExceeded",
    "PortalMoved",
    "RateLimited",
    "ReferenceMissed",
    "Result",
    "RetryPolicy",
    "RunBusy",
    "SdkError",
    "Session",
    "TokenRefreshError",
    "TransportError",
    "UnexpectedAnswer",
    "UsageError",
    "Webhook",
    "look_up",
    "outcomes_of",
    "ref",
]

logging.getLogger("b24batch").addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    """Load what few programs need: most have a webhook, and do not ask for the version."""
    if name == "OAuth":
        from b24batch.oauth.credentials import OAuth

        return OAuth
    if name == "look_up":
        from b24batch.lookup import look_up

        return look_up
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("b24batch")
    except metadata.PackageNotFoundError:
        missing = AttributeError("b24batch is not installed, so its version is unknown")
    raise missing
