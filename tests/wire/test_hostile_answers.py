"""Answers with anything in any place: each ends in rows or in an error of ours, and the session goes on."""

import functools
import itertools
import json
import operator
import pickle

import pytest
from drawing import drawn, some
from hypothesis import given
from hypothesis import strategies as st

from b24batch import Command, LeakyBucket, RetryPolicy, SdkError, ref
from b24batch.sandbox import Answer, FakeClock, Portal

DEEP = 900
#: Values in JSON as they are written, some beyond what Python, a float or JSON itself takes.
VALUES = [
    *("null", "true", "false", "0", "-1", "1.5", "1e400", "-1e400", "9" * 400, "9" * 5000, "NaN", "1e-400"),
    *('""', '"0"', '" "', '"x"', r'"\ud800"', '"9e999"', '"' + "x" * 3000 + '"', "[]", "{}", "[[]]", '[{"ID":"1"}]'),
    *("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[" * 100_000 + "]" * 100_000, '{"ID": 1e400}'),
]
TIME = {"operating_reset_at": 1600, "operating": 1.5, "start": 1000, "finish": 1000.5}
BLOCKED = {"error": "OPERATION_TIME_LIMIT", "error_description": "blocked"}


def maps(results, errors, times):
    names = ("result", "result_error", "result_total", "result_next", "result_time")
    return {"result": dict(zip(names, (results, errors, [3, 3, 3], [50, 50, 50], times), strict=True)), "time": TIME}


ROWS = [{"ID": "1", "id": 1}, {"ID": "2", "id": 2}]
#: Answers as a portal gives them: to a batch, to a call, to a list, and refusals.
USUAL = [
    maps([1, {"ID": "7"}, "x"], [], [TIME, TIME, TIME]),
    maps({"0": 1}, {"1": BLOCKED}, {"0": TIME}),
    maps([], [BLOCKED], []),
    maps([ROWS, ROWS, ROWS], [], [TIME, TIME, TIME]),
    {"result": ROWS, "total": 2, "next": 50, "time": TIME},
    {"result": {"x": ROWS, "items": ROWS}, "total": 2, "time": TIME},
    BLOCKED | {"time": TIME},
    {"error": "X", "error_description": "text", "argument": "a"},
    {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "text"},
]


