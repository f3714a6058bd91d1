"""The program: what its commands print, where they end, and what they leave alone."""

from __future__ import annotations

import re
import sys
import threading

import pytest
from shell import PATIENCE, closing, code_of, interrupt, run, started

from b24batch import Session
from b24batch.__main__ import main
from b24batch.calls.methods import is_read
from b24batch.cli.terminal import say

READS = ["user.current", "app.info", "crm.deal.list", "server.time", "server.time", "user.current"]


def outcomes(text, step):
    """Return name, method and status of the commands told under a step."""
    part = text.partition(f"\n{step}. ")[2].partition("\n\n")[0]
    return re.findall(r"^   (\w+) +([a-z.]+\.[a-z]+) +(ok|failed|skipped|unknown)\b", part, re.MULTILINE)


@pytest.fixture(scope="module")
def told():
    """Return what the demo prints on the sandbox."""
    ended = run("demo")
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_demo_creates_150_deals_in_three_requests(told):
    """The demo sends its 150 deals in three requests over one connection, and tells each."""
    requests = re.findall(r"batch of 50 commands +HTTP 200 +\d+\.\d{3} s +request id (\S+)", told)
    assert requests == ["demo-create", "demo-create/2", "demo-create/3"]
    assert "150 deals created, IDs 1 to 150. The portal counted 3 requests, all over 1 connection." in told


def test_demo_reads_back_by_name(told):
    """The demo reads back, under names, what it has created."""
    names = [("me", "user.current", "ok"), ("deal", "crm.deal.get", "ok"), ("deals", "crm.deal.list", "ok")]
    assert outcomes(told, 2) == names
    assert "Deal 42, 4200.00 USD" in told
    assert "150 deals in total, 50 of them on this page" in told


@pytest.mark.parametrize(("step", "statuses"), [(3, ["ok", "failed", "skipped"]), (4, ["ok", "failed", "ok"])])
def test_demo_tells_every_command(told, step, statuses):
    """The demo tells a batch with an error in it command by command, stopped at the error and not stopped."""
    assert [status for _, _, status in outcomes(told, step)] == statuses


def test_demo_sums_up(told):
    """The summary counts every request and every command once."""
    assert "6 requests, 159 commands, one outcome for each: 156 ok, 2 failed, 1 skipped, 0 unknown." in told


def test_demo_fits_the_screen(told):
    """No line of the demo is wider than 100 columns or holds a control character."""
    assert all(len(line) <= 100 and line.isprintable() for line in told.splitlines())


@pytest.mark.parametrize("url", ["", "https://example.com/rest/1/s3cret/", "{portal}"])
def test_demo_never_leaves_this_machine(portal, url):
    """Without --webhook the demo runs on its own sandbox, whatever B24_WEBHOOK_URL holds."""
    ended = run("demo", B24_WEBHOOK_URL=url.format(portal=portal.url))
    assert (ended.returncode, ended.stderr, portal.requests) == (0, "", [])
    assert "150 deals created" in ended.stdout


def test_demo_only_reads_a_real_portal(portal):
    """On the portal of a webhook the demo executes reads alone, says so, and shows the host but not the URL."""
    ended = run("demo", "--webhook", portal.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [executed.method for executed in portal.executed] == READS
    assert all(is_read(method) for method in READS)
    assert "Nothing was written." in ended.stdout
    assert portal.url.split("/")[2] in ended.stdout
    assert code_of(portal.url) not in ended.stdout


def test_demo_survives_answers_of_another_shape(portal):
    """A portal whose answers look different is told as it is, without a traceback."""
    portal.method("user.current")(lambda params: [])
    portal.method("app.info")(lambda params: {"licence": "none"})
    ended = run("demo", "--webhook", portal.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("a shape this demo does not know") == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "code", "reason"),
    [
        ("{portal}x", 1, "refuses the webhook: INVALID_CREDENTIALS"),
        ("{closed}", 4, "cannot be reached"),
        ("{origin}/s3cret/", 2, "does not contain /rest/<user id>/<code>/"),
        ("http://example.com/rest/1/s3cret/", 2, "use https"),
        ("s3cret", 2, "looks like https://example.bitrix24.com/rest/1/<code>/; this one does not start with https://"),
        ("", 2, "does not start with https://"),
    ],
)
def test_webhook_that_cannot_be_used(portal, closed_url, url, code, reason):
    """A webhook that is wrong, out of reach or refused ends in one sentence and its own exit code."""
    full = url.format(portal=portal.url.rstrip("/"), closed=closed_url, origin=portal.url.partition("/rest/")[0])
    ended = run("demo", "--webhook", full)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (code, 1)
    assert reason in ended.stderr
    assert "s3cret" not in ended.stdout + ended.stderr
    assert code_of(portal.url) not in ended.stdout + ended.stderr
    assert portal.executed == []


@pytest.mark.slow
def test_portal_that_answers_nonsense(portal):
    """A portal whose answers cannot be read ends the demo with 3 and a sentence, after one more attempt."""
    portal.fail_next("html_502", times=9)
    ended = run("demo", "--webhook", portal.url)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (3, 1)
    assert "ANSWER_LOST" in ended.stderr
    assert len(portal.requests) == 2


