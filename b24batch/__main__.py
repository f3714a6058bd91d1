"""The command line program: ``b24batch``, or ``python -m b24batch``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from b24batch.cli.arguments import parsed
from b24batch.cli.interrupts import exit_code, handled
from b24batch.cli.terminal import Exit, ended_by, ended_unwritten, say
from b24batch.errors import SdkError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``b24batch --help`` lists them.

    Args:
        argv: The arguments after the program's name; by default those of this process.

    Raises:
        SystemExit: For invalid arguments and ``--help``, as usual with argparse.
    """
    arguments = parsed(argv)
    if sys.stdout is None:
        say("standard output is closed; nothing was sent")
        return Exit.USAGE
    try:
        with handled():
            code: Exit = arguments.run(arguments)
            sys.stdout.flush()
    except SdkError as error:
        return ended_by(error)
    except KeyboardInterrupt:
        return exit_code()
    except OSError as error:
        return ended_unwritten(error)
    return code


if __name__ == "__main__":
    sys.exit(main())
