"""How long the imports take, each in a fresh process and all in turns."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from environments import CLIENTS, VARIABLES, Client, python_of
from tables import Runs, Taken

#: How often an import is timed.
TIMES = 20
_THREE = "requests, attrs, tenacity"
_TIMED = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
{}
print(json.dumps({{"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}}))
"""


def imports(chosen: dict[str, Client], cache: Path) -> Runs:
    """Return what the imports of the clients take, and what b24batch stands on, after one that is not counted."""
    pythons = {name: (client.imports, python_of(cache / client.environment)) for name, client in chosen.items()}
    pythons[_THREE] = (f"import {_THREE}", python_of(cache / CLIENTS["b24batch"].environment))
    timed = {name: timing for name, timing in pythons.items() if timing[0]}
    runs: Runs = {name: [] for name in timed}
    for turn in range(TIMES + 1):
        for name, (statement, python) in timed.items():
            taken = _taken(statement, python)
            if turn:
                runs[name].append(taken)
    return runs


def _taken(statement: str, python: Path) -> Taken:
    words = [str(python), "-c", _TIMED.format(statement)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=VARIABLES)
    taken: Taken = json.loads(done.stdout)
    return taken
