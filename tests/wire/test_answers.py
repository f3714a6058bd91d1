"""Answers in every shape a portal gives them, and in those it should not."""

import json

import pytest
from drawing import together

from b24batch import AjaxError, AnswerLost, OperatingLimitExceeded, RateLimited
from b24batch.sandbox import Answer
from b24batch.wire.answers import to_text

TIME = {"start": 1, "finish": 1.5, "duration": 0.5, "processing": 0}


def maps(result, errors, total=(), next=(), time=()):
    return {
        "result": {
            "result": result,
            "result_error": errors,
            "result_total": total,
            "result_next": next,
            "result_time": time,
        },
        "time": TIME,
    }


ERROR = {"error": "CODE", "error_description": "text"}
#: The maps of an answer to three calls, and the statuses they mean without and with halt.
MAPS = [
    pytest.param(maps([1, 2, 3], []), "ok ok ok", "ok ok ok", id="list, errors empty list"),
    pytest.param(maps({"0": 1, "1": 2, "2": 3}, {}), "ok ok ok", "ok ok ok", id="objects"),
    pytest.param(maps({"1": 2, "2": 3}, [ERROR]), "failed ok ok", "failed ok ok", id="errors a list"),
    pytest.param(maps({"0": 1, "2": 3}, {"1": ERROR}), "ok failed ok", "ok failed ok", id="errors an object"),
    pytest.param(maps([], [ERROR, ERROR, ERROR]), "failed failed failed", "failed failed failed", id="all failed"),
    pytest.param(maps([], [ERROR]), "failed unknown unknown", "failed skipped skipped", id="first failed"),
    pytest.param(maps([1], {"1": ERROR}), "ok failed unknown", "ok failed skipped", id="second failed"),
    pytest.param(maps([1, None, []], []), "ok ok ok", "ok ok ok", id="null and empty list are values"),
    pytest.param(maps([1, 2], []), "ok ok unknown", "ok ok unknown", id="one missing"),
    pytest.param(maps({"2": 3}, []), "unknown unknown ok", "unknown unknown ok", id="the first missing"),
    pytest.param(maps([1, 2], [ERROR]), "unknown ok unknown", "unknown ok unknown", id="in both maps"),
    pytest.param(maps([], []), "unknown unknown unknown", "unknown unknown unknown", id="nothing"),
    pytest.param(maps(None, None, None, None, None), *["unknown unknown unknown"] * 2, id="nulls"),
    pytest.param(maps([1, 2, 3, 4], {"x": ERROR}), "ok ok ok", "ok ok ok", id="strange keys"),
    pytest.param({"result": {"result": [1, 2, 3], "result_error": []}}, "ok ok ok", "ok ok ok", id="two maps only"),
]


@together(("envelope", "without_halt", "with_halt"), MAPS)
@pytest.mark.parametrize("halt", [False, True])
def test_the_maps_of_an_answer(portal, b24, envelope, without_halt, with_halt, halt):
    """Each map may be a list, an object or empty; what is in neither is skipped after a halt, else unknown."""
    portal.fail_next(Answer(json.dumps(envelope)))
    result = b24.batch([("echo",)] * 3, halt_on_error=halt)
    assert " ".join(row.status for row in result) == (with_halt if halt else without_halt)
    for row in result:
        assert (row.error is None) == (row.status in {"ok", "skipped"})
        assert row.http_status == 200


@pytest.mark.parametrize(
    ("entry", "code", "description"),
    [
        ({"error": "", "error_description": "blank"}, "", "blank"),
        ({"error": "0", "error_description": "zero"}, "0", "zero"),
        ({"error": 0, "error_description": "zero"}, "0", "zero"),
        ({"error": 200040300010, "error_description": ""}, "200040300010", ""),
        ({"error": None, "error_description": None}, "", ""),
        ({"error": "ERROR_ARGUMENT", "error_description": "x", "argument": "y"}, "ERROR_ARGUMENT", "x"),
        ({}, "", ""),
        ("text", "text", ""),
        (None, "", ""),
    ],
)
def test_error_codes(portal, b24, entry, code, description):
    """A key in result_error is an error, whatever its code; the code is text."""
    portal.fail_next(Answer(json.dumps(maps([], [entry]))))
    row = b24.batch([("echo",)])[0]
    assert (row.status, row.data) == ("failed", None)
    assert (str(row.error.code), row.error.description, row.error.method) == (code, description, "echo")
    assert str(row.error)


