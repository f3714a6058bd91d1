"""The pytest plugin: fixtures for the tests of users, found wherever the library is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

#: Seconds after which a run of tests is taken to hang.
PATIENCE = 60

#: A user's test gets a portal and a session on it without importing anything of either.
FIXTURES = """
def test_deals(b24, b24_portal):
    result = b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}) for n in range(60)])
    assert result.data == list(range(1, 61))
    assert [executed.method for executed in b24_portal.executed] == ["crm.deal.add"] * 60

def test_every_test_has_a_portal_of_its_own(b24, b24_portal):
    assert b24.call("crm.deal.list").total == 0
    assert [request.connection for request in b24_portal.requests] == [1]
    assert b24_portal.clock.slept == []
"""

#: A marker on a test, a class or a module passes options to the portal; it ends with the test.
OPTIONS = """
import pytest
from b24batch import OperatingLimitExceeded, RateLimited, RetryPolicy
from b24batch.sandbox import FakeClock

ONCE = RetryPolicy(attempts=1)

@pytest.mark.b24_portal(rate=(3, 1.0))
def test_rate(b24, b24_portal):
    once = b24.with_options(retries=ONCE)
    for _ in range(3):
        once.call("server.time")
    with pytest.raises(RateLimited):
        once.call("server.time")

@pytest.mark.b24_portal(operating_limit=10)
class TestOperatingLimit:
    def test_limit(self, b24, b24_portal):
        b24_portal.cost("server.time", 11)
        b24.call("server.time")
        with pytest.raises(OperatingLimitExceeded):
            b24.call("server.time")

    @pytest.mark.b24_portal(clock=FakeClock(threads=2))
    def test_the_closest_marker_counts(self, b24, b24_portal):
        assert "operating" not in b24.call("server.time").time

def test_no_limit(b24, b24_portal):
    once = b24.with_options(retries=ONCE)
    assert [once.call("server.time").status for _ in range(9)] == ["ok"] * 9

@pytest.mark.xfail(raises=TypeError, strict=True)
@pytest.mark.b24_portal(speed=1)
def test_no_such_option(b24_portal): ...
"""

#: The portal is at one address for all tests, yet each begins with an empty bucket, whatever clock it has.
ADDRESSES = """
import pytest
from b24batch import Session

urls = set()

@pytest.mark.parametrize("n", range(3))
def test_rate(b24_portal, n):
    urls.add(b24_portal.url)
    with Session(b24_portal.url, max_wait=0) as own:
        for _ in range(40):
            own.call("server.time")
    assert len(urls) == 1
"""

#: The switches of the plugin's documentation do what is said there.
FAULTS = """
import pytest
from b24batch import AjaxError, AnswerLost, AuthError, PortalMoved, RateLimited
from b24batch.sandbox import PortalError

ADD = ("crm.deal.add", {"fields": {"TITLE": "Deal"}})

@pytest.mark.parametrize(("fault", "error", "executed"), [
    ("lost_after", AnswerLost, 1), ("lost_before", AnswerLost, 0), ("html_502", AnswerLost, 1),
    ("half_body", AnswerLost, 1), ("unauthorized", AuthError, 0), ("refused", AjaxError, 0),
    ("moved", PortalMoved, 0), (PortalError("ACCESS_DENIED", "No"), AjaxError, 0),
])
def test_fault(b24, b24_portal, fault, error, executed):
    b24_portal.fail_next(fault)
    with pytest.raises(error):
        b24.batch([ADD])
    assert len(b24_portal.executed) == executed

@pytest.mark.parametrize(("times", "patient"), [(2, True), (4, True), (5, False)])
def test_rate(b24, b24_portal, times, patient):
    b24_portal.fail_next("rate_limited", times=times)
    if patient:
        assert b24.batch([ADD]).is_success
    else:
        with pytest.raises(RateLimited):
            b24.batch([ADD])

def test_later(b24, b24_portal):
    b24_portal.fail_next("lost_after", times=2, after=3)
    result = b24.batch_by_chunk([ADD] * 6, chunk_size=1)
    assert [row.status for row in result] == ["ok"] * 3 + ["unknown"] * 2 + ["ok"]

def test_method(b24, b24_portal):
    @b24_portal.method("my.method")
    def my_method(params):
        if "id" not in params:
            raise PortalError("NO_ID", "Which one?")
        return {"got": params["id"]}

    result = b24.batch([("my.method", {"id": 7}), ("my.method", {})])
    assert result[0].data == {"got": "7"}
    assert result[1].error.code == "NO_ID"

def test_silence(b24, b24_portal):
    b24_portal.fail_next("silent")
    with pytest.raises(AnswerLost):
        b24.with_options(timeout=0.2).batch([ADD])
"""

#: What would wait ten minutes for operating time, or for the portal's hint, passes at once.
WAITS = """
def test_waits(b24, b24_portal):
    b24_portal.fail_next("operating_limit", times=3)
    assert b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": "Deal"}})]).is_success
    assert sum(b24_portal.clock.slept) > 100
"""

#: A fixture of the same name in the user's tests takes the place of the plugin's.
OWN = """
import pytest

@pytest.fixture
def b24():
    return "mine"

def test_mine(b24):
    assert b24 == "mine"
"""

#: All of them, and how their tests end.
MODULES = {
    "fixtures": (FIXTURES, {"PASSED": 2}),
    "options": (OPTIONS, {"PASSED": 4, "XFAIL": 1}),
    "addresses": (ADDRESSES, {"PASSED": 3}),
    "faults": (FAULTS, {"PASSED": 14}),
    "waits": (WAITS, {"PASSED": 1}),
    "own": (OWN, {"PASSED": 1}),
}


@pytest.fixture
def run_tests(tmp_path):
    """Return what writes modules of tests in a project of their own, and runs them with the plugins installed."""

    def run(modules, *options):
        for name, text in modules.items():
            (tmp_path / f"test_{name}.py").write_text(text)
        (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        line = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options]
        return subprocess.run(
            line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        ).stdout

    return run


@pytest.mark.slow
def test_tests_of_a_user(run_tests):
    """In one run of a user's tests, all that the modules above say of the fixtures holds."""
    told = run_tests({name: text for name, (text, _) in MODULES.items()})
    ends = re.findall(r"^test_(\w+)\.py::.* ([A-Z]+) +\[", told, re.MULTILINE)
    assert {name: dict(Counter(end for each, end in ends if each == name)) for name in MODULES} == {
        name: wanted for name, (_, wanted) in MODULES.items()
    }, told


@pytest.mark.slow
def test_fixtures_are_documented(run_tests):
    """``pytest --fixtures`` tells what each is."""
    told = " ".join(run_tests({}, "--fixtures").split())
    assert "Return an empty Bitrix24 portal on loopback for this test." in told
    assert "Return a session on `b24_portal` without a rate limit, whose waits take no time." in told


LOADED = """
import sys

def test_loaded():
    assert "_b24batch_pytest" in sys.modules
    assert not {"b24batch", "requests", "urllib3", "attrs", "django"} & set(sys.modules)
"""


@pytest.mark.slow
def test_the_library_is_loaded_on_demand(run_tests):
    """Tests that use none of the fixtures load nothing of the library, nor what it depends on."""
    assert "1 passed" in run_tests({"loaded": LOADED})
