"""The command line program: ``b24batch``, or ``python -m b24batch``."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``b24batch --help`` lists them.

    Args:
        argv: The arguments after the program's name; by default those of this process.

    Raises:
        SystemExit: For no arguments, invalid ones and ``--help``, as usual with argparse.
    """
    try:
        from b24batch.cli.arguments import make_parser
        from b24batch.cli.program import execute

        arguments = make_parser().parse(argv)
        return execute(lambda: arguments.run(arguments))
    except KeyboardInterrupt:  # Ctrl-C before the program handles it
        return 130


if __name__ == "__main__":
    sys.exit(main())
