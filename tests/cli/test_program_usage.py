"""Wrong command lines: each ends with one message in the words of a shell, and sends nothing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from shell import code_of, run

import b24batch
from b24batch.cli.arguments import make_parser
from b24batch.cli.wording import OPTIONS, to_shell

SECRET = "s3cretc0de"
URL = f"https://example.com/rest/1/{SECRET}/"
CSV = ["run", "deals.csv", "--csv"]
MAPPED = [*CSV, "--method", "crm.deal.add", "--map", "TITLE=name"]
LIST = ["list", "crm.deal.list"]
#: Command lines, and the message that each ends with.
WRONG = [
    (["calls"], "argument command: invalid choice: 'calls' (choose from "),
    (["--verbos"], "the following arguments are required: command"),
    (["--webhook", URL, "call", "echo"], "unrecognized arguments: --webhook; options follow the command: b24batch CO"),
    ([f"--webhook={URL}", "call", "echo"], "unrecognized arguments: --webhook; options follow the command"),
    (["-q", "call", "echo"], "unrecognized arguments: -q; options follow the command: b24batch COMMAND -q"),
    (["call"], "the following arguments are required: METHOD"),
    (["call", "deal add"], "method: expected a name such as crm.deal.add, got 'deal add'"),
    (["call", "crm.deal.add.json"], "method: expected a name without a format at its end, got 'crm.deal.add.json'"),
    (["call", URL], "method: expected a name such as crm.deal.add, got 'https://example.com/rest/1/***/'"),
    (["call", "echo", "title"], "expected key=value, such as fields[TITLE]=Deal, got 'title'"),
    (["call", "echo", "a=1", "a=2"], "duplicate key: 'a=2'"),
    (["call", "echo", "a=1", "--params", "{}"], "params come from --params or from key=value, not from both: 'a=1'"),
    (
        ["call", "echo", "--params", "{"],
        "--params is not JSON: Expecting property name enclosed in double quotes (char",
    ),
    (["call", "echo", "--params", "7"], "--params: expected a JSON object or array, got 7"),
    (["call", "echo", "--params", "@no.json"], "--params cannot be read: No such file or directory"),
    (["call", "echo", f"auth={SECRET}"], "echo: auth is a name reserved by the portal; omit it"),
    (
        ["call", "echo", "--params", '{"fields": {"X": true}}'],
        "is true; it is not known which form of booleans",
    ),
    (["call", "echo", "--timeout", "0"], "--timeout: expected a positive number of seconds, got 0.0"),
    (["call", "echo", "--timeout", "ten"], "argument --timeout: invalid float value: 'ten'"),
    (["call", "echo", "--attempts", "0"], "argument --attempts: expected a whole number, at least 1"),
    (["call", "echo", "--request-id", ""], "--request-id: expected 1 to 128 printable ASCII characters, got ''"),
    (["call", "echo", "--webhook", URL, "--sandbox"], "argument --sandbox: not allowed with argument --webhook"),
    (
        ["call", "echo", "--webhook", SECRET],
        "a webhook URL looks like https://example.bitrix24.com/rest/1/<code>/; this one",
    ),
    (["call", "echo", "--webhook", f"'{URL}'"], "--webhook begins with a quotation mark: remove the quotes"),
    (["call", "echo", "--webhook", URL.replace("https", "http")], "unencrypted: use https, or pass --allow-http"),
    (["call", "echo", "-q", "--verbose"], "argument --verbose: not allowed with argument -q/--quiet"),
    (["call", "echo", f"--webhok={URL}"], "unrecognized arguments: <address>"),
    (["run"], "the following arguments are required: FILE"),
    (["run", "no.jsonl"], "no.jsonl cannot be read: No such file or directory"),
    (["run", URL], "https://example.com/rest/1/***/ cannot be read: No such file or directory"),
    (["run", "-", "--chunk-size", "51"], "--chunk-size: expected a whole number from 1 to 50, got 51"),
    (["run", "-", "--concurrency", "17"], "argument --concurrency: expected a whole number from 1 to 16"),
    (["run", "-", "--limit", "0"], "argument --limit: expected a whole number, at least 1"),
    (["run", "-", "--stop-after", "-1"], "--stop-after: expected a positive number of seconds, got -1.0"),
    (["run", "-", "more"], "unrecognized arguments: more; key=value needs --csv"),
    (["run", "-", "--map", "TITLE=name"], "--map needs --csv"),
    (["run", "-", "--journal", "deals"], "deals is not a regular file; nothing was sent"),
    (["run", "-", "--journal", "j", "--from", "2"], "--from and --journal exclude each other: with a journal the same"),
    (["run", "-", "--remaining", "no.jsonl"], "no.jsonl cannot be read: No such file or directory"),
    (CSV, "--csv needs --method, such as --method crm.deal.add"),
    ([*CSV, "--method", "crm.deal.add"], "--csv needs --map FIELD=COLUMN, such as --map TITLE=name"),
    ([*CSV, "--method", "deal add", "--map", "TITLE=name"], "method: expected a name such as crm.deal.add, got"),
    ([*MAPPED, "--map", "ID=id"], "--map 'ID=id': write .ID=id for the parameter ID, or fields[ID]=id for the field"),
    ([*MAPPED, "--delimiter", ";;"], "argument --delimiter: expected one character, or tab"),
    ([*MAPPED, "--encoding", "klingon"], "argument --encoding: expected a text encoding that Python knows, such as"),
    ([*LIST, "--paging", "all"], "argument --paging: invalid choice: 'all' (choose from "),
    (
        [*LIST, "--paging", "start", "--descending"],
        "--paging start keeps the order of the portal: give an order in the",
    ),
    ([*LIST, "order[ID]=DESC"], "--descending returns the newest rows first, --paging start keeps your own order"),
    ([*LIST, "--id-key", ""], "--id-key: expected a name without spaces or ], got ''"),
    ([*LIST, "--result-key", "a b"], "--result-key: expected a name without spaces or ], got 'a b'"),
    ([*LIST, "--bom"], "--bom needs --csv"),
    ([*LIST, "--format", "xlsx"], "argument --format: invalid choice: 'xlsx' (choose from "),
    (["list", "crm.deal.add"], "crm.deal.add writes, and list methods only read; use b24batch call"),
    (["list", "im.dialog.messages.get"], "page with b24batch call, or pass them with --paging whole to get one page"),
    (["list", "crm.address.list", "--paging", "cursor"], "its rows have no id of their own; use --paging start"),
    (["journal"], "the following arguments are required: J"),
    (["journal", "no.journal"], "no.journal does not exist, or is not a file"),
    (["demo", "--webhook", SECRET], "a webhook URL looks like https://example.bitrix24.com/rest/1/<code>/; this one"),
    (["sandbox", "--port", "65536"], "argument --port: expected a port number from 0 (any free port) to 65535"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(line)[:40] for line, _ in WRONG])
def test_wrong_command_lines(portal, tmp_path, monkeypatch, arguments, message):
    """Each ends with 2 and its message, without a traceback, a keyword of Python or a secret; nothing is sent."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deals").mkdir()
    (tmp_path / "deals.csv").write_text("id,name\n1,x\n")
    ended = run(*arguments, stdin='["server.time"]\n', B24_WEBHOOK_URL=portal.url)
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert message in ended.stderr.splitlines()[-1]
    assert ended.stderr.startswith("b24batch: " if "usage:" not in ended.stderr else "usage: b24batch")
    assert not re.search(rf"{SECRET}|{code_of(portal.url)}|Traceback|[a-z]_[a-z]+=|=True|None", ended.stderr)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_of_the_program(arguments):
    """Alone, and with --help, the program lists its commands; alone it ends with 2, since nothing was done."""
    ended = run(*arguments)
    told = ended.stdout if arguments else ended.stderr
    assert (ended.returncode, ended.stdout == "", ended.stderr == "") == (
        (0, False, True) if arguments else (2, True, False)
    )
    assert told.startswith("usage: b24batch")
    for name in ("call", "run", "list", "journal", "demo", "sandbox"):
        assert re.search(rf"^    {name} +[A-Z]", told, re.MULTILINE)


