"""The examples: each runs as it is, on the sandbox inside it and on a portal of its caller."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from b24batch.calls.methods import is_read
from b24batch.sandbox import PortalError

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
BY_NAME = {path.stem: path for path in EXAMPLES}

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@pytest.fixture
def play(portal, monkeypatch, capsys):
    """Run an example on the test's portal, and return what it printed."""

    def play(name):
        monkeypatch.setenv("B24_WEBHOOK_URL", portal.url)
        monkeypatch.setattr(sys, "argv", [name])
        runpy.run_path(str(BY_NAME[name]), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return play


def written(portal):
    """Return the methods of all writes that the portal executed."""
    return [executed.method for executed in portal.executed if not is_read(executed.method)]


def codes(b24):
    """Return the codes of all data storages."""
    return [storage["ENTITY"] for storage in b24.call("entity.get").data]


@each_example
def test_runs_as_it_is(path, tmp_path, monkeypatch, capsys):
    """Without a webhook an example is a script that runs anywhere, against the sandbox inside it."""
    monkeypatch.delenv("B24_WEBHOOK_URL", raising=False)
    monkeypatch.setattr(sys, "argv", [path.name])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    output, errors = capsys.readouterr()
    assert output.strip()
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


@each_example
def test_runs_on_the_given_portal(path, portal, play):
    """With a webhook an example talks to that portal, and does not show its URL.

    It says at its top how to start it and where it goes, and that it writes if it does.
    """
    said = play(path.stem)
    assert portal.executed
    assert not any(portal.url.rstrip("/").rpartition("/")[2] in line for line in said)
    head = ast.get_docstring(ast.parse(path.read_text()))
    assert f"python examples/{path.name}" in head
    assert "B24_WEBHOOK_URL" in head
    assert ("WRITES:" in head) == bool(written(portal))


@each_example
def test_is_short(path):
    """An example is short enough to be read in one go."""
    assert len(path.read_text().splitlines()) <= 60


def test_companies(portal, play):
    """Three companies go in one batch and come back in another, their titles as they were given."""
    assert play("companies") == [
        "first: ok, 1: Company 1",
        "second: ok, 2: Company 2 & Sons",
        "third: ok, 3: Company 3 (100% new)",
    ]
    assert [request.method for request in portal.requests] == ["batch", "batch"]
    assert written(portal) == ["crm.item.add"] * 3


def test_companies_that_are_refused(portal, play):
    """When the portal refuses a company, the example ends with its message."""

    @portal.method("crm.item.add")
    def refuse(params):
        raise PortalError("ACCESS_DENIED", "No rights")

    with pytest.raises(SystemExit, match="ACCESS_DENIED: No rights"):
        play("companies")


def test_company_contact_deal(portal, play):
    """One request creates three entities that know each other; what depends on a failed call is skipped."""
    assert play("company_contact_deal") == [
        "deal 1 of company 1 and contact 1",
        "company: crm.item.add: 100: Could not find value for parameter {fields}",
        "contact: skipped",
    ]
    assert len(portal.requests) == 2
    assert written(portal) == ["crm.item.add", "crm.contact.add", "crm.deal.add"]


def test_durable_import(portal, b24, tmp_path):
    """Killed in the middle of a request, the import goes on when it is started again, and creates each deal once."""
    path, processes = tmp_path / "orders.csv", []
    path.write_text("order,title\n" + "".join(f"{n},Order {n}\n" for n in range(120)))

    def start():
        line = [sys.executable, str(BY_NAME["durable_import"]), str(path)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(line, env={**os.environ, "B24_WEBHOOK_URL": portal.url}, **pipes))
        output, errors = processes[-1].communicate(timeout=120)
        return processes[-1].returncode, output.splitlines(), errors

    portal.fail_next(lambda: processes[-1].kill(), after=1)
    assert start()[0] == -9
    while len(written(portal)) < 100:  # the portal goes on with the request that it has
        threading.Event().wait(0.01)
    assert start() == (0, ["120 commands: 120 ok"], "")
    assert len(written(portal)) == 120
    rows = b24.call_list("crm.item.list", {"entityTypeId": 2, "select": ["id", "originId"]})
    assert sorted(int(row["originId"]) for row in rows) == list(range(120))
    assert not Path(f"{path}.journal-lock").exists()


def test_data_storage(portal, play, b24):
    """The storage and its properties are made in one batch, and every later run writes nothing."""
    said = play("data_storage")
    assert said == [
        "demo_prices: created storage, PRICE, CURRENCY, PHOTO",
        "demo_prices is there with all its properties: nothing to do",
    ]
    assert len(portal.requests) == 3
    assert play("data_storage") == [said[1]] * 2
    assert written(portal) == ["entity.add", *["entity.item.property.add"] * 3]
    properties = b24.call("entity.item.property.get", {"ENTITY": "demo_prices"}).data
    assert {row["PROPERTY"]: row["TYPE"] for row in properties} == {"PRICE": "N", "CURRENCY": "S", "PHOTO": "F"}


def test_data_storage_half_made(b24, play):
    """A storage that lacks a property gets just that one."""
    b24.call("entity.add", {"ENTITY": "demo_prices", "NAME": "Prices"})
    for code in ("PRICE", "PHOTO"):
        b24.call("entity.item.property.add", {"ENTITY": "demo_prices", "PROPERTY": code})
    assert play("data_storage")[0] == "demo_prices: created CURRENCY"


@pytest.mark.parametrize("method", ["entity.get", "entity.item.property.get"])
def test_data_storage_refused(portal, b24, play, method):
    """Only the code for a missing storage is taken for one; any other error ends the example with its message."""
    b24.call("entity.add", {"ENTITY": "demo_prices", "NAME": "Prices"})

    @portal.method(method)
    def refuse(params):
        raise PortalError("ACCESS_DENIED", "Application context required")

    with pytest.raises(SystemExit, match="Application context required"):
        play("data_storage")
    assert written(portal) == ["entity.add"]


def test_delete_storages(portal, play, b24):
    """Each storage is deleted once; what could not be deleted is told."""
    assert play("delete_storages") == [
        "deleted: demo_1, demo_2, demo_3",
        "not deleted: demo_1, entity.delete: ERROR_ENTITY_NOT_FOUND: Entity not found",
    ]
    assert written(portal) == [*["entity.add"] * 3, *["entity.delete"] * 3]
    assert codes(b24) == []


def test_delete_storages_leaves_those_of_others(portal, play, b24):
    """A storage that was there before is not deleted."""
    for code in ("demo_2", "other"):
        b24.call("entity.add", {"ENTITY": code, "NAME": "Mine"})
    said = play("delete_storages")
    assert said[0] == "not created: entity.add: ERROR_ENTITY_ALREADY_EXISTS: Entity already exists"
    assert codes(b24) == ["demo_2", "other"]


@pytest.mark.parametrize("fault", [None, "lost_after", "lost_before"])
def test_bulk_deals(portal, play, fault):
    """Every good deal is created exactly once, answers lost or not, and the bad ones are reported once each."""
    if fault:
        portal.fail_next(fault, after=1)
    said = play("bulk_deals")
    added = [executed.params["fields"] for executed in portal.executed if executed.method == "crm.item.add"]
    assert sorted(int(fields["title"].removeprefix("Deal ")) for fields in added) == [
        number for number in range(120) if number not in {9, 59, 109}
    ]
    failed = [match[1] for line in said if (match := re.match(r"  order-(\d+) failed: ", line))]
    assert sorted(failed) == ["109", "59", "9"]
    assert said[-1] == "0 commands left"


def test_bulk_deals_looks_up_what_is_unknown(monkeypatch, capsys):
    """In the sandbox an answer is lost: its 50 commands are looked up, and only those not done are sent again."""
    monkeypatch.delenv("B24_WEBHOOK_URL", raising=False)
    runpy.run_path(str(BY_NAME["bulk_deals"]), run_name="__main__")
    said = capsys.readouterr().out.splitlines()
    assert "50 skipped, 50 unknown" in said[0]
    assert said[-2:] == ["40 commands: 40 ok", "0 commands left"]
