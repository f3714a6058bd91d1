"""The soak, in short: writes from several threads through random faults."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commands", "share", "lanes"),
    [
        ("1000", "0.5", ()),
        ("1000", "0.5", ("--threads", "1", "--concurrency", "8")),
        pytest.param("10000", "0.15", (), marks=pytest.mark.slow),
        pytest.param("10000", "0.15", ("--threads", "1", "--concurrency", "8"), marks=pytest.mark.slow),
    ],
)
def test_a_short_soak(commands, share, lanes):
    """Writes through faults on a share of the requests: none doubled, none untrue, none lost."""
    command = [sys.executable, str(BENCHMARK), "--commands", commands, "--share", share, *lanes]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 doubled, 0 contradict the journal, 0 lost" in ended.stdout
    assert "'unknown'" in ended.stdout
