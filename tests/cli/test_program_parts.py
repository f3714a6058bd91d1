"""Parts of a file of commands: what remains of it after a run, a first line, a limit; and files that are an array."""

from __future__ import annotations

import io
import json
import sys

import pytest
from shell import against, outcomes, run

from b24batch.__main__ import main


def lines_of(count, **more):
    """Return so many lines, each with a name of its own."""
    return [{"method": "echo", "params": {"n": n}, "name": f"n{n}", **more} for n in range(1, count + 1)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "commands.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines_of(6)))
    return path


@pytest.fixture
def told(tmp_path):
    """Return what writes outcomes to a file and returns its path."""

    def write(*rows):
        path = tmp_path / "outcomes.jsonl"
        path.write_text("".join(row if isinstance(row, str) else f"{json.dumps(row)}\n" for row in rows))
        return path

    return write


@pytest.fixture
def go(portal, file):
    return lambda *options: against(portal.url, "run", file, "--chunk-size", "2", *options)


def outcome(line, status, error=None, **more):
    error = error and {"type": error, "code": "X", "description": ""}
    return {"line": line, "name": f"n{line}", "method": "echo", "status": status, "error": error, **more}


def numbers(portal):
    return [int(executed.params["n"]) for executed in portal.executed]


def test_what_was_skipped_is_sent(portal, go, told):
    """--remaining sends the lines that were skipped, with their numbers and names, and no other."""
    portal.fail_next("refused", after=1)
    first = go("--stop")
    assert [row["status"] for row in outcomes(first.stdout)] == ["ok"] * 2 + ["failed"] * 2 + ["skipped"] * 2
    portal.executed.clear()
    ended = go("--remaining", told(first.stdout))
    assert [(row["line"], row["name"], row["status"]) for row in outcomes(ended.stdout)] == [
        (3, "n3", "ok"),
        (4, "n4", "ok"),
        (5, "n5", "ok"),
        (6, "n6", "ok"),
    ]
    assert (ended.returncode, ended.stderr) == (0, "b24batch: 4 commands: 4 ok\n")
    assert numbers(portal) == [3, 4, 5, 6]


def test_what_is_unknown_is_told_and_not_sent(portal, go, told):
    """Lines that perhaps took effect are named, not sent, and keep the exit code at 3."""
    portal.fail_next("lost_after", after=1)
    portal.method("echo")(lambda params: params)
    first = go("--stop", "--attempts", "1")
    assert [row["status"] for row in outcomes(first.stdout)] == ["ok"] * 2 + ["unknown"] * 2 + ["skipped"] * 2
    ended = go("--remaining", told(first.stdout))
    assert [row["line"] for row in outcomes(ended.stdout)] == [5, 6]
    assert ended.returncode == 3
    assert "lines 3 to 4 are unknown in " in ended.stderr
    assert "perhaps executed, and not sent again: look for them on the portal" in ended.stderr
    assert numbers(portal) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("option", [[], ["--quiet"]])
def test_a_line_without_an_outcome_is_not_sent(portal, go, told, option):
    """A line that has no outcome may have been sent: it is named, with the way to send it, and the exit code is 1."""
    ended = go("--remaining", told(outcome(1, "ok"), outcome(2, "skipped"), outcome(4, "ok")), *option)
    assert (ended.returncode, numbers(portal)) == (1, [2])
    assert "lines 3, 5 to 6 are without an outcome in " in ended.stderr
    assert "if they were never sent, send them with --from 3 --limit 1, then --from 5\n" in ended.stderr


@pytest.mark.parametrize("lines", [[2], [3, 4], [2, 4, 5], [1, 6], [1, 2, 3, 4, 5]])
def test_lines_without_an_outcome_are_sent_once(portal, go, told, lines):
    """The options that the message names send the lines that have no outcome, and no other."""
    ended = go("--remaining", told(*(outcome(line, "ok") for line in range(1, 7) if line not in lines)))
    assert numbers(portal) == []
    for options in ended.stderr.partition("send them with ")[2].splitlines()[0].split(", then "):
        assert go(*options.split()).returncode == 0
    assert numbers(portal) == lines


@pytest.mark.parametrize(
    ("row", "is_sent"),
    [
        (outcome(1, "failed", "NotSent"), True),
        (outcome(1, "failed", "RateLimited"), True),
        (outcome(1, "failed", "AuthError"), True),
        (outcome(1, "failed", "AjaxError"), False),
        (outcome(1, "failed", "ReferenceMissed"), False),
        (outcome(1, "failed", "SomethingNew"), False),
        (outcome(1, "failed", ["NotSent"]), None),
        (outcome(1, "unknown", "AnswerLost"), False),
        (outcome(1, "ok", "NotSent"), False),
    ],
)
def test_which_outcomes_remain(portal, go, told, row, is_sent):
    """Beside the skipped lines those remain whose error proves that they were not executed, as for `remaining`."""
    ended = go("--remaining", told(row))
    assert numbers(portal) == ([1] if is_sent else [])
    assert (ended.returncode == 2) == (is_sent is None)


def test_one_file_of_outcomes_for_all_runs(portal, go, told):
    """The outcomes of the rest may follow those of the first run in the same file: the later ones count."""
    path = told(*(outcome(n, "skipped") for n in range(1, 7)))
    for options, sent in ((["--limit", "4"], [1, 2, 3, 4]), ([], [1, 2, 3, 4, 5, 6]), ([], [1, 2, 3, 4, 5, 6])):
        ended = go("--remaining", path, *options)
        with path.open("a") as outcomes_file:
            outcomes_file.write(ended.stdout)
        assert (ended.returncode, numbers(portal)) == (0, sent)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "has no outcomes; if > has just emptied it, write to another file, or with >>"),
        (["{\n"], "line 1: is not JSON"),
        (["7\n"], "line 1: expected an outcome as b24batch run writes it"),
        (["{}\n"], "line 1: expected an outcome"),
        ([outcome(0, "ok")], "line 1: expected an outcome"),
        ([outcome("1", "ok")], "line 1: expected an outcome"),
        ([outcome(1, "done")], "line 1: expected an outcome"),
        ([outcome(1, "ok"), '{"line": 2'], "line 2: is not JSON"),
        (
            [outcome(1, "ok"), json.dumps(outcome(2, "ok"))[:-9]],
            "; it is cut off: delete this line, and look for its command on the portal",
        ),
        ([outcome(1, "ok"), outcome(1, "ok")], "line 2: 1 has an outcome already, in line 1"),
        ([outcome(1, "ok"), outcome(9, "skipped")], "line 2 is the outcome of line 9, which the file of commands does"),
        (
            [outcome(1, "skipped", method="crm.deal.add")],
            "line 1 is the outcome of line 1, crm.deal.add 'n1', but that is echo 'n1' in the file of commands",
        ),
        ([outcome(1, "skipped", name=None)], "line 1 is the outcome of line 1, echo, but that is echo 'n1'"),
        ([outcome(1, "skipped", name="n2")], "line 1 is the outcome of line 1, echo 'n2', but that is echo 'n1'"),
    ],
)
def test_outcomes_of_another_file(portal, go, told, rows, reason):
    """Outcomes that are none, or are of other commands, are refused with their line; nothing is sent."""
    ended = go("--remaining", told(*rows))
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert reason in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_blank_lines_between_outcomes(portal, go, told):
    """Blank lines between outcomes count as lines and are no outcomes, as in the file of commands."""
    ended = go(
        "--remaining", told("\n", outcome(1, "ok"), " \r\n", *(outcome(n, "skipped") for n in range(2, 7)), "\n")
    )
    assert (ended.returncode, numbers(portal)) == (0, [2, 3, 4, 5, 6])


