"""How the tests try many cases in one."""

import pytest
from drawing import together


def test_every_case_that_fails_is_named():
    """The failure has the error of each wrong case, with its values; the others pass."""

    @together("first", [1, pytest.param(2)])
    @together("second, above", [(1, False), (0, True), (5, False)])
    def compare(first, second, above):
        assert (first > second) == above

    with pytest.raises(ExceptionGroup, match="1 of 2 cases") as caught:
        compare()
    ((inner,),) = [error.exceptions for error in caught.value.exceptions]
    assert inner.__notes__ == ["in the case {'second': 1, 'above': False}"]
    assert caught.value.exceptions[0].__notes__ == ["in the case {'first': 2}"]


def test_what_a_case_leaves(portal, b24):
    """The portal's records are empty for the next case; an error that does not come is a failure, too."""

    @together("number", range(3))
    def send(portal, number):
        b24.call("echo")
        assert len(portal.requests) == len(portal.executed) == 1
        with pytest.raises(ZeroDivisionError):
            assert number / number

    with pytest.raises(BaseExceptionGroup, match="2 of 3 cases"):
        send(portal=portal)
    assert portal.requests == []
