"""What the library logs, told on standard error with ``--verbose``."""

from __future__ import annotations

import contextlib
import functools
import logging
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import TypeAlias

from b24batch.cli.terminal import Exit, say
from b24batch.session import Session

#: A command that needs a session.
Command: TypeAlias = Callable[[Namespace, Session], Exit]


def telling_log(command: Command) -> Command:
    """Return a command that tells a line for each request and each wait, if its arguments have `verbose`."""

    @functools.wraps(command)
    def run(arguments: Namespace, b24: Session) -> Exit:
        with _told() if arguments.verbose else contextlib.nullcontext():
            return command(arguments, b24)

    return run


@contextlib.contextmanager
def _told() -> Iterator[None]:
    log, handler = logging.getLogger("b24batch"), _Telling()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


class _Telling(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())
