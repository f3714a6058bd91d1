"""The arguments of the program, and its ``--help``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn, TypeAlias, get_args

from b24batch.calls.chunks import MAX_COMMANDS
from b24batch.cli import commands, epilogs
from b24batch.cli.terminal import Exit
from b24batch.lists.families import Paging
from b24batch.options import MAX_CONCURRENCY

_Raw = argparse.RawDescriptionHelpFormatter
_ADDRESS = re.compile(r"""[^\s'"]*/[^\s'"]*""")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors do not repeat a URL, which may contain a webhook's code."""

    def error(self, message: str) -> NoReturn:
        """End the program with the usage and a message."""
        if sys.stderr is None:  # argparse would use stdout
            self.exit(Exit.USAGE)
        super().error(_ADDRESS.sub("<address>", message))


_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments. Their attribute `run` is the function of the command.

    Raises:
        SystemExit: For invalid arguments, ``--help`` and ``--version``, as usual with argparse.
    """
    parser = _make_parser()
    arguments, rest = parser.parse_known_args(argv)
    # argparse does not accept key=value after an option that follows the first ones, and leaves the -- before it.
    mark = rest.index("--") if "--" in rest else len(rest)
    params = rest[:mark] + rest[mark + 1 :]
    unknown = [text for text in rest[:mark] if text.startswith("-")] if hasattr(arguments, "params") else params
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if params:
        arguments.params = [*arguments.params, *params]
    return arguments


def _make_parser() -> Parser:
    about = "Send Bitrix24 REST calls in batches."
    parser = Parser("b24batch", description=about, epilog=epilogs.CODES, formatter_class=_Raw, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"b24batch {_find_version()}")
    names = parser.add_subparsers(title="commands", required=True, metavar="command")
    _add_call(names)
    _add_run(names)
    _add_journal(names)
    _add_list(names)
    _add_demo(names)
    _add_sandbox(names)
    return parser


def _find_version() -> str:
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
    about = "Send a file of commands, 50 per request, and print the outcome of each."
    parser = _add(names, commands.run, about, epilogs.RUN)
    parser.add_argument("file", metavar="FILE", help="JSON Lines; - for standard input")
    parser.add_argument("--halt", action="store_true", help="an error skips the rest of its own request")
    parser.add_argument("--stop", action="store_true", help="skip everything after a request with an error")
    about = f"commands per request, 1 to {MAX_COMMANDS}; default: %(default)s"
    parser.add_argument("--chunk-size", type=int, default=MAX_COMMANDS, metavar="N", help=about)
    _add_concurrency(parser)
    about = "a file that keeps every outcome: the same command again goes on where it was"
    parser.add_argument("--journal", metavar="J", help=about)
    about = "begin no further request after so many seconds, and skip the rest"
    parser.add_argument("--stop-after", type=float, metavar="SECONDS", help=about)
    _add_portal(parser)


def _add_journal(names: _Commands) -> None:
    about = "Show what the journal of a run has, and settle its unknown commands."
    parser = _add(names, commands.journal, about, epilogs.JOURNAL)
    parser.add_argument("file", metavar="J", help="the file given to run --journal")
    about = "print the unknown commands as JSON Lines"
    parser.add_argument("--unknown", action="store_true", help=about)
    about = "record that these unknown commands were executed, or not-executed; the next run sends the latter"
    parser.add_argument("--settle", nargs="+", metavar=("FINDING", "KEY"), help=about)


def _add_list(names: _Commands) -> None:
    parser = _add(names, commands.list_rows, "Print all rows of a list method.", epilogs.LIST)
    _add_method(parser)
    about = "jsonl, one row per line (default), or csv, written after all rows are read"
    parser.add_argument("--format", choices=["jsonl", "csv"], default="jsonl", help=about)
    parser.add_argument("--csv", dest="format", action="store_const", const="csv", help="the same as --format csv")
    parser.add_argument("--descending", action="store_true", help="newest rows first")
    about = (
        "how to page: cursor, by id; start, by offset; whole, all rows in one answer; default: as known for the method"
    )
    parser.add_argument("--paging", choices=get_args(Paging), help=about)
    parser.add_argument("--id-key", metavar="KEY", help="the key of the id in a row")
    parser.add_argument("--cursor-id-key", metavar="KEY", help="the key of the id in a filter")
    parser.add_argument("--result-key", metavar="KEY", help="the key of the rows in the result")
    _add_concurrency(parser)
    _add_portal(parser)


def _add_demo(names: _Commands) -> None:
    parser = _add(
        names, commands.demo, "Show what the library does, on a sandbox portal inside this program.", epilogs.DEMO
    )
    about = "use this portal instead, only reading; default: the environment variable B24_WEBHOOK_URL"
    parser.add_argument("--webhook", metavar="URL", help=about)


def _add_sandbox(names: _Commands) -> None:
    about = "Run a sandbox portal on this machine until Ctrl-C, for experiments and tests."
    parser = _add(names, commands.sandbox, about, epilogs.SANDBOX)
    parser.add_argument("--port", type=_to_port, default=8124, help="0 for any free port; default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="print the webhook URL and nothing else")


def _add_method(parser: Parser) -> None:
    parser.add_argument("method", metavar="METHOD", help="such as crm.deal.list")
    parser.add_argument(
        "params", metavar="key=value", nargs="*", default=[], help="a parameter, such as fields[TITLE]=Deal"
    )
    about = "all parameters as a JSON object or array instead; @FILE reads a file, - standard input"
    parser.add_argument("--params", dest="json", metavar="JSON", help=about)


def _add_concurrency(parser: Parser) -> None:
    about = f"requests that are on their way at once, 1 to {MAX_CONCURRENCY}; default: %(default)s"
    parser.add_argument("--concurrency", type=_to_concurrency, default=1, metavar="N", help=about)


def _add_portal(parser: Parser) -> None:
    which = parser.add_mutually_exclusive_group()
    about = "the portal's webhook URL; others can read it (ps), so better put it into B24_WEBHOOK_URL"
    which.add_argument("--webhook", metavar="URL", help=about)
    about = "use an empty portal inside this program, gone at the end, for experiments"
    which.add_argument("--sandbox", action="store_true", help=about)
    about = "for tracing: sent as X-Request-ID, with /2 appended in the second request"
    parser.add_argument("--request-id", metavar="ID", help=about)
    about = "maximum number of attempts per request, where repeating is safe; default: %(default)s"
    parser.add_argument("--attempts", type=_to_positive, default=5, metavar="N", help=about)
    parser.add_argument("--quiet", action="store_true", help="print only errors on standard error")


def _to_positive(text: str) -> int:
    if text.isdecimal() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError("expected a whole number, at least 1")


def _to_concurrency(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MAX_CONCURRENCY:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_CONCURRENCY}")


def _to_port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError("expected a port number from 0 (any free port) to 65535")
