"""The programs whose types are checked do what they say."""

import inspect

import pytest
import typing_programs

PROGRAMS = [each for each in vars(typing_programs).values() if inspect.isfunction(each) and each.__doc__ is None]


def test_there_are_many():
    """Type checkers see at least forty programs."""
    assert len(PROGRAMS) >= 40


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program(b24, program):
    """A program runs on a portal with 120 deals, and its own assertions hold."""
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}) for n in range(120)])
    program(b24)
