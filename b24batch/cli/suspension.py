"""Ctrl-Z: the line that shows the progress is gone while the program is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from b24batch.cli.live_lines import LiveLine

#: What Ctrl-Z sends; Windows does not have it.
_STOP: int | None = getattr(signal, "SIGTSTP", None)


@contextlib.contextmanager
def hidden_while_stopped(line: LiveLine) -> Iterator[None]:
    """Let Ctrl-Z in the block hide a line before it stops the program, and draw it again when the program goes on."""
    is_main = threading.current_thread() is threading.main_thread()
    if _STOP is None or not is_main or signal.getsignal(_STOP) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        """Hide the line, stop as the signal does by default, and draw the line again."""
        was_drawn = line.hide()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, stop)
        if was_drawn:
            line.show_again()

    signal.signal(_STOP, stop)
    try:
        yield
    finally:
        signal.signal(_STOP, signal.SIG_DFL)
