"""Results: one row per command in input order, and the views on them."""

import json
import pickle
import traceback

import pytest

from b24batch import AjaxError, AjaxResult, BatchError, Command, LeakyBucket, Result, UsageError, outcomes_of

CALLS = [("echo", {"n": n}) for n in range(120)]
BAD = [10, 60, 110]

NOT_FOUND = 'Method not found! The sandbox lacks it: add it with @portal.method("no.such.method")'


def with_errors(calls, positions=BAD):
    return [("no.such.method", {"n": n}) if n in positions else call for n, call in enumerate(calls)]


@pytest.fixture
def chunked(b24):
    return b24.batch_by_chunk(with_errors(CALLS), halt_on_error=False)


@pytest.fixture
def named(b24):
    return b24.batch({"first": ("echo", {"a": 1}), "bad": ("no.such.method",), "last": ("echo", {"b": 2})})


def test_a_result_is_itself():
    """Two runs with the same outcomes have two results, which can be the keys of a dict."""
    first, second = Result([], False), Result([], False)
    assert first != second
    assert len({first, second, first}) == 2


def test_errors_keep_their_positions_across_chunks(chunked):
    """Errors at 10, 60 and 110 of 120 come back under 10, 60 and 110."""
    assert list(chunked.errors) == BAD
    assert all(error.code == "ERROR_METHOD_NOT_FOUND" for error in chunked.errors.values())
    assert chunked.error_messages == [f"no.such.method: ERROR_METHOD_NOT_FOUND: {NOT_FOUND}"] * 3
    assert not chunked.is_success


def test_rows_by_status(chunked, named):
    """The rows of a status come in order, and each says its name and its method."""
    assert [row.command.params["n"] for row in chunked.by_status("failed")] == BAD
    assert len(chunked.by_status("ok")) + len(BAD) == len(CALLS)
    assert chunked.by_status("unknown") == []
    for wrong in ("skiped", "OK", None, ["ok"]):
        with pytest.raises(UsageError, match="status: expected one of ok, failed, skipped, unknown, got "):
            chunked.by_status(wrong)
    assert [(row.name, row.method) for row in named] == [("first", "echo"), ("bad", "no.such.method"), ("last", "echo")]
    assert chunked[0].name is None


def test_a_failed_command_does_not_shift_the_others(chunked):
    """Row n is the outcome of call n, whatever failed before it."""
    assert len(chunked.rows) == 120
    for position, row in enumerate(chunked.rows):
        assert row.status == ("failed" if position in BAD else "ok")
        assert row.command.params == {"n": position}
        assert row.data == (None if position in BAD else {"n": str(position)})


def test_data_has_the_successes_in_order(chunked):
    """`data` is what the successful commands returned, in input order."""
    assert chunked.data == [{"n": str(n)} for n in range(120) if n not in BAD]


def test_access_by_position(chunked):
    """`result[60]` is the outcome of call 60; negative positions and slices count as in a list."""
    assert chunked[60].error.code == "ERROR_METHOD_NOT_FOUND"
    assert chunked[-1] is chunked.rows[119]
    assert chunked[58:61] == chunked.rows[58:61]
    assert (119 in chunked, 120 in chunked, -120 in chunked, -121 in chunked) == (True, False, True, False)
    assert (len(chunked), list(chunked)) == (120, chunked.rows)
    with pytest.raises(IndexError):
        chunked[120]


def test_access_by_name(named):
    """Named calls come back under their names."""
    assert named.data == {"first": {"a": "1"}}
    assert named["first"].data == {"a": "1"}
    assert [row.status for row in named] == ["ok", "failed", "skipped"]
    assert list(named.errors) == ["bad"]
    assert ("bad" in named, "other" in named, None in named) == (True, False, False)
    with pytest.raises(KeyError, match="other"):
        named["other"]


def test_a_command_in_a_list_is_found_by_its_own_name(b24):
    """In a list a Command's own name works beside its position; `errors` goes by position."""
    result = b24.batch([("echo",), Command("no.such.method", name="mine")])
    assert result["mine"] is result[1]
    assert list(result.errors) == [1]
    assert "0" not in result


def test_named_zero_to_two(b24):
    """Names that PHP takes for numbers, and turns into a list, are names all the same."""
    result = b24.batch({"0": ("echo", {"a": 1}), "1": ("echo", {"a": 2}), "07": ("echo", {"a": 3})})
    assert result.data == {"0": {"a": "1"}, "1": {"a": "2"}, "07": {"a": "3"}}


def test_return_ajax_result(b24):
    """With return_ajax_result=True `data` holds the outcome of every command."""
    calls = [("echo",), ("no.such.method",), ("echo",)]
    result = b24.batch(calls, return_ajax_result=True)
    assert result.data == result.rows
    assert [type(item) for item in result.data] == [AjaxResult] * 3
    by_name = b24.batch(dict(zip("abc", calls, strict=True)), return_ajax_result=True)
    assert by_name.data == {"a": by_name["a"], "b": by_name["b"], "c": by_name["c"]}


