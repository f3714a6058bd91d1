"""The house: which module may import which, and what the package offers."""

import ast
from pathlib import Path

import pytest

import b24batch

PACKAGE = Path(b24batch.__file__).parent
LAYERS = [
    "booleans",
    "errors encoding crm locks addresses statuses delivery streams interrupts sqlite_errors list_methods write_methods"
    " v3_methods new_ids extra",
    "references faults shapes repeats",
    "commands adapter earlier limits retries auth query families conditions notebook",
    "remaining connections encoded masks succession",
    "chunks results answers page_commands elements patience",
    "tokens",
    "payload transport resolution pages offsets token_server progress forms",
    "run newest ways",
    "renewal",
    "batch pagination options oauth",
    "session",
    "__init__",
    "sandbox django application sqlite",
    "demo",
    "program pytest_plugin",
    "__main__",
]
LAYER = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
FILES = sorted(PACKAGE.glob("*.py"))


def runtime_imports(path):
    """The modules of the package that `path` imports, those only for type checkers left out."""
    tree = ast.parse(path.read_text())
    skipped = {
        node
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and isinstance(test.test, ast.Name) and test.test.id == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "b24batch":
            yield node.module
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("b24batch"))


def layer_of(path):
    relative = path.relative_to(PACKAGE)
    return LAYER[relative.parts[0].removesuffix(".py")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_point_down(path):
    """No module imports from its own layer or one above it, and none from the package itself."""
    imported = list(runtime_imports(path))
    assert "b24batch" not in imported or path.stem == "__main__"
    assert all(LAYER[name.split(".")[1]] < layer_of(path) for name in imported if "." in name)


def test_the_core_imports_no_optional_part():
    """What the sandbox and other optional parts need is never loaded with the core."""
    optional = LAYER["sandbox"]
    core = [path for path in FILES if layer_of(path) < optional]
    imported = {name.split(".")[1] for path in core for name in runtime_imports(path) if "." in name}
    assert not {name for name in imported if LAYER[name] >= optional}


def test_only_retries_knows_tenacity():
    """The library behind the retries is known in one module."""
    knowing = [path.stem for path in PACKAGE.rglob("*.py") if "tenacity" in path.read_text()]
    assert knowing == ["retries"]


def test_the_sandbox_shares_no_code_with_the_client():
    """A test against the sandbox is no mirror: of the client it knows only the session it hands out."""
    imported = {name for path in PACKAGE.glob("sandbox/*.py") for name in runtime_imports(path)}
    foreign = {name for name in imported if not name.startswith("b24batch.sandbox")}
    assert foreign <= {"b24batch.session", "b24batch.oauth", "b24batch.tokens"}


def test_all_is_what_the_package_offers():
    """Every public name exists, is documented and stands in the README."""
    readme = (Path(__file__).parent.parent / "README.rst").read_text()
    assert sorted(b24batch.__all__) == b24batch.__all__
    for name in b24batch.__all__:
        assert getattr(b24batch, name).__doc__
        assert f"``{name}``" in readme


TESTS = [
    node
    for path in Path(__file__).parent.glob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_every_test_states_its_rule(test):
    """The docstring of a test is the rule that it proves."""
    assert (ast.get_docstring(test) or "").endswith(".")


def test_every_error_class_is_public():
    """A caller can catch every error by its name."""
    from b24batch import errors

    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes <= set(b24batch.__all__)
