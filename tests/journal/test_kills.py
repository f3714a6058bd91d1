"""Runs that are killed at random instants, in short: no outcome contradicts the portal."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "kills.py"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.slow
def test_kills():
    """Runs that are killed and started again through faults: none doubled, none untrue, no file damaged."""
    command = [sys.executable, str(BENCHMARK), "--kills", "20"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "20 kills" in ended.stdout
    assert "0 doubled, 0 contradict the portal, 0 damaged files" in ended.stdout
