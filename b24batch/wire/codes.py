"""The portal's error codes and their exception classes."""

from __future__ import annotations

from b24batch.errors import AjaxError, AuthError, ExpiredToken, OperatingLimitExceeded, RateLimited

_LIMITS: dict[str, type[AjaxError]] = {
    "query_limit_exceeded": RateLimited,
    "operation_time_limit": OperatingLimitExceeded,
}
_REFUSALS = _LIMITS | dict.fromkeys(("expired_token", "invalid_token"), ExpiredToken)
_REFUSALS |= dict.fromkeys(
    """
    no_auth_found invalid_credentials invalid_request authorization_error user_access_error application_not_found
    overload_limit payment_required not_installed error_oauth portal_deleted
    """.split(),
    AuthError,
)
#: For a single method these two refuse that method; for ``batch`` itself they refuse the credentials.
_REFUSALS_OF_BATCH = _REFUSALS | dict.fromkeys(("access_denied", "insufficient_scope"), AuthError)


def choose_refusal_class(code: str, method: str) -> type[AjaxError]:
    """Return the exception class for a code that refused a whole request."""
    table = _REFUSALS_OF_BATCH if method.casefold() == "batch" else _REFUSALS
    return table.get(code.casefold(), AjaxError)


def choose_command_error_class(code: str) -> type[AjaxError]:
    """Return the exception class for the code of one command in a batch, whose credentials were accepted."""
    return _LIMITS.get(code.casefold(), AjaxError)
