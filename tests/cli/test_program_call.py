"""The commands ``call`` and ``list``: params as typed in a shell, results as JSON or CSV, and how both end."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from shell import PATIENCE, against, command, interrupt, outcomes, run, started

from b24batch import UsageError
from b24batch.cli.params import parse_pairs
from b24batch.cli.rows import Table, copy_rows
from b24batch.cli.terminal import tell_wait
from b24batch.clock import Wait
from b24batch.sandbox import Page, Portal, PortalError


@pytest.fixture
def deals(portal):
    """Return a portal with 120 deals."""
    for number in range(1, 121):
        portal.execute("crm.deal.add", {"fields": {"TITLE": f"Deal {number}"}})
    return portal


@pytest.mark.parametrize(
    ("pairs", "params"),
    [
        ([], None),
        (["id=7"], {"id": "7"}),
        (["a="], {"a": ""}),
        (["fields[TITLE]=a=b [c] \n"], {"fields": {"TITLE": "a=b [c] \n"}}),
        (["filter[>=ID]=100", "filter[!%TITLE]=x"], {"filter": {">=ID": "100", "!%TITLE": "x"}}),
        (["select[]=ID", "select[]=TITLE"], {"select": ["ID", "TITLE"]}),
        (["rows[][ID]=1", "rows[][ID]=2"], {"rows": [{"ID": "1"}, {"ID": "2"}]}),
        (["rows[0][ID]=1", "rows[0][QTY]=2"], {"rows": [{"ID": "1", "QTY": "2"}]}),
        (["a[7]=x", "a[]=y"], {"a": {"7": "x", "8": "y"}}),
        (["a[1]=x", "a[0]=y"], {"a": {"1": "x", "0": "y"}}),
        ([f"a[{'9' * 5000}]=x"], {"a": {"9" * 5000: "x"}}),
        (["0[ID]=desc", "1[STATUS]=5"], [{"ID": "desc"}, {"STATUS": "5"}]),
    ],
)
def test_pairs(pairs, params):
    """Pairs are read as PHP reads a query, and their values stay text."""
    assert parse_pairs(pairs) == params


@pytest.mark.parametrize(
    "pairs",
    [["a"], ["=1"], ["a[b=1"], ["a]b=1"], ["a[b]c=1"], ["[a]=1"], ["a=1", "a=2"], ["a=1", "a[b]=2"], ["a[b]=1", "a=2"]],
)
def test_pairs_that_are_none(pairs):
    """What is no pair, or gives a key twice, is refused with the text that is wrong."""
    with pytest.raises(UsageError) as refusal:
        parse_pairs(pairs)
    assert pairs[-1] in str(refusal.value)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([f"a[{'9' * 5000}]=x", "a[]=y"], "has no next number after the key '999"),
        ([f"name{'[b]' * 3000}=x"], "more than 64 keys in brackets: 'name[b]"),
    ],
)
def test_odd_keys(portal, pairs, reason):
    """Keys that PHP would not count on from, or would drop, end with 2 and their beginning; nothing is sent."""
    ended = against(portal.url, "call", "echo", *pairs)
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert reason in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["--", "-k=v"], ["--quiet", "--", "-k=v"], ["a=1", "--quiet", "b=2", "--", "-k=v"]]
)
def test_params_behind_two_dashes(portal, arguments):
    """What stands behind two dashes are params, also when they begin with one."""
    ended = against(portal.url, "call", "echo", *arguments)
    assert (ended.returncode, json.loads(ended.stdout)["-k"]) == (0, "v")


def test_call_without_a_method(portal):
    """A call wants a method, and params only if it has any."""
    ended = against(portal.url, "call")
    assert ended.returncode == 2
    assert ended.stderr.endswith("the following arguments are required: METHOD\n")


@pytest.mark.slow
def test_unwritten_result(portal):
    """A call whose result cannot be written is said to have been executed."""
    line, options = command("call", "crm.deal.add", B24_WEBHOOK_URL=portal.url)
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(line, timeout=PATIENCE, **{**options, "stdout": full})
    assert ended.returncode == 1
    assert ended.stderr == (
        "b24batch: crm.deal.add: it was executed, but its result could not be written\n"
        "b24batch: the output cannot be written: No space left on device\n"
    )
    assert len(portal.executed) == 1


def test_lost_list(portal):
    """A list whose answer was lost ends with 3."""
    portal.fail_next("lost_after", times=9)
    ended = against(portal.url, "list", "crm.deal.list", "--attempts", "1")
    assert ended.returncode == 3
    assert "ANSWER_LOST" in ended.stderr


def test_call(portal):
    """The result is JSON on standard output, what else is known is on standard error; options may stand anywhere."""
    ended = against(portal.url, "call", "echo", "a=1", "--attempts", "1", "select[]=ID", "select[]=№")
    assert json.loads(ended.stdout) == {"a": "1", "select": ["ID", "№"]}
    assert (ended.returncode, ended.stderr) == (0, "b24batch: echo: ok\n")


def test_call_of_a_list_method(deals):
    """The number of rows and the next page of a list method are told, and not with --quiet."""
    ended = against(deals.url, "call", "crm.deal.list")
    assert ended.stderr == "b24batch: crm.deal.list: ok, total rows = 120, next page: start = 50\n"
    quiet = against(deals.url, "call", "crm.deal.list", "--quiet")
    assert (quiet.stdout, quiet.stderr) == (ended.stdout, "")


@pytest.mark.parametrize("given_by", ["argument", "file", "standard input"])
def test_params_as_json(portal, tmp_path, given_by):
    """--params takes JSON itself, from a file, or from standard input."""
    text = '{"fields": {"TITLE": "Сделка", "AMOUNT": 10}}'
    path = tmp_path / "params.json"
    path.write_text(text, encoding="utf-8")
    given = {"argument": text, "file": f"@{path}", "standard input": "-"}[given_by]
    ended = against(portal.url, "call", "echo", "--params", given, stdin=text)
    assert json.loads(ended.stdout) == {"fields": {"TITLE": "Сделка", "AMOUNT": 10}}


def test_positional_params(portal):
    """A JSON array is the params of a positional method."""
    ended = against(portal.url, "call", "echo", "--params", '["a", {"b": 1}]')
    assert json.loads(ended.stdout) in ({"0": "a", "1": {"b": 1}}, ["a", {"b": 1}])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["echo", "a=1", "--params", "{}"], "not from both: 'a=1'"),
        (["echo", "--params", "{"], "--params is not JSON"),
        (["echo", "--params", "7"], "--params: expected a JSON object or array, got 7"),
        (["echo", "--params", "@no.json"], "--params cannot be read: No such file or directory"),
        (["echo", "title"], "expected key=value, such as fields[TITLE]=Deal, got 'title'"),
        (["echo", "https://example.com/rest/1/s3cret/"], "***"),
        (["https://example.com/rest/1/s3cret/"], "method: expected a name such as crm.deal.add"),
        (["echo", "auth=s3cret"], "auth is a name reserved by the portal"),
        (["echo", "--webhook", "https://example.com/rest/1/s3cret/", "--sandbox"], "not allowed with argument"),
        (["echo", "--attempt", "2"], "unrecognized arguments: --attempt"),
        (["echo", "--webhook", ""], "does not start with https://"),
    ],
)
def test_wrong_usage(portal, arguments, reason):
    """Wrong params and options end with 2 and a sentence; nothing is sent, and no secret is repeated."""
    ended = against(portal.url, "call", *arguments)
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert reason in ended.stderr
    assert "s3cret" not in ended.stderr


@pytest.mark.parametrize("name", ["call", "list"])
@pytest.mark.parametrize("environment", [{}, {"B24_WEBHOOK_URL": ""}])
def test_no_portal(name, environment):
    """Without a portal the program says how to name one."""
    ended = run(name, "server.time", **environment)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "B24_WEBHOOK_URL" in ended.stderr


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("lost_after", 3, "crm.deal.add: ANSWER_LOST: the answer was lost: ConnectionError; it may have been executed"),
        ("unauthorized", 1, "the portal refuses the webhook: INVALID_CREDENTIALS"),
        ("moved", 1, "crm.deal.add: PORTAL_MOVED"),
        (PortalError("ERROR", "a\x1b[31m\nb"), 1, "crm.deal.add: ERROR: a [31m b"),
    ],
)
def test_call_that_fails(portal, fault, code, reason):
    """A call that fails prints one line on standard error, without control characters, and nothing else."""
    portal.fail_next(fault)
    ended = against(portal.url, "call", "crm.deal.add", "fields[TITLE]=x", "--quiet")
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(f"b24batch: {reason}")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["call", "list"])
def test_unreachable_portal(closed_url, name):
    """A portal out of reach is 4."""
    ended = against(closed_url, name, "crm.deal.list", "--attempts", "1")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "the portal cannot be reached" in ended.stderr


def test_webhook_given_by_argument(portal, closed_url):
    """--webhook goes before the environment."""
    ended = run("call", "server.time", "--webhook", portal.url, B24_WEBHOOK_URL=closed_url)
    assert ended.returncode == 0
    assert len(portal.executed) == 1


@pytest.mark.slow
def test_interrupted_call(portal):
    """Ctrl-C ends a call with 130, and says that it may have been executed."""
    asked, over = threading.Event(), threading.Event()

    @portal.method("hang")
    def hang(params):
        asked.set()
        over.wait(PATIENCE)

    with started("call", "hang", B24_WEBHOOK_URL=portal.url) as process:
        assert asked.wait(PATIENCE)
        ended = interrupt(process)
        over.set()
    assert ended == (130, "", "b24batch: hang: interrupted; it may have been executed\n")


def test_list_as_json_lines(deals):
    """A list has each of its rows on a line, in the order of their ids."""
    ended = against(deals.url, "list", "crm.deal.list", "filter[>ID]=10", "select[]=ID")
    assert [int(row["ID"]) for row in outcomes(ended.stdout)] == list(range(11, 121))
    assert (ended.returncode, ended.stderr) == (0, "b24batch: 110 rows\n")


def test_list_backwards(deals):
    """--descending begins with the newest row."""
    ended = against(deals.url, "list", "crm.deal.list", "--descending", "--quiet")
    assert [int(row["ID"]) for row in outcomes(ended.stdout)] == list(range(120, 0, -1))
    assert ended.stderr == ""


def test_list_with_several_requests_on_their_way(deals):
    """--concurrency reads parts of a list beside each other, so with other requests: the rows are the same."""
    in_turn = against(deals.url, "list", "crm.deal.list", "select[]=ID")
    requests = [request.params for request in deals.requests]
    deals.requests.clear()
    beside = against(deals.url, "list", "crm.deal.list", "select[]=ID", "--concurrency", "4")
    assert [int(row["ID"]) for row in outcomes(beside.stdout)] == list(range(1, 121))
    assert (beside.stdout, beside.stderr) == (in_turn.stdout, "b24batch: 120 rows\n")
    assert [request.params for request in deals.requests] != requests


@pytest.mark.parametrize("option", [["--csv"], ["--format", "csv"]])
def test_list_as_csv(portal, option):
    """A table has all columns of all rows: text as it is, nothing for null, JSON for the rest."""
    rows = [
        {"ID": "1", "TITLE": 'say "hi", \n № 1', "OPEN": True, "NOTE": None},
        {"ID": "2", "TITLE": "plain", "SUM": 1.5, "TAGS": ["a", {"b": 1}]},
    ]
    portal.method("row.list")(lambda params: Page(rows, total=2))
    ended = against(portal.url, "list", "row.list", "--paging", "start", *option)
    assert list(csv.DictReader(io.StringIO(ended.stdout))) == [
        {"ID": "1", "TITLE": 'say "hi", \n № 1', "OPEN": "true", "NOTE": "", "SUM": "", "TAGS": ""},
        {"ID": "2", "TITLE": "plain", "OPEN": "", "NOTE": "", "SUM": "1.5", "TAGS": '["a", {"b": 1}]'},
    ]
    assert ended.returncode == 0


def test_line_ends_in_a_table():
    """A cell keeps whatever line ends it has, and its row stays one row."""
    rows = [{"ID": str(n), "TEXT": text} for n, text in enumerate(["a\rb", "a\nb", "a\r\nb", "a\u2028b"])]
    output = io.StringIO(newline="")
    assert copy_rows([rows[:2], rows[2:]], Table(output)) == 4
    assert list(csv.DictReader(io.StringIO(output.getvalue(), newline=""))) == rows


@pytest.mark.parametrize("option", [[], ["--csv"]])
def test_empty_list(portal, option):
    """A list without rows is an empty output, and all is well."""
    ended = against(portal.url, "list", "crm.deal.list", *option)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "b24batch: 0 rows\n")


def test_list_with_keys_of_its_own(portal):
    """Of a method that the library does not know, the options name id and rows."""
    portal.method("my.list")(lambda params: {"things": [{"KEY": 5}] if not params.get("filter") else []})
    keys = ["--id-key", "KEY", "--result-key", "things"]
    ended = against(portal.url, "list", "my.list", *keys, "--request-id", "nightly")
    assert outcomes(ended.stdout) == [{"KEY": 5}]
    assert portal.requests[0].headers["x-request-id"] == "nightly"


@pytest.mark.parametrize("option", [[], ["--csv"]])
def test_list_that_ends_early(deals, option):
    """What was read before an error is written, and the list is said to be incomplete, even with --quiet."""
    deals.fail_next("refused", after=1)
    ended = against(deals.url, "list", "crm.deal.list", "select[]=ID", "--quiet", *option)
    assert len(ended.stdout.splitlines()) == 50 + len(option)
    incomplete, reason = ended.stderr.splitlines()
    assert incomplete == "b24batch: the list is incomplete: it ended after 50 rows"
    assert "ACCESS_DENIED" in reason
    assert ended.returncode == 1


@pytest.mark.slow
def test_interrupted_list(portal):
    """Ctrl-C keeps the rows so far, says that there are more, and ends with 130."""
    asked, over = threading.Event(), threading.Event()

    @portal.method("row.list")
    def rows(params):
        if params.start:
            asked.set()
            over.wait(PATIENCE)
        return Page([{"ID": str(number)} for number in range(50)], next=50, total=100)

    with started("list", "row.list", "--paging", "start", B24_WEBHOOK_URL=portal.url) as process:
        assert asked.wait(PATIENCE)
        code, output, errors = interrupt(process)
        over.set()
    assert (code, len(output.splitlines())) == (130, 50)
    assert errors == "b24batch: the list is incomplete: it ended after 50 rows\n"


@pytest.mark.slow
def test_nobody_reads_the_list_on(portal):
    """A reader that goes away ends a list with 141 and a sentence."""
    portal.method("row.list")(
        lambda params: Page([{"ID": str(params.start + n)} for n in range(50)], next=params.start + 50, total=10**6)
    )
    with started("list", "row.list", "--paging", "start", B24_WEBHOOK_URL=portal.url) as process:
        process.stdout.readline()
        process.stdout.close()
        process.wait(PATIENCE)
        errors = process.stderr.read()
    assert process.returncode == 141
    assert errors.startswith("b24batch: the list is incomplete")
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [pytest.param(["call", "server.time"], marks=pytest.mark.slow), ["list", "user.get"]]
)
def test_full_disk(arguments):
    """An output that cannot be written is one sentence and exit code 1, also while a list is written."""
    with Path("/dev/full").open("w") as full, Portal() as portal:
        line, options = command(*arguments, "--webhook", portal.url)
        ended = subprocess.run(line, timeout=PATIENCE, **{**options, "stdout": full})
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "b24batch: the output cannot be written: No space left on device"
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


@pytest.mark.parametrize("name", ["", "call", "run", "list", "demo", "sandbox"])
def test_help(name):
    """The help of every command has an example and fits 80 columns; that of the program has the exit codes."""
    ended = run(*filter(None, [name]), "--help", COLUMNS="80")
    assert ended.returncode == 0
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())
    assert f"\n  b24batch {name}" in ended.stdout if name else "exit codes:" in ended.stdout


@pytest.mark.parametrize("name", ["call", "run", "list"])
def test_help_warns_of_the_command_line(name):
    """Whoever could pass a webhook on the command line is told that others can read it there."""
    told = " ".join(run(name, "--help", COLUMNS="80").stdout.split())
    assert "others can read it (ps), so better put it into B24_WEBHOOK_URL" in told


def test_console_script():
    """The program is installed as ``b24batch``, and tells its version."""
    script = Path(sys.executable).with_name("b24batch")
    told = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ))
    assert told.stdout.startswith("b24batch 0.")


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (Wait("rate", 0.5, 1, "id"), ""),
        (Wait("rate", 20.0, 1, "id"), "b24batch: waiting 20 s: rate limit\n"),
        (Wait("retry", 1.2, 2, "id"), "b24batch: waiting 1 s: before the request is sent again\n"),
    ],
)
def test_waits_are_told(capsys, wait, said):
    """Why nothing happens is told, but not the short waits that every long run has."""
    tell_wait(wait)
    assert capsys.readouterr().err == said