def test_outcomes_from_standard_input(portal, file):
    """The outcomes can come from standard input, if the commands do not."""
    text = "".join(f"{json.dumps(outcome(n, 'skipped'))}\n" for n in range(1, 7))
    assert against(portal.url, "run", file, "--remaining", "-", stdin=text).returncode == 0
    assert numbers(portal) == [1, 2, 3, 4, 5, 6]
    ended = against(portal.url, "run", "-", "--remaining", "-", stdin=text)
    assert (ended.returncode, ended.stderr) == (2, "b24batch: FILE and --remaining are both standard input\n")


def test_outcomes_that_cannot_be_read(portal, go):
    """A file of outcomes that is not there is named."""
    ended = go("--remaining", "no.jsonl")
    assert (ended.returncode, portal.requests) == (2, [])
    assert ended.stderr == "b24batch: no.jsonl cannot be read: No such file or directory\n"


@pytest.mark.parametrize("option", [["--from", "3"], ["--remaining", "o"]])
def test_a_journal_knows_its_own_rest(portal, go, tmp_path, option):
    """A journal goes on by itself, so that it excludes the other two ways to go on."""
    ended = go("--journal", tmp_path / "j", *option)
    assert (ended.returncode, portal.requests) == (2, [])
    assert f"{option[0]} and --journal exclude each other" in ended.stderr


def test_a_journal_and_a_limit(portal, go, tmp_path):
    """The first commands can be tried with a journal, and the same command without --limit sends the others."""
    for options in (["--limit", "2"], []):
        assert go("--journal", tmp_path / "j", *options).returncode == 0
    assert numbers(portal) == [1, 2, 3, 4, 5, 6]


def test_remaining_from_standard_input(portal, file, told):
    """The commands can come from standard input with --remaining as well."""
    path = told(outcome(1, "ok"), *(outcome(n, "skipped") for n in range(2, 7)))
    ended = against(portal.url, "run", "-", "--remaining", path, stdin=file.read_text())
    assert (ended.returncode, numbers(portal)) == (0, [2, 3, 4, 5, 6])


@pytest.mark.parametrize("options", [[], ["--csv", "--method", "echo", "--map", "n=n"]])
def test_standard_input_that_was_read_before(portal, monkeypatch, capsys, options):
    """What another program has read of standard input is not read again, even if that is a file."""
    given = io.TextIOWrapper(
        io.BufferedReader(io.BytesIO(b'["no.such.method"]\nn\n1\n' if options else b'[1]\n["echo"]\n'))
    )
    given.buffer.readline()
    monkeypatch.setattr(sys, "stdin", given)
    assert main(["run", "-", "--webhook", portal.url, *options]) == 0
    assert [executed.method for executed in portal.executed] == ["echo"]


