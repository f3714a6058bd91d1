"""The arguments of ``run``, which sends a file of commands, and some that ``list`` has as well."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from b24batch.aliases import JsonValue
from b24batch.calls.chunks import MAX_COMMANDS
from b24batch.cli.argument_types import to_concurrency, to_delimiter, to_encoding, to_positive
from b24batch.options import MAX_CONCURRENCY

#: A parser, or a group of its arguments.
Group: TypeAlias = "argparse._ActionsContainer"

#: The options to repeat when the rest of a file is sent, and the values that need no option.
_REPEATED: dict[str, JsonValue] = {
    "csv": False,
    "method": None,
    "map": [],
    "key": None,
    "delimiter": None,
    "encoding": None,
    "remaining": None,
    "halt": False,
    "stop": False,
    "chunk_size": MAX_COMMANDS,
    "concurrency": None,
}


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add the file of ``run``, and how its commands are sent."""
    about = "JSON Lines, a JSON array, or with --csv a table; - for standard input"
    parser.add_argument("file", metavar="FILE", help=about)
    about = "with --csv: a parameter that is the same in every row"
    parser.add_argument("params", metavar="key=value", nargs="*", default=[], help=about)
    parser.add_argument("--halt", action="store_true", help="an error skips the rest of its own request")
    parser.add_argument("--stop", action="store_true", help="skip everything after a request with an error")
    about = f"commands per request, 1 to {MAX_COMMANDS}; default: %(default)s"
    parser.add_argument("--chunk-size", type=int, default=MAX_COMMANDS, metavar="N", help=about)
    add_concurrency(parser)
    about = "a file that keeps every outcome: the same command again goes on where it was"
    parser.add_argument("--journal", metavar="J", help=about)
    about = "begin no further request after so many seconds, and skip the rest"
    parser.add_argument("--stop-after", type=float, metavar="SECONDS", help=about)
    _add_table(parser.add_argument_group("a table"))
    _add_part(parser.add_argument_group("a part of the file"))


def _add_table(group: Group) -> None:
    group.add_argument("--csv", action="store_true", help="FILE is a table with a header: a command for each row")
    group.add_argument("--method", metavar="METHOD", help="the method of all rows, such as crm.deal.add")
    about = "a field and its column, such as TITLE=name; any number of times"
    group.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN", help=about)
    group.add_argument("--key", metavar="COLUMN", help="the column with a unique name for each command")
    add_delimiter(group, "the character between two cells, or tab; default: a comma")
    about = "the encoding; default: UTF-8, or what the byte order mark says"
    group.add_argument("--encoding", type=to_encoding, metavar="NAME", help=about)


def _add_part(group: Group) -> None:
    about = "send what was skipped or not sent, by the outcomes that an earlier run of FILE has written"
    group.add_argument("--remaining", metavar="OUTCOMES", help=about)
    about = "begin at this line"
    group.add_argument("--from", dest="first", type=to_positive, default=1, metavar="LINE", help=about)
    add_limit(group, "end after so many commands")


def add_delimiter(parser: Group, about: str) -> None:
    """Add the character between the cells of a table."""
    parser.add_argument("--delimiter", type=to_delimiter, metavar="CHARACTER", help=about)


def add_concurrency(parser: argparse.ArgumentParser) -> None:
    """Add the number of requests on their way at once."""
    about = f"requests that are on their way at once, 1 to {MAX_CONCURRENCY}; default: 1"
    parser.add_argument("--concurrency", type=to_concurrency, metavar="N", help=about)


def add_limit(parser: Group, about: str) -> None:
    """Add a maximum number of rows or commands."""
    parser.add_argument("--limit", type=to_positive, metavar="N", help=about)


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add whether progress is shown."""
    about = "show a line about the progress; default: if standard error is a terminal, and not with --quiet"
    parser.add_argument("--progress", action=argparse.BooleanOptionalAction, help=about)


def repeat_options(arguments: argparse.Namespace, done: int) -> list[str]:
    """Return the options with which to send the rest of a file, after so many commands."""
    options: list[str] = list(arguments.params)
    for name, default in _REPEATED.items():
        value, option = getattr(arguments, name), f"--{name.replace('_', '-')}"
        if value is True:
            options.append(option)
        elif value != default:
            options += [
                text for item in (value if isinstance(value, list) else [value]) for text in (option, str(item))
            ]
    return options if arguments.limit is None else [*options, "--limit", str(arguments.limit - done)]
