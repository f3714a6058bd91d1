"""The errors: their tree, their texts, and that they travel between processes."""

import pickle

import pytest

import b24batch
from b24batch import (
    AjaxError,
    AnswerLost,
    AuthError,
    BatchError,
    Command,
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
from b24batch.errors import ErrorCode, command_error_class, refusal_class
from b24batch.results import AjaxResult, collect

RESULT = collect([AjaxResult(Command("crm.deal.add", {"a": 1}), "failed", error=AjaxError("no", code="CODE"))])
EXAMPLES = [
    SdkError("text", code="MINE", http_status=400, request_id="id"),
    UsageError("wrong"),
    TransportError("?"),
    NotSent("refused", code="BAD_CERTIFICATE"),
    AnswerLost("cut", http_status=502, request_id="id/2"),
    AjaxError("no", code="ERROR_CORE", method="crm.deal.add"),
    RateLimited("slow down", retry_after=1.5, http_status=503),
    OperatingLimitExceeded("later", reset_at=1_700_000_000.0),
    PortalMoved("gone", host="new.example.com"),
    AuthError("no", code="NO_AUTH_FOUND"),
    ExpiredToken("old"),
    TokenRefreshError("authorise again", code="invalid_grant"),
    ReferenceMissed("gone"),
    CursorStalled("again"),
    UnexpectedAnswer("another shape", data={"rows": []}),
    BatchError(RESULT),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error):
    """A worker can hand an error to its parent, with all it carries."""
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), repr(again)) == (type(error), str(error), repr(error))
    assert {name: repr(value) for name, value in vars(again).items()} == {
        name: repr(value) for name, value in vars(error).items()
    }


def test_every_class_has_an_example():
    """The test above knows all the classes."""
    endings = ("Error", "Sent", "Lost", "Limited", "Token", "Moved", "Missed", "Stalled", "Exceeded", "Answer")
    names = {name for name in b24batch.__all__ if name.endswith(endings)}
    assert names == {type(error).__name__ for error in EXAMPLES}


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (UsageError, (SdkError, ValueError)),
        (NotSent, (TransportError, SdkError)),
        (AnswerLost, (TransportError, SdkError)),
        (RateLimited, (AjaxError, SdkError)),
        (OperatingLimitExceeded, (AjaxError,)),
        (PortalMoved, (AjaxError,)),
        (AuthError, (AjaxError,)),
        (ExpiredToken, (AuthError, AjaxError)),
        (BatchError, (SdkError,)),
    ],
)
def test_the_tree(kind, parents):
    """An error is caught by the classes above it."""
    assert all(issubclass(kind, parent) for parent in parents)


def test_codes_compare_without_case():
    """A code equals the same text in any case; in a set it is the text as it came."""
    code = AjaxError("", code="expired_token").code
    assert code == "EXPIRED_TOKEN"
    assert (code != "Expired_Token") is False
    assert code in ("EXPIRED_TOKEN", "x")
    assert code in {"expired_token"}
    assert code != "other"
    assert code != 5
    assert type(pickle.loads(pickle.dumps(code))) is ErrorCode


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UsageError("wrong"), "USAGE: wrong"),
        (NotSent("refused"), "NOT_SENT: refused"),
        (AjaxError("it failed", code="ERROR_CORE", method="crm.deal.add"), "crm.deal.add: ERROR_CORE: it failed"),
        (AjaxError("Not found", code="", method="crm.deal.get"), "crm.deal.get: Not found"),
        (AjaxError("", code="0", method="m"), "m: 0"),
        (AjaxError("", code="", method="m"), "m: no code and no description"),
        (BatchError(RESULT), "BATCH: 1 commands: 1 failed; first error: 0 (CODE: no)"),
    ],
)
def test_texts(error, text):
    """A text names the method, the code and what happened."""
    assert str(error) == text
    assert repr(error) == f"{type(error).__name__}({str(error.code)!r}, {error.description!r})"


AUTH_CODES = """
    NO_AUTH_FOUND INVALID_CREDENTIALS INVALID_REQUEST authorization_error user_access_error APPLICATION_NOT_FOUND
    OVERLOAD_LIMIT PAYMENT_REQUIRED NOT_INSTALLED ERROR_OAUTH PORTAL_DELETED
""".split()


@pytest.mark.parametrize("code", AUTH_CODES)
def test_codes_that_refuse_the_credentials(code):
    """Codes that speak of the credentials are AuthErrors, of a batch and of a direct call, in any case."""
    assert refusal_class(code, "batch") is refusal_class(code.swapcase(), "crm.deal.get") is AuthError
    assert command_error_class(code) is AjaxError


@pytest.mark.parametrize("code", ["ACCESS_DENIED", "insufficient_scope"])
def test_codes_that_refuse_a_batch_only(code):
    """Two codes speak of the credentials on a batch, and of the method elsewhere."""
    assert refusal_class(code, "batch") is refusal_class(code, "BATCH") is AuthError
    assert refusal_class(code, "crm.deal.get") is AjaxError


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("QUERY_LIMIT_EXCEEDED", RateLimited),
        ("OPERATION_TIME_LIMIT", OperatingLimitExceeded),
        ("expired_token", ExpiredToken),
        ("invalid_token", ExpiredToken),
        ("ERROR_CORE", AjaxError),
        ("", AjaxError),
    ],
)
def test_other_codes(code, kind):
    """Limits and tokens have classes of their own; what nobody knows is an AjaxError."""
    assert refusal_class(code, "crm.deal.get") is kind


def test_what_proves_that_nothing_ran():
    """Only some errors prove that no command of their request was executed."""
    proven = {type(error) for error in EXAMPLES if error.not_executed}
    assert proven == {
        UsageError,
        NotSent,
        RateLimited,
        OperatingLimitExceeded,
        PortalMoved,
        AuthError,
        ExpiredToken,
        TokenRefreshError,
    }
