"""Frames: how many functions of ours a call goes through on its way to requests."""

import sys
import threading
from pathlib import Path

import pytest

import b24batch

PACKAGE = Path(b24batch.__file__).parent
WIRE = str(PACKAGE / "wire")
REQUESTS = str(Path("requests", "sessions.py"))
CALLS = [("look.get", {"n": n}) for n in range(2)]

WAYS = {
    "call": lambda b24: b24.call(*CALLS[0]),
    "batch": lambda b24: b24.batch(CALLS),
    "batch_by_chunk": lambda b24: b24.batch_by_chunk(CALLS),
    "stream_batch": lambda b24: list(b24.stream_batch(CALLS)),
    "fetch_list": lambda b24: list(b24.fetch_list("look.get", paging="whole")),
}


def own_frames(portal, b24, way):
    """The names of our functions between the caller and requests while the portal answers, innermost last."""
    caller, seen = threading.get_ident(), []

    def look(_params):
        frame = sys._current_frames()[caller]
        while frame is not None:
            seen.insert(0, (frame.f_code.co_filename, frame.f_code.co_qualname))
            frame = frame.f_back
        return []

    portal.method("look.get")(look)
    WAYS[way](b24)
    files = [file for file, _name in seen]
    first = next(place for place, file in enumerate(files) if file.endswith(REQUESTS))
    return [(file, name) for file, name in seen[:first] if file.startswith(str(PACKAGE))]


@pytest.mark.parametrize(
    ("way", "most"), [("call", 1), ("batch", 2), ("batch_by_chunk", 3), ("stream_batch", 3), ("fetch_list", 4)]
)
def test_frames_above_the_wire(portal, b24, way, most):
    """What a command is, and what became of it, takes few functions of ours around the one request."""
    above = [name for file, name in own_frames(portal, b24, way) if not file.startswith(WIRE)]
    assert 0 < len(above) <= most, above


@pytest.mark.xfail(strict=True, reason="the wire takes more than three")
@pytest.mark.parametrize(("way", "most"), [("call", 5), ("batch_by_chunk", 6)])
def test_frames_above_requests(portal, b24, way, most):
    """A call goes through five functions of ours to requests, a chunked run through six."""
    frames = [name for _file, name in own_frames(portal, b24, way)]
    assert len(frames) <= most, frames
