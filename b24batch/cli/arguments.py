"""The arguments of the program: what may be given, and what ``--help`` tells of it."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn, TypeAlias

from b24batch.calls.chunks import MAX_COMMANDS
from b24batch.cli import commands, epilogs
from b24batch.cli.terminal import Exit

_Raw = argparse.RawDescriptionHelpFormatter
_ADDRESS = re.compile(r"""[^\s'"]*/[^\s'"]*""")


class Parser(argparse.ArgumentParser):
    """Complains without repeating an address: there may be a webhook's code in it."""

    def error(self, message: str) -> NoReturn:
        """End the program with the usage and a sentence."""
        if sys.stderr is None:  # argparse would take stdout
            self.exit(Exit.USAGE)
        super().error(_ADDRESS.sub("<address>", message))


_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, with `run`, the function of their command.

    Raises:
        SystemExit: For wrong arguments, for ``--help`` and ``--version``, as argparse does it.
    """
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    # argparse takes no key=value behind an option that follows the first ones, and leaves the -- before it.
    mark = rest.index("--") if "--" in rest else len(rest)
    params = rest[:mark] + rest[mark + 1 :]
    unknown = [text for text in rest[:mark] if text.startswith("-")] if hasattr(arguments, "params") else params
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if params:
        arguments.params = [*arguments.params, *params]
    return arguments


def _parser() -> Parser:
    about = "A great many calls to Bitrix24, in batches."
    parser = Parser("b24batch", description=about, epilog=epilogs.CODES, formatter_class=_Raw, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"b24batch {_version()}")
    names = parser.add_subparsers(title="commands", required=True, metavar="command")
    _add_call(names)
    _add_run(names)
    _add_list(names)
    _add_demo(names)
    _add_sandbox(names)
    return parser


def _version() -> str:
    try:
        return version("b24batch")
    except PackageNotFoundError:
        return "(not installed)"


def _add(names: _Commands, run: Callable[[argparse.Namespace], Exit], about: str, epilog: str) -> Parser:
    name = run.__name__.partition("_")[0]
    parser = names.add_parser(
        name, help=about, description=about, epilog=epilog, formatter_class=_Raw, allow_abbrev=False
    )
    parser.set_defaults(run=run)
    return parser


def _add_call(names: _Commands) -> None:
    parser = _add(names, commands.call, "Call one method and print its result as JSON.", epilogs.CALL)
    _add_method(parser)
    _add_portal(parser)


def _add_run(names: _Commands) -> None:
    about = "Send a file of commands, 50 in a request, and print the outcome of each."
    parser = _add(names, commands.run, about, epilogs.RUN)
    parser.add_argument("file", metavar="FILE", help="JSON Lines; - for standard input")
    parser.add_argument("--halt", action="store_true", help="let an error skip the rest of its own request")
    parser.add_argument("--stop", action="store_true", help="skip all that follows a request with an error in it")
    about = f"commands in one request, 1 to {MAX_COMMANDS}; default: %(default)s"
    parser.add_argument("--chunk-size", type=int, default=MAX_COMMANDS, metavar="N", help=about)
    _add_portal(parser)


def _add_list(names: _Commands) -> None:
    parser = _add(names, commands.list_rows, "Print all rows of a list method.", epilogs.LIST)
    _add_method(parser)
    about = "jsonl, one row a line (default), or csv, written when all rows are read"
    parser.add_argument("--format", choices=["jsonl", "csv"], default="jsonl", help=about)
    parser.add_argument("--csv", dest="format", action="store_const", const="csv", help="the same as --format csv")
    parser.add_argument("--descending", action="store_true", help="the newest row first")
    about = "by default as the method is known to page; start: its pages are counted; whole: all rows in one answer"
    parser.add_argument("--paging", choices=["cursor", "start", "whole"], help=about)
    parser.add_argument("--id-key", metavar="KEY", help="what the id is called in a row")
    parser.add_argument("--cursor-id-key", metavar="KEY", help="what the id is called in a filter")
    parser.add_argument("--result-key", metavar="KEY", help="where in the result the rows are")
    _add_portal(parser)


def _add_demo(names: _Commands) -> None:
    parser = _add(names, commands.demo, "Show what the library does, on a portal inside this program.", epilogs.DEMO)
    about = "read from this portal instead, writing nothing; default: the environment's B24_WEBHOOK_URL"
    parser.add_argument("--webhook", metavar="URL", help=about)


def _add_sandbox(names: _Commands) -> None:
    about = "Serve a portal on this machine, for trying out and for tests, until Ctrl-C."
    parser = _add(names, commands.sandbox, about, epilogs.SANDBOX)
    parser.add_argument("--port", type=_port, default=8124, help="0 takes a free one; default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="print the webhook URL and nothing else")


def _add_method(parser: Parser) -> None:
    parser.add_argument("method", metavar="METHOD", help="such as crm.deal.list")
    parser.add_argument(
        "params", metavar="key=value", nargs="*", default=[], help="a parameter, such as fields[TITLE]=Deal"
    )
    about = "all parameters as JSON instead, an object or an array; @FILE from a file, - from standard input"
    parser.add_argument("--params", dest="json", metavar="JSON", help=about)


def _add_portal(parser: Parser) -> None:
    which = parser.add_mutually_exclusive_group()
    about = "the portal's webhook URL; others can read it (ps), so better put it into B24_WEBHOOK_URL"
    which.add_argument("--webhook", metavar="URL", help=about)
    about = "a portal inside this program, empty and gone at its end, for trying out"
    which.add_argument("--sandbox", action="store_true", help=about)
    about = "for tracing: goes out as X-Request-ID, with /2 behind it in the second request"
    parser.add_argument("--request-id", metavar="ID", help=about)
    about = "how often a request is sent at most, where that is safe; default: %(default)s"
    parser.add_argument("--attempts", type=_positive, default=5, metavar="N", help=about)
    parser.add_argument("--quiet", action="store_true", help="nothing on standard error but what went wrong")


def _positive(text: str) -> int:
    if text.isdecimal() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError("a number from 1 is wanted")


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError("a port is a number from 0 (any free one) to 65535")
