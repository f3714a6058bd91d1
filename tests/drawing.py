"""How much is tried: some examples at the desk, all of them in the gate; the same ones in each run."""

import functools
import inspect
import os

import pytest
from hypothesis import HealthCheck, settings

#: Whether all are drawn; otherwise a tenth or less.
ALL = bool(os.environ.get("B24BATCH_ALL_EXAMPLES"))


#: How long drawing takes says something of the machine, not of the tests.
UNCHECKED = [HealthCheck.too_slow]


def drawn(number, *, unchecked=(), **options):
    """Draw so many examples in the gate, but for some of the health checks."""
    steady = {"deadline": None, "derandomize": True, "suppress_health_check": [*UNCHECKED, *unchecked]}
    return settings(max_examples=number if ALL else number // 10, **steady, **options)


def some(cases, *, share=5):
    """Return all cases in the gate, and one in `share` at the desk."""
    return list(cases)[:: 1 if ALL else share]


def together(names, cases):
    """Try all cases in one test, with the same fixtures; every case that fails is named.

    A portal, a connection and a report of its own for each would take longer than the cases. After a case the portal's
    records are empty again, if the test has the portal; what else it leaves there, the next case finds.
    """
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    cases = [to_values(names, case) for case in cases]

    def decorate(test):
        @functools.wraps(test)
        def run(**fixtures):
            wrong = [error for case in cases if (error := try_case(test, fixtures, case))]
            if wrong:
                raise BaseExceptionGroup(f"{len(wrong)} of {len(cases)} cases", wrong)

        signature = inspect.signature(test)
        left = [each for each in signature.parameters.values() if each.name not in names]
        run.__signature__ = signature.replace(parameters=left)
        return run

    return decorate


def to_values(names, case):
    """Return the values of a case by their names."""
    if isinstance(case, type(pytest.param())):
        assert not case.marks
        case = case.values
    elif len(names) == 1:
        case = [case]
    return dict(zip(names, case, strict=True))


def try_case(test, fixtures, case):
    """Return what goes wrong in a case, or None."""
    try:
        test(**fixtures, **case)
    except (Exception, pytest.fail.Exception) as error:
        error.add_note(f"in the case {case!r}")
        return error
    finally:
        if "portal" in fixtures:
            fixtures["portal"].requests.clear()
            fixtures["portal"].executed.clear()
    return None
