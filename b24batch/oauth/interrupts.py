"""Exceptions that come from outside: Ctrl-C, a time limit, whatever the handler of a signal raises."""

from __future__ import annotations

import signal
import traceback


def is_interrupt(error: BaseException) -> bool:
    """Return whether an exception came into the code that was running, and is no word of that code.

    The handler of a signal may raise anything; its frame is in the traceback. One that is no function has no frame
    that could be known, but raises `TimeoutError` as a rule.
    """
    if not isinstance(error, Exception) or isinstance(error, TimeoutError):
        return True
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(getattr(handler, "__func__", handler), "__code__", None) for handler in handlers}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))
