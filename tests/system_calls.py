"""What happens while a function of the system is about to be called: another process comes in, or the call fails."""

import sys
from contextlib import contextmanager


@contextmanager
def calling_at(steps, act):
    """Calls `act` whenever this thread is about to call one of these functions of the system, until it raises."""

    def look(_frame, event, function):
        if event == "c_call" and function.__name__ in steps.split():
            act()

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)


def failing_at(steps, error):
    """Raises an error whenever this thread is about to call one of these functions."""

    def fail():
        raise error

    return calling_at(steps, fail)
