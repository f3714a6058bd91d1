"""The commands of manage.py: ``b24`` with the project's credentials, and ``b24_offline_events``."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys

import django_setup  # noqa: F401
import pytest
from django_server import PROJECT, environment, manage, token_of

from b24batch.sandbox import Portal

pytest_plugins = ["django_fixtures"]

from django.conf import settings  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.test import override_settings  # noqa: E402

from b24batch.django.management.stopping import told_to_stop  # noqa: E402
from b24batch.django.sessions import forget  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402


@pytest.fixture
def installed(portal, web):
    """The application is installed on the portal; ``other`` names it as the portal of its alias."""
    DjangoTokenStore().put(token_of(portal))
    other = settings.B24BATCH["application"] | {"MEMBER_ID": portal.member_id}
    with override_settings(B24BATCH={**settings.B24BATCH, "other": other}):
        yield portal


def run(*words):
    """What a command printed; None if it failed."""
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_call(portal, web, capsys):
    """A method is called with the webhook of the settings; pairs may stand behind options, as in the program."""
    call_command("b24", "call", "crm.deal.add", "--quiet", "fields[TITLE]=Mine")
    assert capsys.readouterr() == ("1\n", "")
    assert portal.execute("crm.deal.get", {"id": 1})["TITLE"] == "Mine"


def test_list(portal, web, capsys):
    """All rows of a list are printed, of the alias that is chosen."""
    for title in ("A", "B"):
        portal.execute("crm.deal.add", {"fields": {"TITLE": title}})
    call_command("b24", "list", "--alias", "hook", "crm.deal.list")
    assert [json.loads(line)["TITLE"] for line in capsys.readouterr().out.splitlines()] == ["A", "B"]


def test_run(portal, web, capsys, tmp_path):
    """The commands of a file are sent, and each outcome is printed."""
    file = tmp_path / "deals.jsonl"
    file.write_text('{"method": "crm.deal.add", "params": {"fields": {"TITLE": "A"}}}\n' * 2)
    call_command("b24", "run", str(file))
    assert [json.loads(line)["data"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert [request.method for request in portal.requests] == ["batch"]


@pytest.mark.parametrize("words", [("--alias", "application", "--member-id", None), ("--alias", "other")])
def test_a_portal_of_an_application(installed, capsys, words):
    """An application calls a portal by its member id, or that of its alias, with the stored token."""
    chosen = [word or installed.member_id for word in words]
    call_command("b24", "call", "user.current", *chosen)
    assert json.loads(capsys.readouterr().out)["ID"] == "1"
    assert "auth" in installed.requests[0].params


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("call", "no.such.method"), 1, "ERROR_METHOD_NOT_FOUND"),
        (("call", "echo", "--alias", "nowhere"), 2, "B24BATCH['nowhere'] is missing"),
        (
            ("call", "echo", "--alias", "application"),
            2,
            "which portal? B24BATCH['application'] is an application: pass",
        ),
        (("call", "echo", "--alias", "application", "--member-id", "abc"), 2, "no token of abc"),
        (("call", "echo", "nothing"), 2, "nothing"),
        (("call", "echo", "--member-id", "abc"), 2, "B24BATCH['default'] is a webhook: omit --member-id"),
        (("call", "echo", "--alias", "defualt"), 2, "Did you mean 'default'?"),
    ],
)
def test_a_command_that_fails(web, capsys, words, code, said):
    """A failure has the program's exit code and message."""
    with pytest.raises(CommandError) as failed:
        call_command("b24", *words)
    assert failed.value.returncode == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("alias", "what"), [("default", "webhook"), ("other", "token of the application")])
def test_refused_credentials(installed, capsys, alias, what):
    """A refusal names what is refused."""
    installed.fail_next("unauthorized")
    with pytest.raises(CommandError) as failed:
        call_command("b24", "call", "echo", "--alias", alias)
    assert failed.value.returncode == 1
    assert f"the portal refuses the {what}: INVALID_CREDENTIALS: " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--webhook=https://portal.invalid/rest/1/c0de5ecret/", "--sandbox", "--attempts=2"])