def test_a_null_result_is_a_success(portal, b24):
    """A method that returns null has succeeded."""
    portal.method("nothing")(lambda params: None)
    result = b24.batch([("nothing",), ("echo",)])
    assert (result.is_success, result.data) == (True, [None, []])
    assert b24.call("nothing").data is None


UNREADABLE = [
    pytest.param(Answer("<html>hello</html>"), "HTTP 200.* is not the JSON of a portal", id="html"),
    pytest.param(Answer(""), "is not the JSON", id="empty"),
    pytest.param(Answer("[]"), "is not the JSON", id="list"),
    pytest.param(Answer('"text"'), "is not the JSON", id="text"),
    pytest.param(Answer("null"), "is not the JSON", id="null"),
    pytest.param(Answer('{"result": NaN}'), "is not the JSON", id="NaN"),
    pytest.param(Answer('{"result": {'), "is not the JSON", id="cut"),
    pytest.param(Answer(b'{"result": "\xcf\xf0"}'), "is not the JSON", id="cp1251"),
    pytest.param(Answer('{"result":' + "[" * 100_000 + "]" * 100_000 + "}"), "is not the JSON", id="too deep"),
    pytest.param(Answer('{"result": %s}' % ("9" * 5000)), "is not the JSON", id="too long a number"),
    pytest.param(Answer("{}"), "has no result", id="no result"),
    pytest.param(Answer('{"time": {}}'), "has no result", id="time only"),
    pytest.param(
        Answer('{"error":"WRONG_ENCODING","error_description":"Wrong"}'), "WRONG_ENCODING", id="wrong encoding"
    ),
    pytest.param(Answer("<html>", 404), "is this the portal's address", id="404 html"),
    pytest.param(Answer("<html>", 413), "is this the portal's address", id="413 html"),
    pytest.param(Answer("<html>", 503), "HTTP 503", id="503 html"),
    pytest.param(
        Answer('{"error":"ERROR_CORE","error_description":"SQL query error!"}', 500), "ERROR_CORE", id="500 json"
    ),
    pytest.param(Answer('{"error":"INTERNAL_SERVER_ERROR"}', 500), "INTERNAL_SERVER_ERROR", id="500 other json"),
    pytest.param(Answer('{"result": 1}', 500), "HTTP 500.*no result", id="500 with result"),
    pytest.param(Answer('{"result": 1}', 300), "HTTP 300.*no result", id="300 with result"),
    pytest.param(Answer('{"result": 1}', 404), "HTTP 404.*no result", id="404 with result"),
    pytest.param(Answer("", 304), "HTTP 304", id="304"),
]


@pytest.mark.parametrize("status", [200, 399, 400, 404, 406, 407, 408, 499, 500, 502])
def test_the_hint_at_the_address(portal, b24, status):
    """The message asks whether the address is right if the status blames the request; a 407 is of the proxy."""
    portal.fail_next(Answer("<html>", status))
    with pytest.raises(AnswerLost) as caught:
        b24.call("crm.deal.add")
    assert ("is this the portal's address?" in caught.value.description) is (400 <= status < 500 and status != 407)
    assert ("the proxy requires" in caught.value.description) is (status == 407)


@together(("answer", "message"), UNREADABLE)
def test_an_unreadable_answer(portal, b24, answer, message):
    """An answer that cannot be read leaves everything unknown, and no write is sent again."""
    calls = [("crm.deal.add", {"fields": {"TITLE": "x"}}), ("crm.deal.list",)]
    for send in (lambda: b24.call(*calls[0]), lambda: b24.batch(calls)):
        portal.fail_next(answer)
        with pytest.raises(AnswerLost, match=message) as caught:
            send()
        assert caught.value.http_status == answer.status
        assert caught.value.request_id
    portal.fail_next(answer)
    assert [row.status for row in b24.batch_by_chunk(calls)] == ["unknown", "unknown"]
    assert len(portal.requests) == 3


