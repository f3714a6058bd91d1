"""Fixtures for tests of code that talks to Bitrix24; pytest finds them wherever b24batch is installed.

``b24_portal`` is a portal on loopback, cleared for each test, and ``b24`` a session on it::

    def test_import(b24, b24_portal):
        import_deals(b24, ["Deal 1", "Deal 2"])
        assert [executed.method for executed in b24_portal.executed] == ["crm.deal.add"] * 2

The portal fails when it is told to; ``help("b24batch.sandbox.faults.table")`` lists all ways::

    def test_lost_answer(b24, b24_portal):
        b24_portal.fail_next("lost_after")              # executed, but the answer never arrives
        with pytest.raises(AnswerLost):
            import_deals(b24, ["Deal 1"])
        assert len(b24_portal.executed) == 1            # not sent a second time

The switches most used:

``fail_next("lost_after")``
    Executed, and the answer is lost: `AnswerLost`, and ``unknown`` in a chunked run.
``fail_next("lost_before")``
    The same for the caller, but nothing was executed.
``fail_next("rate_limited", times=2)``
    Two refusals for the rate, which the session gets over by itself; ``times=5`` is one more than it bears.
``fail_next("unauthorized")``, ``fail_next("refused")``, ``fail_next("moved")``
    The webhook is refused; so is its access to the method; the portal has another address.
``fail_next("html_502")``, ``fail_next("half_body")``
    Executed, but what arrives is a page of HTML, or half an answer.
``fail_next(fault, times=2, after=3)``
    Three requests pass, the next two fail.
``fail_next(PortalError("ACCESS_DENIED", "No"))``, with ``from b24batch.sandbox import PortalError``
    The next request is refused with this code; raised in a method of one's own, it refuses one command.
``@b24_portal.method("my.method")``
    What a method of one's own returns.

A marker gives the portal the options of `b24batch.sandbox.Portal`::

    @pytest.mark.b24_portal(rate=(50, 2.0), operating_limit=480)
    def test_limits(b24, b24_portal): ...

The portal and the session share a clock that only passes by sleeping, from 2026-01-01 on: ``b24_portal.clock``. Retries
and other waits take no time. A fault that leaves the answer hanging (``silent``, ``stall``) does: give such a test
``b24.with_options(timeout=0.2)``. Code that makes a session of its own gets ``b24_portal.url``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from b24batch import Session
    from b24batch.sandbox import Portal


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "b24_portal(rate=None, operating_limit=None, ...): options of the Portal")


@pytest.fixture(scope="session")
def _b24_shared_portal() -> Iterator[Portal]:
    from b24batch.sandbox import Portal

    with Portal() as portal:
        yield portal


@pytest.fixture
def b24_portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """Return a Bitrix24 portal on loopback, empty and for this test only."""
    from b24batch.sandbox import FakeClock, Portal
    from b24batch.wire.rate import forget_shared_buckets

    marker = request.node.get_closest_marker("b24_portal")
    if marker is not None:
        with Portal(*marker.args, **{"clock": FakeClock(), **marker.kwargs}) as portal:
            yield portal
        return
    portal = request.getfixturevalue("_b24_shared_portal")
    portal.clear(FakeClock())
    forget_shared_buckets(urlsplit(portal.url).netloc)
    yield portal


@pytest.fixture
def b24(b24_portal: Portal) -> Iterator[Session]:
    """Return a session on `b24_portal`, without a limit of its rate, whose waits take no time."""
    from b24batch import RetryPolicy

    with b24_portal.session(retries=RetryPolicy(wait_initial=0.0)) as session:
        yield session
