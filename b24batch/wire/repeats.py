"""Repeats: refuse the caller's adapters if they would send a request twice by themselves."""

from __future__ import annotations

from typing import Any

import requests
from requests.exceptions import InvalidSchema
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError, SSLError
from urllib3.util import Retry

from b24batch.errors import UsageError
from b24batch.redaction import Secret


def refuse_repeats(http: requests.Session, endpoint: Secret) -> None:
    """Raise `UsageError` if the adapter of `http` for this address would send a POST again by itself."""
    try:
        retry = getattr(http.get_adapter(endpoint.reveal()), "max_retries", None)
    except InvalidSchema:
        return
    if isinstance(retry, Retry) and _repeats(retry):
        raise UsageError(
            "max_retries of the http= adapter would send a POST again after the portal may have executed it:"
            " mount it with max_retries=0 and use retries= of the Session, which repeats only what is safe"
        )


def _repeats(retry: Retry) -> bool:
    """Return whether urllib3 would repeat a POST after it was sent, because of its status or a lost answer."""
    lost = (ReadTimeoutError(Any, "", ""), ProtocolError(), SSLError())  # type: ignore[arg-type]
    return any(retry.is_retry("POST", status, has_retry_after=True) for status in range(400, 600)) or any(
        _outlives(retry, error) for error in lost
    )


def _outlives(retry: Retry, error: Exception) -> bool:
    try:
        retry.increment("POST", "/", error=error)
    except HTTPError:
        return False
    return True
