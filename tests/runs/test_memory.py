"""A stream of commands needs memory for one chunk, not for the run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "stream.py"


def test_fifty_thousand_commands():
    """50,000 commands from a generator leave the client within 25 MB of its start."""
    command = [sys.executable, str(BENCHMARK), "--commands", "50000"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "50000 of 50000 commands ok" in printed
    assert float(re.search(r"peak memory ([\d.]+) MiB over", printed)[1]) < 25