def test_the_portal_comes_from_the_settings(web, capsys, option):
    """Options that choose another portal do not exist here, and a webhook is not repeated."""
    with pytest.raises((CommandError, SystemExit)) as refused:
        call_command("b24", "call", "echo", option)
    assert "c0de5ecret" not in str(refused.value) + capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("-v", "2"), ("--verbosity=0",), ("--traceback",), ("--no-color",), ("--force-color",), ("--skip-checks",)],
)
def test_the_options_of_django(portal, web, capsys, words):
    """Django's own options may stand behind the command, as in every other command of manage.py."""
    call_command("b24", "call", "echo", "--quiet", *words, "n=1")
    assert json.loads(capsys.readouterr().out) == {"n": "1"}


def test_a_command_waits_for_the_rate(portal, web):
    """A command waits where a view would raise: its session has no maximum."""
    from b24batch.django.management.portals import open_portal

    assert open_portal("default", None).max_wait is None


@pytest.mark.slow
def test_manage(portal, tmp_path):
    """From a shell: the help names no option of another portal, and the exit code is the program's."""
    env = environment(portal, tmp_path / "db.sqlite3")
    shown = manage("b24", "call", "--help", env=env)
    assert (shown.returncode, "manage.py b24 call crm.deal.add" in shown.stdout) == (0, True)
    assert "--sandbox" not in shown.stdout
    assert "b24batch call" not in shown.stdout
    for words, code in (
        ((), 2),
        (("call",), 2),
        (("call", "no.such"), 1),
        (("call", "echo", "--settings=settings"), 0),
    ):
        assert manage("b24", *words, env=env).returncode == code
    ended = manage("b24", "--webhook=https://portal.invalid/rest/1/c0de5ecret/", "call", "echo", env=env)
    assert (ended.returncode, "c0de5ecret" in ended.stderr) == (2, False)


@pytest.fixture
def events(installed):
    """The portal with five events in its queue, and the function that the command calls is told what to do."""
    for number in range(1, 6):
        installed.queue_event("ONCRMDEALADD", {"FIELDS": {"ID": str(number)}})
    handled.clear()
    behaviour.clear()
    return installed


handled: list[list[int]] = []
#: What happens in the batch with a deal.
behaviour: dict[int, object] = {}


def handle(session, batch):
    """The function of the project."""
    deals = [int(event.data["FIELDS"]["ID"]) for event in batch]
    for deal in deals:
        what = behaviour.get(deal)
        if isinstance(what, BaseException):
            raise what
        if isinstance(what, int):
            os.kill(os.getpid(), what)
        elif what is not None:
            return what(session)
    handled.append(deals)
    assert session.call("echo", {"n": "1"}).data == {"n": "1"}


not_a_function = 7
HANDLER = f"{__name__}.handle"
TERM = (os.getpid(), signal.SIGTERM)


def offline(*words):
    return run("b24_offline_events", HANDLER, "--alias", "other", *words)


def left(portal):
    return [int(row["EVENT_DATA"]["FIELDS"]["ID"]) for row in portal.execute("event.offline.list")]


def test_events(events):
    """All events are handed to the function, batch by batch, and removed."""
    assert offline("--limit", "2") == "5 events\n"
    assert handled == [[1, 2], [3, 4], [5]]
    assert left(events) == []


def test_a_function_that_raises(events):
    """A batch whose function raises is not removed; the message has the error, and how to get the batch again."""
    behaviour[3] = ValueError("https://portal.invalid/rest/1/c0de5ecret/")
    with pytest.raises(CommandError) as failed:
        offline("--limit", "2")
    assert "ValueError: https://portal.invalid/rest/1/***/" in str(failed.value)
    assert "2 events of the batch" in str(failed.value)
    assert "--resume" in str(failed.value)
    assert (failed.value.returncode, handled, left(events)) == (1, [[1, 2]], [3, 4, 5])
    behaviour.clear()
    assert offline("--limit", "2", "--resume") == "3 events\n"
    assert (handled, left(events)) == ([[1, 2], [3, 4], [5]], [])


