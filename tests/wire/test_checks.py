"""What is said of a number, a function or an object that is invalid: the argument, what is expected, what came."""

import math

import pytest
from drawing import together

from b24batch import LeakyBucket, RetryPolicy, UsageError
from b24batch.wire.checks import check_share

INFINITE, NO_NUMBERS = [math.inf, 10**400], [None, True, False, "1", math.nan, [1]]
WHOLE, SECONDS = "a whole number of at least", "a number of seconds of at least 0"
TIMES = ("wait_initial", "wait_max", "total_wait")
NUMBERS = [
    (RetryPolicy, "attempts", f"{WHOLE} 1", [0, -1, 1.0, *INFINITE[:1], *NO_NUMBERS]),
    *((RetryPolicy, name, SECONDS, [-1, -0.1, -math.inf, -(10**400), *NO_NUMBERS]) for name in TIMES),
    (LeakyBucket, "capacity", f"{WHOLE} 2", [1, 0, -5, 50.0, *INFINITE[:1], *NO_NUMBERS]),
    (LeakyBucket, "leak_rate", "a positive number", [0, -1.0, *INFINITE, *NO_NUMBERS]),
]
OPTIONS = [
    *(
        (name, "a positive number of seconds", [-1, *INFINITE, *NO_NUMBERS[1:]])
        for name in ("max_wait", "operating_wait")
    ),
    *((name, "a positive number of seconds", [0, -1, *INFINITE, *NO_NUMBERS]) for name in ("timeout", "deadline")),
    ("max_answer", f"{WHOLE} 1", [0, 1.0, *NO_NUMBERS]),
    ("concurrency", "a whole number from 1 to 16", [0, 17, 2.0, *NO_NUMBERS]),
]
KINDS = [
    ("retries", "a RetryPolicy", [3, None]),
    ("http", "a requests.Session or None", [3, RetryPolicy]),
    *((name, "a function", [3, "print"]) for name in ("on_wait", "on_request")),
]


@together("make, name, wanted, values", NUMBERS)
def test_numbers(make, name, wanted, values):
    """A policy and a bucket refuse what is no number, is not whole where that is needed, or is out of range."""
    for value in values:
        with pytest.raises(UsageError) as refused:
            make(**{name: value})
        assert refused.value.description.startswith(f"{name}: expected {wanted}, got ")


@together("name, wanted, values", OPTIONS)
def test_options(b24, name, wanted, values):
    """So does a session."""
    for value in values:
        with pytest.raises(UsageError) as refused:
            b24.with_options(**{name: value})
        assert refused.value.description.startswith(f"{name}: expected {wanted}, got ")


def test_what_is_valid(b24):
    """The ends of each range are valid, and so are parts of a second."""
    assert b24.with_options(timeout=0.001).timeout == (0.001, 0.001)
    assert [b24.with_options(max_wait=value).max_wait for value in (0, 0.5, 1)] == [0.0, 0.5, 1.0]
    assert LeakyBucket(2, 0.1).leak_rate == 0.1
    check_share("share", 0.01)
    check_share("share", 1)
    for share in (0, -0.5, 1.01, math.nan):
        with pytest.raises(UsageError, match=r"^USAGE: share: expected a number above 0 and at most 1, got "):
            check_share("share", share)


@together("name, wanted, values", KINDS)
def test_kinds(b24, name, wanted, values):
    """An option that is an object must be of the right kind, which the error names."""
    for value in values:
        with pytest.raises(TypeError, match=rf"^{name}: expected {wanted}, got "):
            b24.with_options(**{name: value})


def test_random():
    """What a policy draws its pauses with is a function."""
    with pytest.raises(TypeError, match=r"^random: expected a function, got 0\.5"):
        RetryPolicy(random=0.5)
