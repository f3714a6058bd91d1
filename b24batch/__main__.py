"""The command line program: ``b24batch``, or ``python -m b24batch``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from b24batch.cli.arguments import make_parser
from b24batch.cli.interrupts import get_exit_code, handle_signals
from b24batch.cli.terminal import Exit, report_error, report_unwritten, say
from b24batch.errors import SdkError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``b24batch --help`` lists them.

    Args:
        argv: The arguments after the program's name; by default those of this process.

    Raises:
        SystemExit: For no arguments, invalid ones and ``--help``, as usual with argparse.
    """
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


if __name__ == "__main__":
    sys.exit(main())
