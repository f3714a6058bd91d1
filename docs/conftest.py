"""What the examples of the pages run with: ``python -m pytest docs --doctest-glob='*.rst'``."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

_CONSOLE = re.compile(r"^\.\. code-block:: console\n\n((?:    .*\n|\n)+)", re.MULTILINE)
_LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _outcome(command: str, folder: Path) -> str:
    """Run a line of a shell, and return what it prints, with its exit code if that is not 0."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    code = f"[exit code {ended.returncode}]\n" if ended.returncode else ""
    return ended.stdout + ended.stderr + code


#: A page whose examples start a process each.
_SLOW_PAGE = Path(__file__).with_name("command_line.rst")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the page out where slow tests are."""
    for item in items:
        if item.path == _SLOW_PAGE:
            item.add_marker("slow")


@pytest.fixture
def check_console(tmp_path: Path) -> Callable[[str], None]:
    """Run the ``console`` blocks of a page in one folder, and compare what they print with what stands there."""

    def check(page: str) -> None:
        blocks = _CONSOLE.findall((Path(__file__).parent / page).read_text())
        assert blocks
        for block in blocks:
            for example in re.split(r"^\$ ", textwrap.dedent(block), flags=re.MULTILINE)[1:]:
                first, *rest = example.splitlines(keepends=True)
                more = [line[2:] for line in rest if line.startswith("> ")]
                wanted = "".join(rest[len(more) :]).rstrip()
                got = _outcome("".join([first, *more]), tmp_path).rstrip()
                if not doctest.OutputChecker().check_output(f"{wanted}\n", f"{got}\n", _LENIENT):
                    pytest.fail(f"{page}: $ {first}{got}", pytrace=False)

    return check


@pytest.fixture(autouse=True)
def _without_a_portal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No example may reach the portal of whoever runs it."""
    monkeypatch.delenv("B24_WEBHOOK_URL", raising=False)