@pytest.mark.parametrize("columns", [54, 65, 80, 90])
def test_lines_of_a_help(columns):
    """Whatever the width, no line of a help ends inside a word with a hyphen, or with a space."""
    for name in ([], ["call"], ["run"], ["list"], ["journal"], ["demo"], ["sandbox"]):
        for line in run(*name, "--help", COLUMNS=str(columns)).stdout.splitlines():
            assert not re.search(r"\w-$|\s$", line)


@pytest.mark.parametrize(("line", "got"), [("null", "null"), ('{"method": null}', "null"), ("true", "true")])
def test_values_as_json_writes_them(line, got):
    """A value of a file is named as the file spells it."""
    assert run("run", "-", "--sandbox", stdin=line).stderr.splitlines()[0].endswith(f"got {got}")


@pytest.mark.parametrize("quote", ["'", '"', ' "'])
def test_a_variable_with_quotes(quote):
    """Quotes in the variable, as some files of variables keep them, are named, and the URL is not."""
    ended = run("call", "server.time", B24_WEBHOOK_URL=f"{quote}{URL}{quote}")
    assert ended.returncode == 2
    assert ended.stderr == "b24batch: B24_WEBHOOK_URL begins with a quotation mark: remove the quotes\n"


def test_a_usage_error_is_short():
    """A wrong option is answered with two lines: how the command is called, and what is wrong."""
    usage, error = run("run", "-", "--limit", "0").stderr.splitlines()
    assert usage == "usage: b24batch run [options] FILE [key=value ...]"
    assert error.startswith("b24batch run: error: argument --limit: ")


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option):
    """-V is --version."""
    assert run(option).stdout == f"b24batch {b24batch.__version__}\n"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("limit: expected a whole number", "--limit: expected a whole number"),
        ("the limit: the rate is limited", "the limit: the rate is limited"),
        ("got 'use call, id_key=', and id_key=", "got 'use call, id_key=', and --id-key"),
        ("got 'it\\'s id_key=', and id_key=", "got 'it\\'s id_key=', and --id-key"),
        ("the filter by ID (cursor_id_key); descending=True", "the filter by ID (--cursor-id-key); --descending"),
        ("use paging='cursor', or 'whole' if", "use --paging cursor, or whole if"),
        ("use call", "use b24batch call"),
        ("is True; write 'Y'", "is true; write 'Y'"),
        ("expected a name, got None", "expected a name, got null"),
        ("expected a name, got True", "expected a name, got true"),
        ("expected a name, got 'None'", "expected a name, got 'None'"),
    ],
)
def test_words_of_a_shell(message, said):
    """Keywords of Python become options, and what is quoted from the user stays as it is."""
    assert to_shell(message) == said


def test_every_option_exists():
    """The options that messages name are options of the program."""
    names = make_parser()._subparsers._group_actions[0].choices.values()
    known = {text for parser in names for action in parser._actions for text in action.option_strings}
    assert set(OPTIONS.values()) <= known


def messages():
    """The texts of several words in the parts of the library that the program runs, with X for what is put in."""
    rooms = [
        *(Path(b24batch.__file__).parent / room for room in ("calls", "lists", "runs", "wire")),
        Path("options.py"),
    ]
    for path in (file for room in rooms for file in room.rglob("*.py")):
        tree = ast.parse(path.read_text())
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
                yield node.value


def test_no_message_names_a_keyword():
    """No message of the library keeps a keyword of Python that has an option."""
    names = "|".join(OPTIONS)
    keyword = re.compile(rf"(?<!-)\b(?:(?:{names})=|(?:{'|'.join(name for name in OPTIONS if '_' in name)})\b)")
    told = [text for text in messages() if " " in text and "\n" not in text and keyword.search(text)]
    assert len(told) >= 15
    assert [text for text in told if keyword.search(to_shell(text))] == []
