"""One command of the program, from its start to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from b24batch.cli.interrupts import get_exit_code, handle_signals
from b24batch.cli.terminal import Exit, report_error, report_unwritten, say
from b24batch.errors import SdkError


def execute(command: Callable[[], Exit]) -> int:
    """Run a command with the program's signals, and report its errors; return its exit code."""
    if sys.stdout is None:
        say("standard output is closed; nothing was sent")
        return Exit.USAGE
    try:
        with handle_signals():
            code = command()
            sys.stdout.flush()
    except SdkError as error:
        return report_error(error)
    except KeyboardInterrupt:
        return get_exit_code()
    except OSError as error:
        return report_unwritten(error)
    return code
