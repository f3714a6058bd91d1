"""The terminal: sentences on stderr without a secret in them, values on stdout, and the code a command ends with."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import sys
from enum import IntEnum
from typing import BinaryIO, TextIO

from b24batch.aliases import JsonValue
from b24batch.clock import Wait
from b24batch.errors import AnswerLost, AuthError, NotSent, SdkError, UsageError
from b24batch.redaction import redacted

#: Seconds of waiting for the rate that are worth a line: shorter waits are how a long run works.
_LONG_WAIT = 5.0
_REASONS = {
    "rate": "the portal's rate",
    "retry": "before the request is sent again",
    "operating": "until the portal frees a method that has used up its operating time",
}


class Exit(IntEnum):
    """What a command tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN = 3
    UNREACHABLE = 4
    #: What a shell reports for a program that SIGHUP, Ctrl-C or SIGTERM ended, and for one whose reader went away.
    HUNG_UP = 129
    INTERRUPTED = 130
    UNREAD = 141
    TERMINATED = 143


#: What ends a command: its exit code and its sentence, for the first class that fits.
_ENDS: tuple[tuple[type[SdkError], Exit, str], ...] = (
    (UsageError, Exit.USAGE, "{0.description}"),
    (NotSent, Exit.UNREACHABLE, "the portal cannot be reached: {0.description}"),
    (AuthError, Exit.FAILED, "the portal refuses the webhook: {0.code}: {0.description}"),
    (AnswerLost, Exit.UNKNOWN, "{0}"),
    (SdkError, Exit.FAILED, "{0}"),
)
#: The library's example of a webhook has no secret in it.
_EXAMPLE = re.compile(r"""(/rest/[^/\s"'?]+/)<code>(?=[/\s"']|$)""")
#: Put before its code, this keeps it from being redacted.
_KEPT = "?<code>"


def say(sentence: str) -> None:
    """Print one line on stderr, if anybody still reads it: no code of a webhook, no control characters."""
    if sys.stderr is None:  # print would take stdout
        return
    shown = redacted(_EXAMPLE.sub(rf"\1{_KEPT}", sentence)).replace(_KEPT, "<code>")
    line = "".join(character if character.isprintable() else " " for character in shown)
    with contextlib.suppress(OSError):
        print(f"b24batch: {' '.join(line.split())}", file=sys.stderr, flush=True)


def ended_by(error: SdkError) -> Exit:
    """Say what went wrong, and return the exit code for it."""
    code, sentence = next((code, text) for kind, code, text in _ENDS if isinstance(error, kind))
    say(sentence.format(error))
    return code


def ended_unwritten(error: OSError) -> Exit:
    """Give stdout up, and return the exit code for it."""
    drop_output()
    if isinstance(error, BrokenPipeError):
        return Exit.UNREAD
    say(f"the output cannot be written: {error.strerror or error}")
    return Exit.FAILED


def drop_output() -> None:
    """Give stdout up, so that the interpreter does not try again what cannot be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell_wait(wait: Wait) -> None:
    """Say why nothing happens, unless it is one of the short waits of every long run."""
    if wait.reason != "rate" or wait.seconds > _LONG_WAIT:
        say(f"waiting {wait.seconds:.0f} s: {_REASONS[wait.reason]}")


def output() -> TextIO:
    """Return stdout, in UTF-8 whatever the locale: a lone surrogate in JSON becomes its escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if isinstance(sys.stdout.buffer, io.RawIOBase):  # python -u: what a signal leaves of a write would be lost
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.buffer))
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    return sys.stdout


def standard_input() -> BinaryIO:
    """Return stdin; raise `OSError` when the program was started without one."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer


def json_line(value: JsonValue) -> str:
    """Return `value` as one line of JSON."""
    return f"{json.dumps(value, ensure_ascii=False)}\n"
