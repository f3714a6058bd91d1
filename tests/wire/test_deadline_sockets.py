"""A deadline that passes at any step of a request leaves no socket open."""

import gc
import itertools
import warnings

from b24batch import NotSent, RetryPolicy, SdkError
from b24batch.sandbox import FakeClock, Portal


class Jumping(FakeClock):
    """A clock that jumps far ahead at its n-th look."""

    def __init__(self, looks):
        super().__init__()
        self.looks = itertools.count(-looks)

    def monotonic(self):
        if next(self.looks) == 0:
            self.advance(4000)
        return super().monotonic()


def test_no_socket_is_left_open():
    """Wherever the deadline passes, even between the connection and its first byte, the socket is closed."""
    ended = set()
    with Portal() as portal, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for looks in range(1, 40):
            with portal.session(clock=Jumping(looks), retries=RetryPolicy(attempts=1)) as b24:
                try:
                    b24.call("crm.deal.get", {"id": 1})
                except SdkError as error:
                    ended.add(type(error))
        gc.collect()
    assert NotSent in ended
    assert [str(warning.message) for warning in caught] == []