def test_raise_for_errors(named, b24):
    """A result without errors is returned, another raises a BatchError that carries it."""
    fine = b24.batch([("echo",)])
    assert fine.raise_for_errors() is fine
    with pytest.raises(BatchError, match="3 commands: 1 ok, 1 failed, 1 skipped; first error: 'bad'") as caught:
        named.raise_for_errors()
    assert caught.value.result is named


def test_remaining(b24):
    """What is proven not executed can be passed again as it is; what the portal refused is not among it."""
    calls = [Command("echo", {"n": 0}, name="zero"), ("no.such.method",), ("echo", {"n": 2}), ("echo", {"n": 3})]
    remaining = b24.batch(calls).remaining()
    assert remaining == [Command("echo", {"n": 2}), Command("echo", {"n": 3})]
    assert b24.batch(remaining).data == [{"n": "2"}, {"n": "3"}]
    assert b24.batch([("echo",)]).remaining() == []


def test_list_methods_bring_total_and_next(b24):
    """A list's `total` and `next` stand in its row; another method has neither."""
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(60)])
    row, other = b24.batch([("crm.deal.list",), ("server.time",)]).rows
    assert (row.total, row.next, len(row.data)) == (60, 50, 50)
    assert (other.total, other.next) == (None, None)
    assert row.time["finish"] >= row.time["start"]
    direct = b24.call("crm.deal.list", {"start": 50})
    assert (direct.total, direct.next, len(direct.data)) == (60, None, 10)


def test_a_row_says_where_it_came_from(b24):
    """Each row has the status and the id of the request that answered it."""
    result = b24.batch_by_chunk(CALLS, request_id="trace")
    assert {row.http_status for row in result} == {200}
    ids = [row.request_id for row in result]
    assert (ids[0], ids[50], ids[100]) == ("trace", "trace/2", "trace/3")


def test_results_pickle(chunked, named):
    """A worker can hand its results to its parent."""
    for result in (chunked, named):
        again = pickle.loads(pickle.dumps(result))
        assert again.to_dict() == result.to_dict()
        assert again.data == result.data
        assert [str(error) for error in again.errors.values()] == result.error_messages
        assert again[-1].command == result[-1].command


def test_to_dict_is_json(named):
    """`to_dict` can be dumped, and leaves the parameters out."""
    rows = json.loads(json.dumps(named.to_dict()))["rows"]
    assert rows[0] == named["first"].to_dict()
    assert rows[1]["error"] == {
        "type": "AjaxError",
        "code": "ERROR_METHOD_NOT_FOUND",
        "description": NOT_FOUND,
    }
    assert [(row["name"], row["method"], row["status"]) for row in rows] == [
        ("first", "echo", "ok"),
        ("bad", "no.such.method", "failed"),
        ("last", "echo", "skipped"),
    ]
    assert "params" not in rows[0]


def test_reprs_tell_something(named, chunked):
    """A repr shows the outcome, and stays short."""
    assert repr(named).startswith("<Result of 3 commands: 1 ok, 1 failed, 1 skipped; first error: 'bad' (no.such")
    assert repr(named["first"]) == "AjaxResult(echo, ok, data={'a': '1'})"
    assert repr(named["bad"]) == (
        f"AjaxResult(no.such.method, failed, error=AjaxError('ERROR_METHOD_NOT_FOUND', {NOT_FOUND!r}))"
    )
    assert len(repr(chunked)) < 200


def test_a_result_is_unhurt_by_what_the_caller_does(b24):
    """An error in a with block of results shows the whole result in its traceback, once and short."""
    try:
        b24.batch([("no.such.method",)]).raise_for_errors()
    except BatchError as error:
        text = "".join(traceback.format_exception(error))
    assert text.count("ERROR_METHOD_NOT_FOUND") == 1


def test_results_have_a_type_of_their_own(named):
    """No option changes the class of a result."""
    assert type(named) is Result
    assert isinstance(named["bad"].error, AjaxError)


class Tired(BaseException):
    """What a program may raise in a callback; no exception of ours, and not even an ordinary one."""


def test_outcomes_of_what_stopped_a_run(b24):
    """An exception that leaves a run half-way tells what became of the commands, and of those that wait."""

    def tired(wait):
        raise Tired

    slow = b24.with_options(limits=LeakyBucket(capacity=2, leak_rate=0.01), on_wait=tired)
    with pytest.raises(Tired) as caught:
        slow.batch_by_chunk([("echo", {"n": n}) for n in range(4)], chunk_size=1)
    result = outcomes_of(caught.value)
    assert result is caught.value.result
    assert [row.status for row in result] == ["ok", "skipped", "skipped", "skipped"]


def test_outcomes_of_a_batch_error(b24):
    """The error that a result raises has the whole result."""
    result = b24.batch([("echo",), ("no.such.method",)])
    with pytest.raises(BatchError) as caught:
        result.raise_for_errors()
    assert outcomes_of(caught.value) is result


def test_outcomes_of_what_has_none(b24):
    """An exception that knows of no commands has no outcomes, nor has one whose ``result`` is something else."""
    with pytest.raises(UsageError) as caught:
        b24.batch_by_chunk([("",)])
    assert outcomes_of(caught.value) is None
    with pytest.raises(AjaxError) as caught:
        b24.call_list("no.such.method", id_key="ID", paging="start")
    assert caught.value.result == []
    assert outcomes_of(caught.value) is None
