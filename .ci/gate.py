"""The gate: what the README promises a newcomer, in empty environments, and the project's own checks.

``.ci/run`` runs all steps, ``.ci/run wheel floors`` these two, ``.ci/run --list`` tells which there are. Every step
runs, also after one that failed; the exit status is 0 if none did.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
#: What the wheel may weigh, bytes.
WHEEL_BOUND = 510_000
#: The least versions that setup.cfg names.
FLOORS = ("requests==2.32.4", "urllib3==2.2.0", "attrs==23.2.0", "tenacity==9.0.0")
#: Percent of the package's lines and branches that the tests have to reach.
COVERED = 98
#: Tests that run without coverage, on the oldest Python: the matrix of faults looks at sockets and not at Python, and
#: an interrupt inside coverage's lock would never end.
UNCOVERED = ("runs/test_matrix.py", "wire/test_foreign_exceptions.py")
#: Lines of a test run's end that are shown.
CLOSING = 40
#: Seconds after which a command is taken to hang.
PATIENCE = 900
WHEEL_CHECK = """
import importlib.metadata, pathlib
import b24batch
package = pathlib.Path(b24batch.__file__).parent
assert (package / "py.typed").exists()
files = importlib.metadata.files("b24batch")
assert not [file for file in files if {"tests", "django_project"} & set(file.parts)]
assert [file for file in files if file.match("django/migrations/0001_*.py")]
assert "_b24batch_pytest.py" in map(str, files)
assert b24batch.__version__ == importlib.metadata.version("b24batch")
print("b24batch", b24batch.__version__, "imports and runs from its wheel")
"""


class Failed(Exception):
    """A command ended with an exit code other than 0, or something is not as it has to be."""


def runs(python: str) -> bool:
    """Whether an interpreter runs: a version manager has names that stand for nothing."""
    try:
        return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0
    except OSError:
        return False


def find(version: str) -> str | None:
    """Return the interpreter of a version: by its name, or one that a version manager keeps without one."""
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [f"python{version}", *sorted(map(str, managed.glob(f"versions/{version}.*/bin/python")))]
    return next((python for python in candidates if runs(python)), None)


class Gate:
    """Runs commands in a copy of the project, in environments that it makes.

    Args:
        work: A folder for the copy, the environments and what is built.

    """

    def __init__(self, work: Path) -> None:
        """Copy the files that git knows: no file of a build or of an editable install is taken for the project's."""
        self.work, self.project, self.dist = work, work / "project", work / "dist"
        self.project.mkdir()
        said = {"cwd": ROOT, "stdout": subprocess.PIPE, "check": True}
        tracked = subprocess.run(["git", "ls-files", "-z"], **said)
        packed = subprocess.run(["tar", "--null", "-T", "-", "-c"], input=tracked.stdout, **said)
        subprocess.run(["tar", "-x", "-C", self.project], input=packed.stdout, check=True)
        found = {version: find(version) for version in VERSIONS}
        self.pythons = {version: python for version, python in found.items() if python} or {"3": sys.executable}
        self.oldest, self.newest = min(self.pythons), max(self.pythons)

    def run(self, *line: object, cwd: Path | None = None, shown: int | None = None, **variables: str) -> None:
        """Run a command, and print the last `shown` lines of what it says, by default all.

        Raises:
            Failed: It ended with another exit code than 0, or not in time.
        """
        words = [str(word) for word in line]
        named = " ".join(words[1:]).partition("\n")[0]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
        environment = {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": PATIENCE}
        try:
            ended = subprocess.run(words, cwd=cwd or self.project, env=environment, **options)
        except subprocess.TimeoutExpired as hung:
            raise Failed(f"{named}: did not end in {hung.timeout:.0f} s") from None
        lines = ended.stdout.splitlines()
        if ended.returncode:
            print(*lines[-200:], sep="\n", flush=True)
            raise Failed(f"{named}: exit code {ended.returncode}")
        told = lines if shown is None else lines[max(len(lines) - shown, 0) :]
        if told:
            print(*told, sep="\n", flush=True)

    def environment(self, name: str, version: str, *requirements: object) -> Path:
        """Make an empty environment, install what is required there, and return its interpreter.

        Only what is used is compiled: most of an install's time goes into modules that no test imports.
        """
        return self._make(name, version, "--no-compile", *requirements)

    def readme_environment(self, name: str, version: str, requirement: str) -> Path:
        """Make an empty environment, install the project as the README says, and return its interpreter."""
        return self._make(name, version, requirement)

    def _make(self, name: str, version: str, *words: object) -> Path:
        python = self.work / name / "bin" / "python"
        self.run(self.pythons[version], "-m", "venv", self.work / name, shown=0)
        self.run(python, "-m", "pip", "install", "-q", *words, shown=0)
        return python

    def test(self, python: Path, *arguments: object, **variables: str) -> None:
        """Run tests, the slow ones too and with all examples, and print the closing lines."""
        line = (python, "-m", "pytest", "-q", "-m", "", *arguments)
        self.run(*line, shown=CLOSING, B24BATCH_ALL_EXAMPLES="1", **variables)

    def wheel(self) -> Path:
        """Return the wheel; build it if no step has."""
        if not self.dist.exists():
            python = self.environment("build", self.oldest, "build", "twine")
            self.run(python, "-m", "build", "-q", "--outdir", self.dist, ".", shown=0)
            self.run(python, "-m", "twine", "check", "--strict", *self.dist.iterdir())
        return next(self.dist.glob("*.whl"))


def demo(gate: Gate) -> None:
    """The README's first command, on every Python."""
    for version in gate.pythons:
        python = gate.readme_environment(f"demo-{version}", version, ".")
        gate.run(python, "-m", "b24batch", "demo", shown=2)


def tests(gate: Gate) -> None:
    """The README's second command on the oldest Python, and the whole matrix of faults."""
    python = gate.readme_environment("tests", gate.oldest, ".[test]")
    gate.run(python, "-m", "pytest", "-q", shown=CLOSING)
    gate.test(python, *(f"tests/{file}" for file in UNCOVERED))


def checks(gate: Gate) -> None:
    """Ruff, mypy, pyright, and the documentation."""
    python = gate.environment("dev", gate.oldest, ".[dev,docs]")
    gate.run(python, "-m", "ruff", "check", ".")
    gate.run(python, "-m", "ruff", "format", "--check", ".")
    typed = ("tests/typing_api.py", "tests/typing_programs.py", "tests/typing_users.py")
    gate.run(python, "-m", "mypy", "b24batch", "_b24batch_pytest.py", *typed, "examples", "benchmarks")
    gate.run(python, "-m", "pyright", "--pythonpath", python, "--warnings", *typed)
    gate.run(python, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "docs", gate.work / "html")


def wheel(gate: Gate) -> None:
    """The wheel in an empty environment: its size, what is in it, and what it says without its extras."""
    size = gate.wheel().stat().st_size
    print(f"the wheel has {size:,} bytes and may have {WHEEL_BOUND:,}", flush=True)
    if size > WHEEL_BOUND:
        raise Failed("the wheel is too large")
    python = gate.environment("wheel", gate.oldest, gate.wheel())
    gate.run(python, "-m", "b24batch", "demo", cwd=gate.work, shown=2)
    gate.run(python, "-c", WHEEL_CHECK, cwd=gate.work)
    gate.run(python, gate.project / "tests" / "bare_install.py", cwd=gate.work)


def floors(gate: Gate) -> None:
    """The least versions of the dependencies."""
    python = gate.environment("floors", gate.oldest, gate.wheel(), *FLOORS)
    gate.run(python, "-m", "b24batch", "demo", cwd=gate.work, shown=2)


def install(gate: Gate, *packages: str) -> None:
    """Install Debian's packages where apt-get can; elsewhere their tests are skipped, and say so."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return
    line = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)
    try:
        gate.run("apt-get", "update", "-q", shown=0)
        gate.run(*line, shown=1, DEBIAN_FRONTEND="noninteractive")
    except Failed as failure:
        print(f"-- no {' and '.join(packages)} here: {failure}", flush=True)


def has_postgres() -> bool:
    """Whether PostgreSQL is installed."""
    return bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))


def install_servers(gate: Gate) -> None:
    """Install PostgreSQL and Redis."""
    if not shutil.which("redis-server") or not has_postgres():
        install(gate, "postgresql", "redis-server")


def find_browser(gate: Gate) -> str | None:
    """Return Chromium, installed if it is not there."""
    browser = os.environ.get("B24BATCH_BROWSER")
    if not browser and not shutil.which("chromium"):
        install(gate, "chromium")
    return browser or shutil.which("chromium")


def django(gate: Gate) -> None:
    """The Django project of the tests on the oldest and the newest Django, in a browser, and under load."""
    install_servers(gate)
    browser = find_browser(gate)
    for version, django in ((gate.oldest, "Django>=5.2,<5.3"), (gate.newest, "Django>=5.2")):
        print(f"-- {django} on Python {version}", flush=True)
        tools = ("pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", "gunicorn>=22", "uvicorn>=0.30")
        others = ("psycopg[binary]>=3.1.8", "celery>=5.4", "redis>=5", "playwright>=1.50")
        python = gate.environment(f"django-{version}-{len(django)}", version, ".[django]", django, *tools, *others)
        gate.test(python, "tests/django", "--ignore=tests/django/test_browser.py")
        gate.run(python, "tests/django_load.py")
    print("-- in a browser", flush=True)
    if browser:
        gate.test(python, "-n", "0", "tests/django/test_browser.py", B24BATCH_BROWSER=browser)
    else:
        print("-- skipped: Chromium is not installed, and apt-get cannot install it", flush=True)
    if not has_postgres():
        print("-- skipped: PostgreSQL for the tokens is not installed, and apt-get cannot install it", flush=True)
        return
    print("-- tokens on PostgreSQL", flush=True)
    files = [f"tests/django/test_django_{name}.py" for name in ("tokens", "views")]
    gate.test(python, "-n", "2", *files, B24BATCH_POSTGRES="1")


def redis(gate: Gate) -> None:
    """A rate limit that processes share in a real redis-server, with the newest and the oldest client."""
    install_servers(gate)
    if not shutil.which("redis-server"):
        print("-- skipped: redis-server is not installed, and apt-get cannot install it", flush=True)
        return
    for name, client in (("newest", "redis>=5"), ("oldest", "redis==5.0.*")):
        print(f"-- {client}", flush=True)
        python = gate.environment(f"redis-{name}", gate.oldest, ".[test]", client)
        gate.test(python, "-n", "2", "tests/redis", "tests/django/test_django_redis.py")
    server = "tests/redis/test_redis_server.py"
    gate.test(python, "-n", "0", "-s", "-k", "eight_processes", server, B24BATCH_REAL_TIME="1")


def late(gate: Gate) -> None:
    """Gevent and eventlet that patch late."""
    servers = ("gevent>=24", "eventlet>=0.36", "gunicorn>=22", "packaging")
    gate.run(gate.environment("late", gate.oldest, ".", *servers), "tests/late_patch.py")


def newest(gate: Gate) -> None:
    """All tests on the newest Python, the slow ones too, and how much of the code they reach.

    Those that run without coverage, and those of interrupts, have a step of their own.
    """
    python = gate.environment("newest", gate.newest, ".[test]", "pytest-cov>=6")
    report = ("--cov", "--cov-report=term:skip-covered", f"--cov-fail-under={COVERED}")
    left_out = [f"--ignore=tests/{file}" for file in (*UNCOVERED, "runs/test_interrupts.py")]
    gate.test(python, *left_out, *report)


def interrupts(gate: Gate) -> None:
    """An interrupt at every instant of most scenarios, and at many of those with lanes or a journal."""
    python = gate.environment("interrupts", gate.oldest, ".[test]")
    gate.test(python, "tests/runs/test_interrupts.py", B24BATCH_EVERY_INSTANT="1")


STEPS: dict[str, Callable[[Gate], None]] = {
    step.__name__: step for step in (demo, tests, checks, wheel, floors, django, redis, late, newest, interrupts)
}


def title(step: Callable[[Gate], None]) -> str:
    """Return the first sentence of a step's docstring."""
    return (step.__doc__ or "").splitlines()[0].rstrip(".")


def attempt(name: str, gate: Gate) -> bool:
    """Run one step, tell how long it took, and return whether it failed."""
    began = time.monotonic()
    print(f"\n== {name}: {title(STEPS[name])}", flush=True)
    try:
        STEPS[name](gate)
    except Failed as failure:
        print(f"== {name} FAILED after {time.monotonic() - began:.0f} s: {failure}", flush=True)
        return True
    print(f"== {name} passed in {time.monotonic() - began:.0f} s", flush=True)
    return False


def main(names: list[str]) -> int:
    """Run the steps of these names, by default all, and return the exit status."""
    if names == ["--list"]:
        print(*(f"{name:<12}{title(step)}" for name, step in STEPS.items()), sep="\n")
        return 0
    if unknown := set(names) - set(STEPS):
        print(f"no step is called {', '.join(sorted(unknown))}; there are: {', '.join(STEPS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as work:
        gate = Gate(Path(work))
        missing = ", ".join(set(VERSIONS) - set(gate.pythons))
        print(f"Python {', '.join(gate.pythons)}; not here: {missing or 'none'}", flush=True)
        failed = [name for name in names or STEPS if attempt(name, gate)]
    print(f"\nthe gate FAILED: {', '.join(failed)}" if failed else "\nthe gate passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
