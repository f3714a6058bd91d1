"""The soak, in short: writes from several threads through random faults."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.parametrize("lanes", [(), ("--threads", "1", "--concurrency", "8")])
def test_a_short_soak(lanes):
    """10,000 writes through faults on a seventh of the requests: none doubled, none untrue, none lost."""
    command = [sys.executable, str(BENCHMARK), "--commands", "10000", "--share", "0.15", *lanes]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 doubled, 0 contradict the journal, 0 lost" in ended.stdout
    assert "'unknown'" in ended.stdout
