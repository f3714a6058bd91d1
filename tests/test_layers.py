"""The house: which module may import which, and what the package offers."""

import ast
import importlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import b24batch

PACKAGE = Path(b24batch.__file__).parent
GROUND = "errors aliases clock locks statuses streams redaction sqlite_errors"
#: What each room may import beside itself, type imports included.
ROOMS = {
    **dict.fromkeys("errors aliases clock locks statuses streams sqlite_errors".split(), ""),
    "redaction": "errors",
    "calls": GROUND,
    "wire": GROUND,
    "html": GROUND,
    "results": f"{GROUND} html calls",
    "redis": f"{GROUND} wire",
    "options": f"{GROUND} wire",
    "oauth": f"{GROUND} wire",
    "runs": f"{GROUND} calls results wire",
    "lists": f"{GROUND} calls results runs",
    "journal": f"{GROUND} calls results runs",
    "session": f"{GROUND} html calls wire results options runs lists journal",
    "lookup": f"{GROUND} calls lists results options session",
    "reading": GROUND,
    "files": f"{GROUND} wire options session",
    "__init__": f"{GROUND} calls wire results oauth session lookup",
    "sandbox": "session options oauth wire.auth",
    "django": f"{GROUND} session options oauth wire calls results journal redis cli",
    "cli": f"{GROUND} session options oauth wire results sandbox calls lists journal",
    "__main__": "cli",
}
FILES = sorted(PACKAGE.rglob("*.py"))
PAGES = sorted((PACKAGE.parent / "docs/api").glob("*.rst"))
LISTED = re.compile(r"^\.\. (?:auto(?:class|data|exception|function)|py:type):: (\S+)$", re.MULTILINE)
#: Types in public signatures that need no import, and the names that one package takes from another.
TYPES = {
    "b24batch": "ErrorCode Options Params Ref __version__",
    "progress": "Bar MakeBar",
    "journal": "EncodedCommand",
}
ELSEWHERE = {"oauth": {"OAuth"}, "wire": {"LeakyBucket"}}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """The modules of the package that `path` imports, as their names below it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "b24batch":
            inner = node.module.partition(".")[2]
            names = [alias.name for alias in node.names if module_of(f"{inner}.{alias.name}".strip("."))]
            yield from (f"{inner}.{name}".strip(".") for name in names)
            if len(names) < len(node.names):
                yield inner or "__init__"
        if isinstance(node, ast.Import):
            found = [alias.name.partition(".")[2] for alias in node.names if alias.name.split(".")[0] == "b24batch"]
            yield from (name or "__init__" for name in found)


def module_of(name):
    """The file of a module of the package; None when the name is none."""
    place = PACKAGE.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


@pytest.fixture(scope="module")
def imports():
    """What each module imports."""
    return {path: set(imports_of(path)) for path in FILES}


def test_imports_point_down(imports):
    """A module imports from its own room and from the rooms below it, for types as well."""
    climbing = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path, names in imports.items()
        for room in [room_of(path)]
        for name in names
        if not {name, name.split(".")[0]} & {room, *ROOMS[room].split()}
    ]
    assert climbing == []


def test_no_circle(imports):
    """No module imports itself, by whatever way round."""
    imported = {path: set(map(module_of, names)) for path, names in imports.items()}
    while leaves := [path for path in imported if not imported[path] & set(imported)]:
        for path in leaves:
            del imported[path]
    assert not imported


def test_a_short_list_of_names():
    """A reader of the package's folder sees at most 22 names, and the public ones that few programs need."""
    assert len({room_of(path) for path in FILES} - {"journal", "lookup", "redis", "files", "reading"}) <= 22


def test_only_retries_knows_tenacity():
    """The library behind the retries is known in one module."""
    knowing = [path.stem for path in PACKAGE.rglob("*.py") if "tenacity" in path.read_text()]
    assert knowing == ["retries"]


def test_all_is_what_the_package_offers():
    """Every public name exists, is documented and stands in the README."""
    readme = (Path(__file__).parent.parent / "README.rst").read_text()
    assert sorted(b24batch.__all__) == b24batch.__all__
    for name in b24batch.__all__:
        assert getattr(b24batch, name).__doc__
        assert f"``{name}``" in readme or f"``{name}(" in readme
    assert {*b24batch.__all__, "__version__"} <= set(dir(b24batch))


@pytest.mark.slow
def test_every_test_states_its_rule():
    """The docstring of a test is the rule that it proves."""
    tests = [
        (path, node)
        for path in Path(__file__).parent.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert len(tests) > 800
    assert not [f"{path}: {node.name}" for path, node in tests if not (ast.get_docstring(node) or "").endswith(".")]


def test_every_error_class_is_public():
    """A caller can catch every error by its name."""
    from b24batch import errors

    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes <= set(b24batch.__all__)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem not in ("index", "plugin")], ids=lambda p: p.stem)
def test_the_reference_lists_the_public_names(page):
    """A page of the API reference has each name in the ``__all__`` of its package once, and only types beside them."""
    package = importlib.import_module(re.search(r"^\.\. (?:auto)?module:: (\S+)$", page.read_text(), re.MULTILINE)[1])
    listed = LISTED.findall(page.read_text())
    names = sorted(
        {*getattr(package, "__all__", ()), *TYPES.get(page.stem, "").split()} - ELSEWHERE.get(page.stem, set())
    )
    assert sorted(path.rpartition(".")[2] for path in listed) == names


def test_the_public_line_of_the_wire():
    """What one needs for credentials, limiters, clocks and adapters of one's own is offered in one place."""
    from b24batch import wire

    names = "Access Auth Clock FinishedRequest LeakyBucket Limiter MethodTime Secret Statistics TrackingAdapter Wait"
    assert wire.__all__ == names.split()
    assert all(getattr(wire, name).__doc__ for name in wire.__all__)


def test_version():
    """The version is that of the installed package."""
    assert b24batch.__version__ == metadata.version("b24batch")


def test_what_few_programs_need():
    """OAuth, lists, journals and threads are loaded on first use, so that an import takes less time."""
    line = "import sys, b24batch; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True).stdout.split()
    late = re.compile(
        r"b24batch\.(oauth|lists|journal|lookup|html|files|reading|runs\.(lanes|concurrent_run|progress))\b"
    )
    assert "b24batch.session" in loaded
    assert not list(filter(late.match, loaded))
    assert all(hasattr(b24batch, name) for name in b24batch.__all__)


def test_version_of_a_copy_that_is_not_installed():
    """Nobody knows it, and ``hasattr`` says so."""
    line = "import sys, b24batch; sys.path.clear(); print(hasattr(b24batch, '__version__'))"
    assert subprocess.run([sys.executable, "-c", line], capture_output=True, text=True).stdout == "False\n"
