"""What a package without its extras answers at each optional door; `.ci/run` runs this in an empty environment."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from b24batch.sandbox import Portal

# The folder of tests that is called django would be taken for Django where that is missing.
sys.path.remove(str(Path(__file__).parent))


def refused(door: Callable[[], object]) -> str:
    """Return the sentence with which a door stays shut."""
    try:
        door()
    except ImportError as error:
        return str(error)
    raise AssertionError("it opened: is the extra installed?")


with Portal() as portal, portal.session() as b24:
    calls = [("server.time",)] * 3
    assert refused(lambda: b24.batch_by_chunk(calls, progress=True)) == (
        "progress=True needs tqdm: pip install 'b24batch[progress]'"
    )
    assert "b24batch[progress]" in refused(lambda: b24.call_list("crm.deal.list", progress=True))
    assert portal.requests == []
    assert refused(lambda: importlib.import_module("b24batch.django")) == (
        "b24batch.django needs Django: pip install 'b24batch[django]'"
    )
    assert refused(lambda: importlib.import_module("b24batch.redis")) == (
        "b24batch.redis needs redis: pip install 'b24batch[redis]'"
    )
    result = b24.batch_by_chunk(calls)
    assert "<table" in result._repr_html_()
    assert len(result.to_records()) == len(calls)
print("every optional door answers with its sentence, and what needs none of them works")
