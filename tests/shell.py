"""The program as a shell starts it, in this process or in one of its own, without what the environment holds."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from b24batch.__main__ import main

#: Seconds after which a program that does not end is taken to hang.
PATIENCE = 120


def code_of(url):
    """Return the secret part of a webhook URL."""
    return url.rstrip("/").rpartition("/")[2]


def closing(descriptor, *arguments, **environment):
    """Run the program without one of its standard streams, and return its exit code, its output and its errors."""
    line, options = command(*arguments, **environment)
    shell = ["sh", "-c", f'exec "$@" {descriptor}', "sh", *line]
    ended = subprocess.run(shell, input="", timeout=PATIENCE, check=False, **options)
    return ended.returncode, ended.stdout, ended.stderr


def command(*arguments, **environment):
    """Return the command line of the program and the options of its process."""
    own = {name: value for name, value in os.environ.items() if name not in {"B24_WEBHOOK_URL", "PYTHONUNBUFFERED"}}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return [sys.executable, "-m", "b24batch", *map(str, arguments)], {**pipes, "env": {**own, **environment}}


@contextlib.contextmanager
def started(*arguments, **environment):
    """Start the program, and end it if it does not end in time."""
    line, options = command(*arguments, **environment)
    with subprocess.Popen(line, stdin=subprocess.PIPE, **options) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()


def press(pid, number, thread=None):
    """Send a signal to a process that waits: one that comes right before a system call would not end it."""
    state = Path(f"/proc/{pid}/task/{thread or pid}/stat")
    with contextlib.suppress(OSError):  # it has ended, or the system has no such files
        while state.read_text().rpartition(")")[2].split()[0] in "RD":
            threading.Event().wait(0.001)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def interrupt(process, number=signal.SIGINT):
    """Send Ctrl-C or another signal, and return the exit code and what was said since."""
    press(process.pid, number)
    output, errors = process.communicate()
    return process.returncode, output, errors


def run_alone(*arguments, stdin="", **environment):
    """Run the program to its end, in a process of its own; whatever happens, it shows no traceback."""
    line, options = command(*arguments, **environment)
    ended = subprocess.run(line, input=stdin, timeout=PATIENCE, check=False, **options)
    assert "Traceback" not in ended.stderr
    return ended


def run(*arguments, stdin="", **environment):
    """Run the program to its end, in this process, with streams and variables that it takes for its own."""
    line, options = command(*arguments, **environment)
    given = io.BufferedReader(io.BytesIO(stdin.encode()))
    with (
        io.TextIOWrapper(given) as standard_input,
        io.TextIOWrapper(io.BytesIO(), "utf-8") as output,
        io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") as errors,
        replaced(options["env"], stdin=standard_input, stdout=output, stderr=errors),
    ):
        try:
            code = main(line[3:])
        except SystemExit as ended:
            code = ended.code
        for stream in (output, errors):
            stream.flush()
        told = [stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (output, errors)]
    return subprocess.CompletedProcess(line, code or 0, *told)


@contextlib.contextmanager
def replaced(variables, **streams):
    """Give this process other variables and other standard streams for a while."""
    before = dict(os.environ), {name: getattr(sys, name) for name in streams}
    try:
        put(variables, streams)
        yield
    finally:
        put(*before)


def put(variables, streams):
    os.environ.clear()
    os.environ.update(variables)
    for name, stream in streams.items():
        setattr(sys, name, stream)


def against(url, *arguments, stdin=""):
    """Run the program on the portal of a webhook, of which nothing may show the code."""
    ended = run(*arguments, stdin=stdin, B24_WEBHOOK_URL=url)
    assert code_of(url) not in ended.stdout + ended.stderr
    return ended


def outcomes(text):
    """Return what each line of the output says."""
    return [json.loads(line) for line in text.splitlines()]
