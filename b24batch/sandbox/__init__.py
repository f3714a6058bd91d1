"""A fake Bitrix24 portal on loopback, for trying things out and for tests of code that uses b24batch."""

from b24batch.sandbox.fake_clock import FakeClock
from b24batch.sandbox.faults.table import FAULTS, Fault
from b24batch.sandbox.journal import Executed, Request, TokenRequest
from b24batch.sandbox.portal import Portal
from b24batch.sandbox.server.answers import Answer, Page, PortalError
from b24batch.sandbox.server.travel import Travel

__all__ = [
    "FAULTS",
    "Answer",
    "Executed",
    "FakeClock",
    "Fault",
    "Page",
    "Portal",
    "PortalError",
    "Request",
    "TokenRequest",
    "Travel",
]