NOT_TO_A_BATCH = [
    pytest.param({"result": []}, id="list"),
    pytest.param({"result": None}, id="null"),
    pytest.param({"result": 5}, id="number"),
    pytest.param({"result": {}}, id="no maps"),
    pytest.param({"result": {"result": []}}, id="no errors"),
    pytest.param({"result": {"result": "x", "result_error": []}}, id="text for a map"),
    pytest.param({"result": {"result": [], "result_error": 5}}, id="number for a map"),
    pytest.param({"result": {"result": [], "result_error": False}}, id="false for a map"),
]


@pytest.mark.parametrize("envelope", NOT_TO_A_BATCH)
def test_an_answer_that_is_none_to_a_batch(portal, b24, envelope):
    """JSON that does not tell what became of the commands leaves them unknown."""
    portal.fail_next(Answer(json.dumps(envelope)), times=2)
    with pytest.raises(AnswerLost):
        b24.batch([("crm.deal.add", {})])
    assert [row.status for row in b24.batch_by_chunk([("crm.deal.add", {})])] == ["unknown"]


@pytest.mark.parametrize("envelope", NOT_TO_A_BATCH)
def test_an_answer_that_is_none_to_a_batch_of_reads(portal, b24, envelope):
    """Reads whose batch has such an answer are sent again, like those whose answer was lost on its way."""
    reads = [("crm.deal.list",), ("crm.deal.get", {"ID": 1})]
    portal.fail_next(Answer(json.dumps(envelope)), times=2)
    assert b24.batch_by_chunk(reads, halt_on_error=False)[0].status == "ok"
    assert len(portal.requests) == 3
    portal.fail_next(Answer(json.dumps(envelope)))
    b24.batch(reads)
    assert len(portal.requests) == 5


REFUSED = [
    pytest.param(200, "ERROR_UNEXPECTED", id="200 with an error"),
    pytest.param(400, "", id="400 with an empty code"),
    pytest.param(403, "WRONG_LICENSE", id="403"),
    pytest.param(404, "ERROR_METHOD_NOT_FOUND", id="404"),
]


@pytest.mark.parametrize(("status", "code"), REFUSED)
def test_a_refused_request(portal, b24, status, code):
    """An error in JSON is the portal's word that nothing was done."""
    answer = Answer(json.dumps({"error": code, "error_description": "text"}), status)
    portal.fail_next(answer, times=3)
    with pytest.raises(AjaxError) as direct:
        b24.call("crm.deal.add", {}, request_id="mine")
    error = direct.value
    assert (error.code, error.method, error.http_status, error.request_id) == (code, "crm.deal.add", status, "mine")
    with pytest.raises(AjaxError) as batch:
        b24.batch([("crm.deal.add", {})])
    assert batch.value.method == "batch"
    assert [row.status for row in b24.batch_by_chunk([("crm.deal.add", {})])] == ["failed"]


#: No portal is known to have these in the place of a code.
ODD_ERRORS = [None, False, True, [], ["x"], {}, {"code": "x"}]
#: Old methods have these, with a status that refuses by itself.
ODD_CODES = ["", " ", 0, 100, 1.5]


@pytest.mark.parametrize("odd", [*ODD_ERRORS, *ODD_CODES], ids=repr)
def test_an_error_that_says_nothing(portal, b24, odd):
    """With a 200 only text is a portal's word that nothing was done; nobody knows it from anything else."""
    answer = Answer(json.dumps({"error": odd, "error_description": "odd", "result": {"result": [1]}}))
    portal.fail_next(answer, times=3)
    for send in (lambda: b24.call("crm.deal.add", {}), lambda: b24.batch([("crm.deal.add", {})])):
        with pytest.raises(AnswerLost, match=r"HTTP 200.*error.*odd"):
            send()
    assert [row.status for row in b24.batch_by_chunk([("crm.deal.add", {})])] == ["unknown"]
    portal.fail_next(answer)
    assert b24.call("crm.deal.list").is_success


@together("status", [400, 403, 404, 500])
@together(
    ("odd", "kind"),
    [*((odd, AnswerLost) for odd in ODD_ERRORS), *((odd, AjaxError) for odd in ODD_CODES)],
)
def test_an_odd_error_with_a_status(portal, b24, odd, kind, status):
    """With a 4xx numbers and empty text are codes like any other, as documented; what no portal sends tells nothing."""
    portal.fail_next(Answer(json.dumps({"error": odd, "error_description": "odd"}), status), times=2)
    kind = AnswerLost if status == 500 else kind
    with pytest.raises(kind):
        b24.call("crm.deal.add", {})
    (row,) = b24.batch_by_chunk([("crm.deal.add", {})])
    assert (row.status, type(row.error)) == ("unknown" if kind is AnswerLost else "failed", kind)


