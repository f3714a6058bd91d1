"""Sends any number of Bitrix24 REST calls in batches, and tells what became of each one."""

import logging
from typing import TYPE_CHECKING

from b24batch.calls.commands import Command
from b24batch.calls.crm import EntityTypeId
from b24batch.calls.references import ref
from b24batch.errors import (
    AjaxError,
    AnswerLost,
    AuthError,
    CursorStalled,
    ExpiredToken,
    NotSent,
    OperatingLimitExceeded,
    PortalMoved,
    RateLimited,
    ReferenceMissed,
    SdkError,
    TokenRefreshError,
    TransportError,
    UnexpectedAnswer,
    UsageError,
)
from b24batch.results import AjaxResult, BatchError, Result
from b24batch.session import Session
from b24batch.wire.auth import Webhook
from b24batch.wire.rate import LeakyBucket
from b24batch.wire.retries import RetryPolicy

if TYPE_CHECKING:
    from b24batch.oauth.credentials import OAuth

__all__ = [
    "AjaxError",
    "AjaxResult",
    "AnswerLost",
    "AuthError",
    "BatchError",
    "Command",
    "CursorStalled",
    "EntityTypeId",
    "ExpiredToken",
    "LeakyBucket",
    "NotSent",
    "OAuth",
    "OperatingLimitExceeded",
    "PortalMoved",
    "RateLimited",
    "ReferenceMissed",
    "Result",
    "RetryPolicy",
    "SdkError",
    "Session",
    "TokenRefreshError",
    "TransportError",
    "UnexpectedAnswer",
    "UsageError",
    "Webhook",
    "ref",
]

logging.getLogger("b24batch").addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name != "OAuth":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from b24batch.oauth.credentials import OAuth  # most programs have a webhook

    return OAuth