async def later(session):
    """What nobody waits for."""


@pytest.mark.parametrize(
    "unfinished", [later, lambda session: (call for call in [session]), lambda session: map(str, [session])]
)
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_a_function_that_has_not_run(events, unfinished):
    """A batch is not removed if the function has only begun: it returned what somebody else would have to run."""
    behaviour[1] = unfinished
    with pytest.raises(CommandError, match=r"(?s)expected a function that handles.*5 events .*were not handled"):
        offline()
    assert left(events) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("end", [SystemExit(0), SystemExit("over"), GeneratorExit()], ids=repr)
def test_a_function_that_ends_the_program(events, end):
    """A function that ends the program has not handled its batch, and the exit code says so."""
    behaviour[1] = end
    with pytest.raises(CommandError, match=r"(?s)5 events .*were not handled.*--resume") as failed:
        offline()
    assert (failed.value.returncode, left(events)) == (1, [1, 2, 3, 4, 5])


def test_an_installation_between_two_turns(events):
    """With --every each turn asks for the portal's session again, so it has the token of a later installation."""
    sessions = []

    def install(session):
        DjangoTokenStore().put(token_of(events))
        forget(events.member_id)
        sessions.append(session.auth.access().token)

    events.fail_next(lambda: events.queue_event("ONCRMDEALADD", {"FIELDS": {"ID": "6"}}), after=3)
    behaviour.update({5: install, 6: lambda session: sessions.append(session.auth.access().token) or os.kill(*TERM)})
    assert offline("--every", "0.001") == "6 events\n"
    assert len(set(sessions)) == 2