@pytest.mark.slow
def test_interrupted_demo(portal):
    """Ctrl-C ends the demo with the shell's code for it, and without a traceback."""
    asked, over = threading.Event(), threading.Event()

    @portal.method("user.current")
    def hang(params):
        asked.set()
        over.wait(PATIENCE)

    with started("demo", "--webhook", portal.url) as process:
        assert asked.wait(PATIENCE)
        code, _, errors = interrupt(process)
        over.set()
    assert (code, errors) == (130, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "https://example.com/rest/1/s3cret/"],
        ["https://example.com/rest/1/s3cret/"],
        ["demo", "--webhok=example.com/rest/1/s3cret"],
        ["sandbox", "--port", "http://example.com/rest/1/s3cret/"],
        ["sandbox", "--port", "65536"],
        ["sandbox", "--port", "-1"],
        [],
    ],
)
def test_wrong_arguments(capsys, arguments):
    """Wrong arguments end with 2, and an address among them is not repeated."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert said.err.startswith("usage: b24batch")
    assert "s3cret" not in said.err


def test_the_example_of_a_webhook_is_no_secret(capsys):
    """What stands in the place of the code in the library's own example is shown, and every other code is not."""
    say("like https://a.de/rest/1/<code>/, not https://a.de/rest/<code>/s3cret/ or https://a.de/rest/1/<code>s3cret")
    assert capsys.readouterr().err == (
        "b24batch: like https://a.de/rest/1/<code>/, not https://a.de/rest/<code>/***/ or https://a.de/rest/1/***\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [["call", "crm.deal.add"], ["list", "user.get"], ["demo"], ["run", "-"]],
    ids=lambda arguments: arguments[0],
)
def test_no_output(portal, monkeypatch, capsys, arguments):
    """Without a standard output every command is refused before anything is sent."""
    monkeypatch.setenv("B24_WEBHOOK_URL", portal.url)
    monkeypatch.setattr(sys, "stdout", None)
    assert main(arguments) == 2
    assert portal.requests == []
    assert capsys.readouterr().err == "b24batch: standard output is closed; nothing was sent\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["call", "crm.deal.add"], pytest.param(["sandbox", "--port", "0"], marks=pytest.mark.slow)]
)
def test_closed_output(portal, arguments):
    """So it is when a shell starts the program with its standard output closed."""
    code, output, errors = closing(">&-", *arguments, B24_WEBHOOK_URL=portal.url)
    assert (code, output, portal.requests) == (2, "", [])
    assert errors == "b24batch: standard output is closed; nothing was sent\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["run", "-"], pytest.param(["call", "echo", "--params", "-"], marks=pytest.mark.slow)]
)
def test_closed_input(portal, arguments):
    """Without a standard input a command that is to read from it is refused before anything is sent."""
    code, output, errors = closing("<&-", *arguments, B24_WEBHOOK_URL=portal.url)
    assert (code, output, portal.requests) == (2, "", [])
    assert "cannot be read: standard input is closed" in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["call", "echo"], 0),
        (["call", "no.such.method"], 1),
        ([], 2),
        pytest.param(["call", "echo", "a"], 2, marks=pytest.mark.slow),
        pytest.param(["call"], 2, marks=pytest.mark.slow),
    ],
)
def test_closed_errors(portal, arguments, code):
    """Without a standard error nothing of what would be said there lands in the output."""
    ended = closing("2>&-", *arguments, B24_WEBHOOK_URL=portal.url)
    assert ended == (code, "" if code else "[]\n", "")


@pytest.mark.slow
def test_sandbox_serves_until_interrupted():
    """The sandbox prints its webhook URL at once, answers sessions, and ends with 0 on Ctrl-C."""
    with started("sandbox", "--port", "0") as process:
        url, advice = process.stdout.readline().strip(), process.stdout.readline()
        with Session(url) as b24:
            assert b24.call("crm.deal.add", {"fields": {"TITLE": "Deal 1"}}).data == 1
            assert b24.batch([("crm.deal.get", {"ID": 1})]).data[0]["TITLE"] == "Deal 1"
        assert interrupt(process) == (0, "", "")
    assert "Ctrl-C" in advice


@pytest.mark.slow
def test_quiet_sandbox(portal):
    """With --quiet it prints the URL and nothing else; it serves at the port asked for."""
    portal.close()
    with started("sandbox", "--quiet", "--port", portal.url.split("/")[2].rpartition(":")[2]) as process:
        assert process.stdout.readline().strip() == portal.url
        with Session(portal.url) as b24:
            assert b24.call("server.time").is_success
        assert interrupt(process) == (0, "", "")


def test_sandbox_on_a_port_in_use(portal, capsys):
    """A port in use is one sentence that names it, and exit code 1."""
    port = portal.url.split("/")[2].rpartition(":")[2]
    assert main(["sandbox", "--port", port]) == 1
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert f"port {port} cannot be used" in said.err
