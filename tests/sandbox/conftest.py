"""What the tests of the sandbox share."""

from __future__ import annotations

import pytest
from sandbox_wire import Wire


@pytest.fixture
def wire(portal):
    """A connection to the test's portal."""
    return Wire(portal)
