"""A stream of commands needs memory for one chunk, not for the run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "stream.py"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of its memory in /proc")
@pytest.mark.slow
@pytest.mark.parametrize(("commands", "bound"), [("10000", 5), ("50000", 25)])
def test_many_commands(commands, bound):
    """Commands from a generator leave the client within a few MiB of its start, however many there are."""
    command = [sys.executable, str(BENCHMARK), "--commands", commands]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert f"{commands} of {commands} commands ok" in printed
    assert float(re.search(r"peak memory ([\d.]+) MiB over", printed)[1]) < bound