def paths(tree, *path):
    """The way to every place in an answer."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(each for name, item in items for each in paths(item, *path, name))]


def changed(usual, changes):
    """The text of an answer with other values in some places."""
    answer = {"answer": json.loads(json.dumps(usual))}
    for number, (path, _) in enumerate(changes):
        *above, last = ("answer", *path)
        try:
            functools.reduce(operator.getitem, above, answer)[last] = f"@{number}@"
        except (KeyError, TypeError):  # what it was in has been changed before
            continue
    text = json.dumps(answer["answer"])
    for number, (_, value) in enumerate(changes):
        text = text.replace(f'"@{number}@"', value)
    return text


def changes_of(usual):
    change = st.tuples(st.sampled_from(paths(usual)), st.sampled_from(VALUES))
    return st.lists(change, min_size=1, max_size=3).map(lambda changes: changed(usual, changes))


bodies = st.one_of([changes_of(usual) for usual in USUAL])
statuses = st.sampled_from([200, 200, 200, 400, 401, 403, 404, 429, 500, 503, 302])
hints = st.sampled_from([None, "9" * 400, "1e300", "inf", "nan", "-1", "3e8", "Fri, 31 Dec 9999 23:59:59 GMT", "x"])
answers = st.builds(
    lambda text, status, hint, mark: Answer(
        b"\xef\xbb\xbf" * mark + text.encode(), status, {} if hint is None else {"Retry-After": hint}
    ),
    *(bodies, statuses, hints, st.booleans()),
)


@pytest.fixture(scope="module")
def world():
    clock = FakeClock()
    with Portal(clock=clock, record=False) as portal:
        portal.method("echo")(lambda params: params)
        policy = RetryPolicy(attempts=3, wait_initial=0.0)
        with portal.session(clock=clock, limits=LeakyBucket(clock=clock), retries=policy) as b24:
            yield portal, b24, clock


CALLS = [("echo",), ("echo",), Command("echo", {"id": ref(1)["ID"], "total": ref(0).total})]
MANY = drawn(40)


def all_usable(rows):
    """Every view of rows can be made."""
    for row in rows:
        assert row.status in ("ok", "failed", "skipped", "unknown")
        assert row.error is None or isinstance(row.error, SdkError)
        if row.error is not None:
            is_usable(row.error)
        assert repr(row)


def is_usable(error):
    """An error can be shown and sent to another process."""
    assert f"{error} {error!r}"
    pickle.dumps(error)


def test_the_values():
    """Among them are values that are too large, too deep and too long for what reads them."""
    with pytest.raises(ValueError, match="digits"):
        json.loads("9" * 5000)
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000 + "]" * 100_000)
    with pytest.raises(OverflowError):
        float(json.loads("9" * 400))


#: Those that are tried in every single place.
WORST = ["null", "true", "-1", "1e400", "9" * 400, '"x"', "[]", "[" * DEEP + "]" * DEEP]


@pytest.mark.slow
@pytest.mark.parametrize("usual", USUAL, ids=lambda usual: json.dumps(usual)[:40])
def test_every_place(world, usual):
    """A run ends with an outcome for each command when any one place of an answer holds the worst of values."""
    portal, b24, _ = world
    once = b24.with_options(retries=RetryPolicy(attempts=1), operating_wait=700)
    for path, value in some(itertools.product(paths(usual), WORST)):
        portal.fail_next(Answer(changed(usual, [(path, value)])))
        all_usable(once.batch_by_chunk(CALLS, halt_on_error=False).rows)


@pytest.mark.slow
@pytest.mark.parametrize("way", [{}, {"paging": "start"}], ids=repr)
def test_every_place_of_a_list(world, way):
    """So ends a list: in rows, or in an error of ours."""
    portal, b24, _ = world
    rows = next(usual for usual in USUAL if usual.get("result") == ROWS)
    for path, value in itertools.product(paths(rows), WORST):
        portal.fail_next(Answer(changed(rows, [(path, value)])))
        try:
            b24.call_list("crm.deal.list", **way)
        except SdkError as error:
            is_usable(error)


@MANY
@given(answers, st.booleans(), st.booleans())
def test_a_run(world, answer, halt, reads):
    """A run ends with one outcome for each command, whatever is in an answer, and the portal is of use afterwards."""
    portal, b24, clock = world
    calls = [("echo.get",)] * 3 if reads else CALLS
    portal.fail_next(answer, times=2)
    began = clock.monotonic()
    all_usable(b24.batch_by_chunk(calls, halt_on_error=halt).rows)
    all_usable(b24.stream_batch(calls, halt_on_error=halt))
    assert clock.monotonic() - began <= 2000.0
    assert consumed(portal, b24).is_success


@MANY
@given(answers)
def test_the_other_ways(world, answer):
    """So with a single batch, a call and a list: an outcome, or an error of ours."""
    portal, b24, _ = world
    ways = [
        lambda: b24.batch([("echo",)] * 3).rows,
        lambda: [b24.call("crm.deal.add")],
        lambda: b24.call_list("crm.deal.list") and [],
        lambda: b24.call_list("crm.deal.list", paging="start") and [],
        lambda: b24.call_list("no.such.list", result_key="x") and [],
    ]
    for send in ways:
        portal.fail_next(answer, times=2)
        try:
            all_usable(send())
        except SdkError as error:
            is_usable(error)
        consumed(portal, b24)


def consumed(portal, b24):
    """Use up the faults that are left."""
    for _ in range(3):
        outcome = b24.batch_by_chunk([("echo",)])
        if outcome.is_success:
            break
    return outcome
