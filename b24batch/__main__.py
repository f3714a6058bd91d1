"""The program: ``python -m b24batch demo`` and ``python -m b24batch sandbox``."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from b24batch import demo
from b24batch.errors import AuthError, NotSent, SdkError, UsageError
from b24batch.sandbox import Portal

#: What ends a command: its exit code and its sentence, for the first class that fits.
_ENDS: tuple[tuple[type[SdkError], int, str], ...] = (
    (UsageError, 2, "{0.description}"),
    (NotSent, 4, "the portal cannot be reached: {0.description}"),
    (AuthError, 1, "the portal refuses the webhook: {0.code}: {0.description}"),
    (SdkError, 1, "{0}"),
)
#: What a shell reports for a program that Ctrl-C ended.
_INTERRUPTED = 130

_ADDRESS = re.compile(r"""[^\s'"]*/[^\s'"]*""")


class _Parser(argparse.ArgumentParser):
    """Complains about wrong arguments without repeating an address: there may be a webhook's code in it."""

    def error(self, message: str) -> NoReturn:
        super().error(_ADDRESS.sub("<address>", message))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 4 portal unreachable.

    Args:
        argv: The arguments after the program's name; by default those of this process.

    Raises:
        SystemExit: For wrong arguments and for ``--help``, as argparse does it.
    """
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except SdkError as error:
        return _end(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _demo(arguments: argparse.Namespace) -> int:
    url = arguments.webhook
    if url is None:
        url = os.environ.get("B24_WEBHOOK_URL") or None
    if url is None:
        demo.on_sandbox()
    else:
        demo.on_portal(url)
    return 0


def _sandbox(arguments: argparse.Namespace) -> int:
    portal = Portal(record=False, port=arguments.port)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            portal.start()
        except OSError as error:
            return _complain(f"port {arguments.port} cannot be used: {error.strerror}", code=1)
        print(portal.url, flush=True)
        if not arguments.quiet:
            print("This is its webhook URL: b24batch.Session(URL). All is in memory; Ctrl-C ends it.", flush=True)
        portal.serve_forever()
    return 0


def _end(error: SdkError) -> int:
    code, sentence = next((code, text) for kind, code, text in _ENDS if isinstance(error, kind))
    return _complain(" ".join(sentence.format(error).split()), code=code)


def _complain(sentence: str, *, code: int) -> int:
    print(f"b24batch: {sentence}", file=sys.stderr)
    return code


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError("a port is a number from 0 (any free one) to 65535")


def _parser() -> _Parser:
    parser = _Parser("python -m b24batch", description="A great many calls to Bitrix24, in batches.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")
    _add_demo(commands)
    _add_sandbox(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    about = "Show what the library does, on a portal inside this program."
    parser = commands.add_parser("demo", help=about, description=about)
    about = "read from this portal instead, writing nothing; default: the environment's B24_WEBHOOK_URL"
    parser.add_argument("--webhook", metavar="URL", help=about)
    parser.set_defaults(run=_demo)


def _add_sandbox(commands: argparse._SubParsersAction[_Parser]) -> None:
    about = "Serve a portal on this machine, for trying out and for tests, until Ctrl-C."
    parser = commands.add_parser("sandbox", help=about, description=about)
    parser.add_argument("--port", type=_port, default=8124, help="0 takes a free one; default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="print the webhook URL and nothing else")
    parser.set_defaults(run=_sandbox)


if __name__ == "__main__":
    sys.exit(main())
