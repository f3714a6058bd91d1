"""The program as a shell starts it: a process of its own, with pipes, and without what the environment holds."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

#: Seconds after which a program that does not end is taken to hang.
PATIENCE = 30


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


def interrupt(process, number=signal.SIGINT):
    """Send Ctrl-C or another signal, and return the exit code and what was said since."""
    process.send_signal(number)
    output, errors = process.communicate()
    return process.returncode, output, errors


def run(*arguments, stdin="", **environment):
    """Run the program to its end; whatever happens, it shows no traceback."""
    line, options = command(*arguments, **environment)
    ended = subprocess.run(line, input=stdin, timeout=PATIENCE, check=False, **options)
    assert "Traceback" not in ended.stderr
    return ended


def against(url, *arguments, stdin=""):
    """Run the program on the portal of a webhook, of which nothing may show the code."""
    ended = run(*arguments, stdin=stdin, B24_WEBHOOK_URL=url)
    assert code_of(url) not in ended.stdout + ended.stderr
    return ended


def outcomes(text):
    """Return what each line of the output says."""
    return [json.loads(line) for line in text.splitlines()]
