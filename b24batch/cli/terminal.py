"""The terminal: messages on stderr without secrets, values on stdout, and exit codes."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, TextIO

from b24batch.aliases import JsonValue
from b24batch.cli.live_lines import LiveLine
from b24batch.cli.wording import describe
from b24batch.clock import Wait
from b24batch.errors import AjaxError, AnswerLost, AuthError, NotSent, SdkError, UsageError, to_message
from b24batch.redaction import redact

#: Waits for the rate limit that are longer than this are reported, in seconds; shorter ones are normal in a long run.
_LONG_WAIT = 5.0
_REASONS = {
    "rate": "rate limit",
    "retry": "before the request is sent again",
    "operating": "a method has used up its operating time",
}


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN = 3
    UNREACHABLE = 4
    #: What a shell reports for a program ended by SIGHUP, Ctrl-C or SIGTERM, or by a broken pipe.
    HUNG_UP = 129
    INTERRUPTED = 130
    UNREAD = 141
    TERMINATED = 143


#: The exit code and the message for an error: the first class that matches.
_ENDS: tuple[tuple[type[SdkError], Exit, str], ...] = (
    (UsageError, Exit.USAGE, "{1}"),
    (NotSent, Exit.UNREACHABLE, "the portal cannot be reached: {1}"),
    (AuthError, Exit.FAILED, "the portal refuses the webhook: {2}"),
    (AnswerLost, Exit.UNKNOWN, "{2}"),
    (AjaxError, Exit.FAILED, "{0}"),
    (SdkError, Exit.FAILED, "{2}"),
)
#: The library's example of a webhook URL contains no secret.
_EXAMPLE = re.compile(r"""(/rest/[^/\s"'?]+/)<code>(?=[/\s"']|$)""")
#: The line that shows the progress, if there is one.
_live: list[LiveLine] = []
#: Inserted before the code of the example, so that it is not redacted.
_KEPT = "?<code>"


def say(sentence: str) -> None:
    """Print one line on stderr if possible, without webhook codes and control characters."""
    if sys.stderr is None:  # print would use stdout
        return
    shown = redact(_EXAMPLE.sub(rf"\1{_KEPT}", sentence)).replace(_KEPT, "<code>")
    line = "".join(character if character.isprintable() else " " for character in shown)
    with _above_live(), contextlib.suppress(OSError):
        print(f"b24batch: {' '.join(line.split())}", file=sys.stderr, flush=True)


def write(output: TextIO, text: str) -> None:
    """Write results; on a terminal, above the line that shows the progress."""
    with above_live(output):
        output.write(text)
        output.flush()


def above_live(output: TextIO) -> contextlib.AbstractContextManager[None]:
    """Return a block in which results are written; on a terminal, above the line that shows the progress."""
    return _above_live() if _live and output.isatty() else contextlib.nullcontext()


@contextlib.contextmanager
def shown_live(line: LiveLine | None) -> Iterator[None]:
    """Let everything in the block be written above a line, and hide the line at the end."""
    _live.extend([line] if line else [])
    try:
        yield
    finally:
        while _live:
            _live.pop().hide()


@contextlib.contextmanager
def _above_live() -> Iterator[None]:
    for line in _live:
        line.hide()
    yield
    for line in _live:
        line.show_again()


def report_error(error: SdkError) -> Exit:
    """Print the message for an error, and return its exit code."""
    code, sentence = next((code, text) for kind, code, text in _ENDS if isinstance(error, kind))
    description = describe(error)
    say(sentence.format(error, description, to_message(error.code, description)))
    return code


def report_unwritten(error: OSError) -> Exit:
    """Stop writing to stdout, and return the exit code for it."""
    drop_output()
    if isinstance(error, BrokenPipeError):
        return Exit.UNREAD
    say(f"the output cannot be written: {error.strerror or error}")
    return Exit.FAILED


def drop_output() -> None:
    """Redirect stdout to nowhere, so that the interpreter does not try to flush it at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell_wait(wait: Wait) -> None:
    """Say why the program waits, except for the short waits of every long run."""
    if wait.reason != "rate" or wait.seconds > _LONG_WAIT:
        say(f"waiting {wait.seconds:.0f} s: {_REASONS[wait.reason]}")


def open_output() -> TextIO:
    """Return stdout, in UTF-8 whatever the locale; lone surrogates are escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if isinstance(sys.stdout.buffer, io.RawIOBase):  # python -u: a write interrupted by a signal would lose data
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.buffer))
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    return sys.stdout


def open_file(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a file to read it, ``-`` for stdin; raise `UsageError` if it cannot be opened."""
    try:
        return contextlib.nullcontext(open_input()) if name == "-" else Path(name).open("rb")
    except OSError as error:
        reason = error.strerror
    except ValueError as error:
        reason = str(error)
    raise UsageError(f"{name or repr(name)} cannot be read: {reason}")


def open_input() -> BinaryIO:
    """Return stdin; raise `OSError` if it is closed."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer


def to_json_line(value: JsonValue) -> str:
    """Return `value` as one line of JSON."""
    return f"{json.dumps(value, ensure_ascii=False)}\n"