def test_the_first_line_and_the_limit(portal, go):
    """--from begins at a line, --limit ends after so many commands, and the numbers remain those of the file."""
    ended = go("--from", "2", "--limit", "3")
    assert [row["line"] for row in outcomes(ended.stdout)] == [2, 3, 4]
    assert numbers(portal) == [2, 3, 4]


def test_the_limit_reads_no_further(portal):
    """What stands behind the limit is not read, so that it can be anything."""
    ended = against(portal.url, "run", "-", "--limit", "1", stdin='["echo"]\n{\n')
    assert (ended.returncode, len(portal.executed)) == (0, 1)


def test_lines_in_brackets(portal):
    """A line can be [method, params] as well, without params, or with a list of them."""
    lines = '["echo", {"a": "1"}]\n["echo"]\n["echo", ["x", "y"]]\n{"method": "echo"}\n'
    ended = against(portal.url, "run", "-", stdin=lines)
    assert [row["line"] for row in outcomes(ended.stdout)] == [1, 2, 3, 4]
    assert [row["data"] for row in outcomes(ended.stdout)] == [{"a": "1"}, [], ["x", "y"], []]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("begin", ["", "\ufeff", "\n  \n "])
@pytest.mark.parametrize("given_by", ["file", "standard input"])
def test_an_array(portal, file, indent, begin, given_by):
    """A file can be one JSON array, however it is laid out; the numbers are those of its elements."""
    commands = [*lines_of(2), ["echo", {"n": 3}], ["echo"]]
    text = begin + json.dumps(commands, indent=indent)
    file.write_text(text, encoding="utf-8")
    name = "-" if given_by == "standard input" else file
    ended = against(portal.url, "run", name, stdin=text)
    rows = [(row["line"], row["name"], row["data"]) for row in outcomes(ended.stdout)]
    assert rows == [(1, "n1", {"n": "1"}), (2, "n2", {"n": "2"}), (3, None, {"n": "3"}), (4, None, [])]
    assert ended.stderr == "b24batch: 4 commands: 4 ok\n"


def test_an_empty_array(portal):
    """An empty array is an empty success."""
    ended = against(portal.url, "run", "-", stdin="[]")
    assert (ended.returncode, ended.stderr, portal.requests) == (0, "b24batch: 0 commands: none\n", [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[\n{}]", "element 1: has no method"),
        ('[["echo"], 7]', "element 2: expected an object with a method and params, or [method, params], got 7"),
        ('[["echo"],\n', "the array is not JSON: Expecting value (line 2, character 1)"),
        ('[["echo"]]\n["echo"]', "the array is not JSON: Extra data (line 2, character 1)"),
        ('[\n"echo", {}]', "element 1: expected an object with a method and params, or [method, params], got 'echo'"),
        (
            '[["echo"], {"method": "batch"}]',
            "element 2 (batch): this method is not allowed inside a batch; use b24batch",
        ),
        ('[{"method": "echo", "name": "a"}, ["echo", {"x": "$result[a]"}]]', "element 2: x is '$result[a]'"),
        ("[" * 100_000, "the array is nested too deeply"),
    ],
)
def test_a_broken_array(portal, text, reason):
    """What is wrong in an array is named by the number of the element."""
    ended = against(portal.url, "run", "-", stdin=text)
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert ended.stderr.startswith(f"b24batch: {reason}")


def test_the_first_error_of_an_array(portal, file):
    """The summary names an element of an array as such."""
    file.write_text('[["echo"],\n["no.such.method"]]')
    assert "1 failed; first error: element 2: no.such.method: " in against(portal.url, "run", file).stderr


def test_where_an_array_goes_on(portal, file):
    """An array is not cut line by line: the program proposes --from."""
    file.write_text(json.dumps([["echo", {"n": 1}], ["echo", {"n": 2}], 7, ["echo", {"n": 4}]]))
    ended = against(portal.url, "run", file, "--chunk-size", "1")
    assert f"elements up to 2 have an outcome; nothing after that was sent; continue with: b24batch run {file} " in (
        ended.stderr
    )
    assert "--chunk-size 1 --from 3\n" in ended.stderr


def test_what_remains_of_an_array(portal, file, told):
    """The outcomes of an array lead back to its elements."""
    file.write_text(json.dumps(lines_of(3)))
    ended = against(portal.url, "run", file, "--remaining", told(*(outcome(n, "skipped") for n in (1, 2, 3))))
    assert (ended.returncode, numbers(portal)) == (0, [1, 2, 3])


@pytest.mark.parametrize("text", ["lines", "array"])
def test_progress_of_a_file(file, text):
    """The total of a file is known before it is sent."""
    if text == "array":
        file.write_text(json.dumps(lines_of(6, method="server.time")))
    for options, total in (([], 6), (["--from", "5"], 2), (["--limit", "4"], 4)):
        assert f"0 of {total}" in run("run", file, "--sandbox", "--progress", *options).stderr