@pytest.mark.parametrize("code", ["0", "100", "null", "ERROR_CORE"])
def test_a_code_in_text(portal, b24, code):
    """Any text is a code, also one that looks like a number or like nothing."""
    portal.fail_next(Answer(json.dumps({"error": code})))
    with pytest.raises(AjaxError) as caught:
        b24.call("crm.deal.add", {})
    assert caught.value.code == code


@together("odd", ["many", None, 5, False, 1.5, "", ["x"], [{}], {"0": "x"}, {"0": True}])
@together("name", ["result_total", "result_next", "result_time"])
def test_odd_totals(portal, b24, name, odd):
    """A total, a next or a time that is no such thing is left out, and the result beside it stands."""
    envelope = maps([1], [])
    envelope["result"][name] = odd
    portal.fail_next(Answer(json.dumps(envelope)))
    row = b24.batch([("echo",)])[0]
    read = (row.total, row.next, row.time)
    assert (row.status, row.data, read) == ("ok", 1, (None, None, {} if odd == [{}] and "time" in name else None))


@together(
    ("number", "count"),
    [
        *((number, None) for number in (10**400, -1, 2**63, True, 1.5, float(2**63), "", "-1", "\u0661", "9" * 5000)),
        *((number, int(number)) for number in (0, 2**63 - 1, 5.0, "0", "50", str(2**63 - 1))),
    ],
)
def test_totals(portal, b24, number, count):
    """A total or a next may be digits in a string or a whole float; one that no list can have is left out."""
    portal.fail_next(Answer(json.dumps({"result": 1, "total": number, "next": number})))
    row = b24.call("echo")
    assert (row.total, row.next) == (count, count)
    portal.fail_next(Answer(json.dumps(maps([1], [], [number], [number]))))
    row = b24.batch([("echo",)])[0]
    assert (row.status, row.total, row.next) == ("ok", count, count)


def test_a_code_that_has_no_text():
    """Of a code with too many digits, or nested too deeply, only the type is told."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert [to_text(value) for value in (10**5000, deep, 5, None)] == ["<int>", "<list>", "5", ""]


def test_a_byte_order_mark(portal, b24):
    """JSON behind a byte order mark is read, as self-hosted portals send it."""
    portal.fail_next(Answer(b"\xef\xbb\xbf" + json.dumps(maps([1], [])).encode()))
    assert b24.batch([("crm.deal.add",)]).data == [1]
    portal.fail_next(Answer(b'\xef\xbb\xbf{"result": 5}'))
    assert b24.call("crm.deal.add").data == 5


NOTICE = "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/home/bitrix/www/rest.php</b> on line <b>5</b><br />\n"


def test_a_notice_before_the_json(portal, b24):
    """JSON behind a notice of PHP is not trusted; the message quotes how the answer begins, 80 characters of it."""
    portal.fail_next(Answer(NOTICE + json.dumps({"result": 5})))
    with pytest.raises(AnswerLost) as caught:
        b24.call("crm.deal.add")
    assert repr(NOTICE[:80]) in caught.value.description
    assert NOTICE[70:90] not in caught.value.description


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "QUERY_LIMIT_EXCEEDED", RateLimited),
        (503, "QUERY_LIMIT_EXCEEDED", RateLimited),
        (429, "OPERATION_TIME_LIMIT", OperatingLimitExceeded),
        (429, "TOO_MANY", OperatingLimitExceeded),
    ],
)
def test_a_429(portal, b24, status, code, kind):
    """A 429 is a refusal for operating time, unless its code speaks of the rate: that is waited for and sent again."""
    portal.fail_next(Answer(json.dumps({"error": code}), status), times=9)
    with pytest.raises(kind) as caught:
        b24.call("crm.deal.add", {})
    assert type(caught.value) is kind
    assert len(portal.requests) == (5 if kind is RateLimited else 1)
