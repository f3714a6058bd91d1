"""A Bitrix24 portal on loopback, for the demo and for tests of code that uses b24batch."""

from b24batch.sandbox.answers import Answer, Page, PortalError
from b24batch.sandbox.journal import Executed, Request
from b24batch.sandbox.portal import Portal

__all__ = ["Answer", "Executed", "Page", "Portal", "PortalError", "Request"]
