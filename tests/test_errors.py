"""The errors: their tree, their texts, and that they travel between processes."""

import json
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
from b24batch.errors import ErrorCode
from b24batch.results import AjaxResult, Result
from b24batch.sandbox import Answer
from b24batch.wire.codes import choose_command_error_class, choose_refusal_class
from b24batch.wire.extra import read_extra

FAILED = AjaxResult(Command("crm.deal.add", {"a": 1}), "failed", error=AjaxError("no", code="CODE"))
RESULT = Result([FAILED], named=False)
EXAMPLES = [
    SdkError("text", code="MINE", http_status=400, request_id="id"),
    UsageError("wrong"),
    TransportError("?"),
    NotSent("refused", code="BAD_CERTIFICATE"),
    AnswerLost("cut", http_status=502, request_id="id/2"),
    AjaxError("no", code="ERROR_CORE", method="crm.deal.add", extra={"argument": "id"}),
    RateLimited("slow down", retry_after=1.5, http_status=503),
    OperatingLimitExceeded("later", reset_at=1_700_000_000.0),
    PortalMoved("gone", host="new.example.com"),
    AuthError("no", code="NO_AUTH_FOUND"),
    ExpiredToken("old"),
    TokenRefreshError("authorise again", code="invalid_grant"),
    ReferenceMissed("gone"),
    CursorStalled("again"),
    JournalError("full"),
    RunBusy("in use"),
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


@pytest.mark.parametrize("nest", [lambda value: [value], lambda value: {"a": value}], ids=["list", "mapping"])
def test_the_data_of_an_error(nest):
    """A pickled error has the data that the portal returned, but for data that is too deep to be pickled."""
    data = deep = nest(["text", 5, None])
    for _ in range(10_000):
        deep = nest(deep)
    kept = [pickle.loads(pickle.dumps(UnexpectedAnswer("another shape", data=each))).data for each in (data, deep)]
    assert kept == [data, None]


def test_every_class_has_an_example():
    """The test above knows all the classes."""
    endings = ("Error", "Sent", "Lost", "Limited", "Token", "Moved", "Missed", "Stalled", "Exceeded", "Answer", "Busy")
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


@pytest.mark.parametrize("other", ["expired_token", "EXPIRED_TOKEN", "Expired_Token", "other", "", 5, None], ids=repr)
def test_equal_codes_have_equal_hashes(other):
    """A code is text: it equals the same text only, so that sets and dicts find it whenever it compares equal."""
    code = AjaxError("", code="expired_token").code
    assert (code == other) is (other == "expired_token")
    assert (code != other) is not (code == other)
    if code == other:
        assert hash(code) == hash(other)
        assert code in {other}
    assert type(pickle.loads(pickle.dumps(code))) is ErrorCode


def test_codes_that_match():
    """Portals spell one code in several ways: `matches` looks past the case, and takes several codes."""
    code = AjaxError("", code="expired_token").code
    assert code.matches("EXPIRED_TOKEN")
    assert code.matches("INVALID_TOKEN", "Expired_Token")
    assert not code.matches("expired", "")
    assert AjaxError("", code="").code.matches("")
    assert UsageError("no").code.matches("usage")


EXTRA = {"argument": "id", "validation": [{"field": "TITLE", "message": "empty"}], "n": 5, "none": None}


@pytest.mark.parametrize("way", ["call", "batch", "batch of one alone", "chunks"])
def test_what_else_the_portal_says(portal, b24, way):
    """Every other key of the error object is kept, in a direct call and in a batch; it pickles and dumps as JSON."""
    entry = {"error": "100", "error_description": "Could not find value", **EXTRA}
    maps = {"result": {"result": [], "result_error": {"0": entry}}}
    alone = way in {"call", "batch of one alone"}
    portal.fail_next(Answer(json.dumps(entry if alone else maps), 400 if alone else 200))
    if way == "call":
        with pytest.raises(AjaxError) as caught:
            b24.call("crm.deal.get", {})
        error = caught.value
    else:
        params = {"x": "$result[x]"} if alone else {}
        error = (b24.batch if way == "batch" else b24.batch_by_chunk)([("crm.deal.get", params)])[0].error
    assert error.extra == EXTRA
    assert (error.code, error.description) == ("100", "Could not find value")
    assert pickle.loads(pickle.dumps(error)).extra == EXTRA
    assert json.loads(json.dumps(error.to_dict()))["extra"] == EXTRA


def test_an_error_that_says_nothing_else(b24):
    """Without other keys `extra` is an empty dict, a new one for each error."""
    first, second = (b24.batch([("no.such.method",)])[0].error for _ in range(2))
    assert first.extra == AjaxError("no").extra == {}
    assert first.extra is not second.extra
    assert "extra" not in first.to_dict()


def test_no_secret_in_what_else_the_portal_says(portal, b24):
    """Tokens and webhook codes that a portal sends back are masked, at any depth, however hostile the answer."""
    deep = "x"
    for _ in range(400):
        deep = [deep]
    extra = {
        "url": "https://p.example/rest/1/s3cret/crm.deal.add",
        "call": [{"Access_Token": "s3cret", "text": "auth=s3cret&x=1", "access_token=s3cret": 1}],
        "deep": deep,
    }
    portal.fail_next(Answer(json.dumps({"error": "E", **extra}), 400))
    with pytest.raises(AjaxError) as caught:
        b24.call("crm.deal.add")
    kept = caught.value.extra
    assert kept["url"] == "https://p.example/rest/1/***/crm.deal.add"
    assert "s3cret" not in repr(kept)
    assert json.loads(json.dumps(kept)) == kept
    assert pickle.loads(pickle.dumps(caught.value)).extra == kept


@pytest.mark.parametrize("nest", [lambda value: [value], lambda value: {"a": value}], ids=["list", "mapping"])
def test_the_depth_of_what_else_the_portal_says(nest):
    """What a portal says beside an error is kept up to 50 levels deep; what lies deeper is masked."""
    deep = "x"
    for _ in range(49):
        deep = nest(deep)
    assert read_extra({"deep": deep}, ()) == {"deep": deep}
    assert repr(read_extra({"deep": nest(deep)}, ())["deep"]) == repr(nest(deep)).replace("x", "***")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UsageError("wrong"), "USAGE: wrong"),
        (NotSent("refused"), "NOT_SENT: refused"),
        (AjaxError("it failed", code="ERROR_CORE", method="crm.deal.add"), "crm.deal.add: ERROR_CORE: it failed"),
        (AjaxError("Not found", code="", method="crm.deal.get"), "crm.deal.get: Not found"),
        (AjaxError("", code="0", method="m"), "m: 0"),
        (AjaxError("", code="", method="m"), "m: no code and no description"),
        (BatchError(RESULT), "BATCH: 1 command: 1 failed; first error: 0 (CODE: no)"),
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
    assert choose_refusal_class(code, "batch") is choose_refusal_class(code.swapcase(), "crm.deal.get") is AuthError
    assert choose_command_error_class(code) is AjaxError


@pytest.mark.parametrize("code", ["ACCESS_DENIED", "insufficient_scope"])
def test_codes_that_refuse_a_batch_only(code):
    """Two codes speak of the credentials on a batch, and of the method elsewhere."""
    assert choose_refusal_class(code, "batch") is choose_refusal_class(code, "BATCH") is AuthError
    assert choose_refusal_class(code, "crm.deal.get") is AjaxError


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
    assert choose_refusal_class(code, "crm.deal.get") is kind


def test_what_an_error_does_not_know():
    """What nobody knows is None; a token that could not be renewed is lost for good, unless it is said otherwise."""
    assert (SdkError().http_status, SdkError().request_id, UnexpectedAnswer().data) == (None, None, None)
    assert (RateLimited().retry_after, OperatingLimitExceeded().reset_at) == (None, None)
    assert (AjaxError().method, PortalMoved().host, TokenRefreshError().temporary) == ("", "", False)


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
        RunBusy,
    }
