"""CONTRIBUTING: the files that its recipes name are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_named_files_are_there():
    """Every path that CONTRIBUTING names exists."""
    named = re.findall(r"(?:\b(?:b24batch|docs|tests)|\.ci)/[\w/.]+", (ROOT / "CONTRIBUTING.rst").read_text())
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path.rstrip(".")).exists()] == []


def test_every_room_has_its_line():
    """The table of the layers has every folder of the package, and tests have a folder or a file of the same name."""
    text = (ROOT / "CONTRIBUTING.rst").read_text()
    rooms = {path.parent.name for path in (ROOT / "b24batch").glob("*/__init__.py")}
    assert {room for room in rooms if f"``{room}/``" not in text} == set()
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").iterdir()}
    assert rooms - tests == set()
