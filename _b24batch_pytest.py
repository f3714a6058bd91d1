"""Fixtures for testing code that calls Bitrix24; pytest finds them if b24batch is installed.

``b24_portal`` is a portal on loopback, cleared before each test. ``b24`` is a session on it::

    def test_import(b24, b24_portal):
        import_deals(b24, ["Deal 1", "Deal 2"])
        assert [executed.method for executed in b24_portal.executed] == ["crm.deal.add"] * 2

The portal fails on request; ``help("b24batch.sandbox.faults.table")`` lists all faults::

    def test_lost_answer(b24, b24_portal):
        b24_portal.fail_next("lost_after")              # executed, but the answer never arrives
        with pytest.raises(AnswerLost):
            import_deals(b24, ["Deal 1"])
        assert len(b24_portal.executed) == 1            # not sent a second time

More ways to fail, and your own methods::

    from b24batch.sandbox import PortalError

    b24_portal.fail_next("rate_limited", times=2)               # refused twice; the session retries and succeeds
    b24_portal.fail_next("html_502", times=2, after=3)          # three requests pass, the next two fail
    b24_portal.fail_next(PortalError("ACCESS_DENIED", "No"))    # the next request is refused with this code

    @b24_portal.method("my.method")                             # raise PortalError in it to refuse a single command
    def my_method(params):
        return {"id": params["id"]}

Use a marker to pass options to `b24batch.sandbox.Portal`::

    @pytest.mark.b24_portal(rate=(50, 2.0), operating_limit=480)
    def test_limits(b24, b24_portal): ...

The portal and the session share a clock, ``b24_portal.clock``. It starts at 2026-01-01 and advances only when something
sleeps, so retries and other waits take no time. Faults that never finish the answer (``silent``, ``stall``) take real
time: use ``b24.with_options(timeout=0.2)`` in such a test. If your code makes its own session, pass it
``b24_portal.url``.
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
    """Register the marker."""
    config.addinivalue_line("markers", "b24_portal(rate=None, operating_limit=None, ...): options of the Portal")


@pytest.fixture(scope="session")
def _b24_shared_portal() -> Iterator[Portal]:
    from b24batch.sandbox import Portal

    with Portal() as portal:
        yield portal


@pytest.fixture
def b24_portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """Return an empty Bitrix24 portal on loopback for this test."""
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
    """Return a session on `b24_portal` without a rate limit, whose waits take no time."""
    from b24batch import RetryPolicy

    with b24_portal.session(retries=RetryPolicy(wait_initial=0.0)) as session:
        yield session