@pytest.mark.parametrize("instant", range(1, 12))
def test_a_signal_at_any_instant_of_the_waiting(instant):
    """The handler of a signal may run between any two lines, and never waits for what it has interrupted."""
    passed = itertools.count(1)

    def trace(frame, event, argument):
        if event == "line" and next(passed) == instant:
            signal.raise_signal(signal.SIGTERM)
        return trace

    def give_up(number, frame):
        raise AssertionError("the handler waits for ever")

    before, tracer = signal.signal(signal.SIGALRM, give_up), sys.gettrace()
    signal.alarm(30)
    try:
        with told_to_stop() as told:
            sys.settrace(trace)
            while not told.is_set():
                told.wait(0.001)
            sys.settrace(tracer)
    finally:
        sys.settrace(tracer)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_batch_in_hand(events, number):
    """The first signal lets the function finish; its batch is removed, and no other is fetched."""
    before = signal.getsignal(number)
    behaviour[3] = number
    assert offline("--limit", "2") == "4 events\n"
    assert (handled, left(events)) == ([[1, 2], [3, 4]], [5])
    assert [row["PROCESS_ID"] for row in events.execute("event.offline.list")] == [""]
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored(events):
    """A signal that is ignored, as Ctrl-C is in the background of a script, ends nothing."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        behaviour[3] = signal.SIGINT
        assert offline("--limit", "2") == "5 events\n"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_signal_interrupts(events):
    """A second signal interrupts the function; its batch is not removed, and the message says so."""
    behaviour.update({1: signal.SIGTERM, 2: signal.SIGTERM})
    with pytest.raises(CommandError, match="interrupted\n2 events of the batch") as failed:
        offline("--limit", "2")
    assert (failed.value.returncode, handled, left(events)) == (130, [], [1, 2, 3, 4, 5])


def test_a_signal_ends_the_waiting(events):
    """With --every the command asks again, and a signal ends it."""
    behaviour[5] = signal.SIGTERM
    assert offline("--every", "3600") == "5 events\n"


def test_events_that_come_later(events):
    """With --every, events that come while the queue is empty are handed over too."""
    behaviour[9] = signal.SIGTERM
    events.fail_next(lambda: events.queue_event("ONCRMDEALADD", {"FIELDS": {"ID": "9"}}), after=4)
    assert offline("--every", "0.001") == "6 events\n"
    assert handled == [[1, 2, 3, 4, 5], [9]]


def test_a_lost_answer(events):
    """A lost answer ends the command, which says that events may be reserved, and how to get them."""
    events.fail_next("lost_after")
    with pytest.raises(CommandError, match=r"(?s)the answer was lost.*reserved.*--resume"):
        offline()
    assert offline("--resume") == "5 events\n"


def test_an_answer_of_another_shape(events):
    """The events of an answer that cannot be read are reserved too, and the message says so."""
    events.method("event.offline.get")(lambda params: {"process_id": "p", "events": {"1": "b0t5ecret"}})
    with pytest.raises(CommandError, match=r"(?s)expected a process_id.*reserved.*--resume") as failed:
        offline()
    assert "b0t5ecret" not in str(failed.value)


def test_a_removal_that_fails(events):
    """If a handled batch cannot be removed, the message says so."""
    events.fail_next("unauthorized", after=2)
    with pytest.raises(CommandError, match=r"(?s)INVALID_CREDENTIALS.*5 events of the batch \w+ were handled, but not"):
        offline()
    assert left(events) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("no.such.module",),
            "HANDLER: expected a function such as shop.events.handle, got 'no.such.module': No module",
        ),
        (("handle",), "HANDLER: expected a function"),
        ((f"{__name__}.not_a_function",), "it is not a function"),
        ((HANDLER, "--alias", "nowhere"), r"B24BATCH\['nowhere'\] is missing"),
        ((HANDLER, "--alias", "application"), "pass --member-id"),
        ((HANDLER, "--alias", "hook"), r"B24BATCH\['hook'\] is a webhook, which has no queue of events"),
        ((HANDLER, "--alias", "other", "--limit", "0"), "limit: expected a whole number"),
        ((HANDLER, "--every", "0"), "expected a positive number of seconds"),
        *(
            ((HANDLER, "--every", text), "expected a positive number of seconds")
            for text in ("nan", "x", "1e30", "inf")
        ),
    ],
)
def test_wrong_words(events, words, said):
    """What is wrong is said in a sentence."""
    with pytest.raises(CommandError, match=said):
        run("b24_offline_events", *words)
    assert handled == []


MINE = """
import os, signal
def handle(session, batch):
    os.kill(os.getpid(), signal.SIGTERM)
    print(len(batch))
"""
#: Stores the token on standard input.
STORE = """
import json, sys
from b24batch.django.stores import DjangoTokenStore
from b24batch.oauth import Token
answer = json.load(sys.stdin)
names = "access_token refresh_token expires client_endpoint member_id".split()
DjangoTokenStore().put(Token(*[answer[name] for name in names]))
"""


@pytest.mark.slow
def test_offline_events_from_a_shell(portal, tmp_path):
    """From a shell a signal to the process ends it with the exit code 0, its batch finished."""
    env = environment(portal, tmp_path / "db.sqlite3", MEMBER_ID=portal.member_id)
    env["PYTHONPATH"] += os.pathsep + str(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    assert manage("migrate", "-v0", env=env).returncode == 0
    line = [sys.executable, "manage.py", "shell", "-v0", "-c", STORE]
    issued = json.dumps(portal.issue_token() | {"expires": 4e9})
    subprocess.run(line, cwd=PROJECT, env=env, input=issued, text=True, check=True, timeout=60)
    for number in range(3):
        portal.queue_event("ONCRMDEALADD", {"FIELDS": {"ID": str(number)}})
    words = ("mine.handle", "--alias", "application", "--member-id", Portal.member_id, "--limit", "2")
    ended = manage("b24_offline_events", *words, env=env)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2\n2 events\n", "")
    assert len(left(portal)) == 1
