"""Exceptions from outside: Ctrl-C, a time limit, whatever a signal handler raises."""

from __future__ import annotations

import signal
import traceback


def is_interrupt(error: BaseException) -> bool:
    """Return whether an exception interrupted the running code from outside, and was not raised by it.

    A signal handler may raise anything; its frame is in the traceback. A handler that is not a Python function has no
    frame, but usually raises `TimeoutError`.
    """
    if not isinstance(error, Exception) or isinstance(error, TimeoutError):
        return True
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(getattr(handler, "__func__", handler), "__code__", None) for handler in handlers}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))
