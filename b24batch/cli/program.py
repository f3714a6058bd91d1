"""The program: reads its arguments, runs one command, and reports how that ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from b24batch.cli.arguments import make_parser
from b24batch.cli.interrupts import get_exit_code, handle_signals
from b24batch.cli.terminal import Exit, report_error, report_unwritten, say
from b24batch.errors import SdkError


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit code; see `b24batch.__main__.main`."""
    arguments = make_parser().parse(argv)
    if sys.stdout is None:
        say("standard output is closed; nothing was sent")
        return Exit.USAGE
    try:
        with handle_signals():
            code: Exit = arguments.run(arguments)
            sys.stdout.flush()
    except SdkError as error:
        return report_error(error)
    except KeyboardInterrupt:
        return get_exit_code()
    except OSError as error:
        return report_unwritten(error)
    return code
