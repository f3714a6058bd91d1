"""The notebooks of the documentation: each runs from top to bottom on the sandbox inside it."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from b24batch.calls.methods import is_read

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
NAMES = ["bulk_creation", "export_to_chart"]

each_notebook = pytest.mark.parametrize("name", NAMES)


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Run a notebook in a kernel of its own, and return its outputs."""
    for variable in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path))

    def play(name):
        notebook = read(name)
        NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
        return [output for cell in code_of(notebook) for output in cell.outputs]

    return play


@pytest.fixture
def alone(monkeypatch):
    """An environment that names no portal."""
    monkeypatch.delenv("B24_WEBHOOK_URL", raising=False)


def texts(outputs, kind):
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


@each_notebook
def test_stored_without_outputs(name):
    """A notebook is stored valid, without outputs and without counts of its runs."""
    notebook = read(name)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code_of(notebook))
    assert {path.stem for path in FOLDER.iterdir() if path.is_file()} == set(NAMES)


@each_notebook
def test_says_where_it_goes(name):
    """A notebook says at its top what to install and whether it writes, and in its first cell how to use a portal."""
    notebook = read(name)
    assert "pip install 'b24batch[notebook]'" in notebook.cells[0].source
    assert ("writes" in notebook.cells[0].source) == ("crm.item.add" in str(notebook.cells))
    assert "Portal().start()" in code_of(notebook)[0].source
    assert "B24_WEBHOOK_URL" in code_of(notebook)[0].source


@pytest.mark.slow
def test_bulk_creation(play, alone):
    """The notebook of errors shows a bar, each table, and ends with every deal there once."""
    outputs = play("bulk_creation")
    assert not [output for output in outputs if output.output_type in ("stream", "error")]
    session, _, result, row, *_ = texts(outputs, "text/html")
    assert re.search(r"<td[^>]*>Webhook</td>", session)
    assert "150 commands: 98 ok, 2 failed, 50 unknown" in result
    assert "80 more left out: 80 ok" in result
    assert "crm.item.add: failed" in row
    assert len(texts(outputs, "application/vnd.jupyter.widget-view+json")) == 2
    assert texts(outputs, "text/plain")[-1] == "(150, 150)"


@pytest.mark.slow
def test_export_to_chart(play, alone):
    """The notebook of a list shows a bar, and draws a chart of all rows."""
    outputs = play("export_to_chart")
    assert not [output for output in outputs if output.output_type in ("stream", "error")]
    assert "1200" in texts(outputs, "text/plain")
    assert len(texts(outputs, "application/vnd.jupyter.widget-view+json")) == 1
    assert len(texts(outputs, "image/png")) == 1


@pytest.mark.slow
@each_notebook
def test_runs_on_the_given_portal(name, play, portal, b24, monkeypatch):
    """With a webhook a notebook talks to that portal, writes only if it says so, and shows the code nowhere."""
    b24.batch_by_chunk(("crm.deal.add", {"fields": {"TITLE": str(n), "CLOSEDATE": "2026-01-15"}}) for n in range(60))
    monkeypatch.setenv("B24_WEBHOOK_URL", portal.url)
    before = len(portal.executed)
    outputs = play(name)
    executed = [command.method for command in portal.executed[before:]]
    assert executed
    assert all(map(is_read, executed)) == ("only reads" in read(name).cells[0].source)
    assert portal.url.rstrip("/").rpartition("/")[2] not in str(outputs)
