"""The arguments of ``run``, which sends a file of commands, and some that ``list`` has as well."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from b24batch.calls.chunks import MAX_COMMANDS
from b24batch.cli.numbers import to_concurrency, to_positive
from b24batch.options import MAX_CONCURRENCY

#: The options to repeat when the rest of a file is sent, by their names among the arguments.
_REPEATED = {
    "halt": "--halt",
    "stop": "--stop",
    "chunk_size": "--chunk-size",
    "concurrency": "--concurrency",
}
_DEFAULTS = {"chunk_size": MAX_COMMANDS, "concurrency": 1}


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add the file of ``run``, and how its commands are sent."""
    parser.add_argument("file", metavar="FILE", help="JSON Lines; - for standard input")
    parser.add_argument("--halt", action="store_true", help="an error skips the rest of its own request")
    parser.add_argument("--stop", action="store_true", help="skip everything after a request with an error")
    about = f"commands per request, 1 to {MAX_COMMANDS}; default: %(default)s"
    parser.add_argument("--chunk-size", type=int, default=MAX_COMMANDS, metavar="N", help=about)
    add_concurrency(parser)
    add_limit(parser, "send so many commands at most, the first ones of the file")
    about = "a file that keeps every outcome: the same command again goes on where it was"
    parser.add_argument("--journal", metavar="J", help=about)
    about = "begin no further request after so many seconds, and skip the rest"
    parser.add_argument("--stop-after", type=float, metavar="SECONDS", help=about)


def add_concurrency(parser: argparse.ArgumentParser) -> None:
    """Add the number of requests on their way at once."""
    about = f"requests that are on their way at once, 1 to {MAX_CONCURRENCY}; default: %(default)s"
    parser.add_argument("--concurrency", type=to_concurrency, default=1, metavar="N", help=about)


def add_limit(parser: argparse.ArgumentParser, about: str) -> None:
    """Add a maximum number of rows or commands."""
    parser.add_argument("--limit", type=to_positive, metavar="N", help=about)


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add whether progress is shown."""
    about = "show a line about the progress; default: if standard error is a terminal, and not with --quiet"
    parser.add_argument("--progress", action=argparse.BooleanOptionalAction, help=about)


def repeat_options(arguments: argparse.Namespace) -> Sequence[str]:
    """Return the options with which to send the rest of a file."""
    options: list[str] = []
    for name, option in _REPEATED.items():
        value = getattr(arguments, name)
        if value is True:
            options.append(option)
        elif value and value != _DEFAULTS.get(name):
            options += [option, str(value)]
    return options
