"""The commands of the program, their arguments, and ``--help``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias, get_args

from b24batch.cli import commands, help_texts
from b24batch.cli.argument_types import to_port
from b24batch.cli.file_arguments import add_concurrency, add_delimiter, add_file, add_limit, add_progress
from b24batch.cli.help_texts import HelpText
from b24batch.cli.parser import Parser
from b24batch.cli.portals import add_portal, on_portal
from b24batch.cli.terminal import Exit
from b24batch.lists.families import Paging

_Adder: TypeAlias = Callable[[argparse.ArgumentParser], None]
_Command: TypeAlias = tuple[HelpText, _Adder, Callable[..., Exit]]


def add_commands(names: argparse._SubParsersAction[Any]) -> list[argparse.ArgumentParser]:
    """Add the commands that need a session: ``call``, ``run`` and ``list``. Return their parsers.

    The attribute `run` of the arguments is the function of the command: it takes the arguments and a `Session`.
    """
    return [_add(names, *command) for command in _ON_PORTAL]


def make_parser() -> Parser:
    """Return the parser of the program. The attribute `run` of the arguments is the function of the command."""
    about = "Send Bitrix24 REST calls in batches."
    parser = Parser("b24batch", description=about, epilog=help_texts.CODES)
    parser.add_argument("-V", "--version", action="version", version=f"b24batch {_find_version()}")
    names = parser.add_subparsers(title="commands", required=True, metavar="command")
    for on_a_portal in add_commands(names):
        add_portal(on_a_portal)
        on_a_portal.set_defaults(run=on_portal(on_a_portal.get_default("run")))
    for command in _ALONE:
        _add(names, *command)
    return parser


def _find_version() -> str:
    try:
        return version("b24batch")
    except PackageNotFoundError:
        return "(not installed)"


def _add(
    names: argparse._SubParsersAction[Any], text: HelpText, add: _Adder, run: Callable[..., Exit]
) -> argparse.ArgumentParser:
    usage = f"%(prog)s [options] {text.operands}".rstrip()
    parser: argparse.ArgumentParser = names.add_parser(
        text.name, help=text.about, description=text.about, epilog=text.epilog, usage=usage
    )
    add(parser)
    parser.set_defaults(run=run)
    return parser


def _add_call(parser: argparse.ArgumentParser) -> None:
    _add_method(parser)
    _add_request_id(parser)
    _add_voice(parser)


def _add_run(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    _add_request_id(parser)
    add_progress(parser)
    _add_voice(parser)


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_method(parser)
    _add_format(parser)
    parser.add_argument("--descending", action="store_true", help="newest rows first")
    about = (
        "how to page: cursor, by id; start, by offset; whole, all rows in one answer; default: as known for the method"
    )
    parser.add_argument("--paging", choices=get_args(Paging), help=about)
    parser.add_argument("--id-key", metavar="KEY", help="the key of the id in a row")
    parser.add_argument("--cursor-id-key", metavar="KEY", help="the key of the id in a filter")
    parser.add_argument("--result-key", metavar="KEY", help="the key of the rows in the result")
    add_limit(parser, "end after so many rows")
    add_concurrency(parser)
    _add_request_id(parser)
    add_progress(parser)
    _add_voice(parser)


def _add_format(parser: argparse.ArgumentParser) -> None:
    about = "jsonl, one row per line (default), or csv, written after all rows are read"
    parser.add_argument("--format", choices=["jsonl", "csv"], default="jsonl", help=about)
    parser.add_argument("--csv", dest="format", action="store_const", const="csv", help="the same as --format csv")
    add_delimiter(parser, "the character between the cells of --csv, or tab; default: a comma")
    about = "begin --csv with a byte order mark, by which Excel recognises UTF-8"
    parser.add_argument("--bom", action="store_true", help=about)


def _add_journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="J", help="the file given to run --journal")
    about = "print the unknown commands as JSON Lines"
    parser.add_argument("--unknown", action="store_true", help=about)
    about = "record that these unknown commands were executed, or not-executed; the next run sends the latter"
    parser.add_argument("--settle", nargs="+", metavar=("FINDING", "KEY"), help=about)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    about = (
        "use this portal instead, only reading; others can read the URL (ps); without it nothing leaves this machine"
    )
    parser.add_argument("--webhook", metavar="URL", help=about)


def _add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=to_port, default=8124, help="0 for any free port; default: %(default)s")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the webhook URL and nothing else")


def _add_method(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="such as crm.deal.list")
    parser.add_argument(
        "params", metavar="key=value", nargs="*", default=[], help="a parameter, such as fields[TITLE]=Deal"
    )
    about = "all parameters as a JSON object or array instead; @FILE reads a file, - standard input"
    parser.add_argument("--params", dest="json", metavar="JSON", help=about)


def _add_request_id(parser: argparse.ArgumentParser) -> None:
    about = "for tracing: sent as X-Request-ID, with /2 appended in the second request"
    parser.add_argument("--request-id", metavar="ID", help=about)


def _add_voice(parser: argparse.ArgumentParser) -> None:
    voice = parser.add_mutually_exclusive_group()
    voice.add_argument("-q", "--quiet", action="store_true", help="print only errors on standard error")
    voice.add_argument("--verbose", action="store_true", help="print a line for each request and each wait")


#: The texts of each command, what adds its arguments, and its function.
_ON_PORTAL: tuple[_Command, ...] = (
    (help_texts.CALL, _add_call, commands.call),
    (help_texts.RUN, _add_run, commands.run),
    (help_texts.LIST, _add_list, commands.list_rows),
)
_ALONE: tuple[_Command, ...] = (
    (help_texts.JOURNAL, _add_journal, commands.journal),
    (help_texts.DEMO, _add_demo, commands.demo),
    (help_texts.SANDBOX, _add_sandbox, commands.sandbox),
)
