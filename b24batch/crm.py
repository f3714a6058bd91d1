"""Numbers the CRM knows its entities by."""

from __future__ import annotations

from enum import IntEnum


class EntityTypeId(IntEnum):
    """Values of ``entityTypeId`` in ``crm.item.*``; a smart process has one of its own, from 128 up.

    Source: the data types page of the Bitrix24 REST documentation.
    """

    LEAD = 1
    DEAL = 2
    CONTACT = 3
    COMPANY = 4
    QUOTE = 7
    SMART_INVOICE = 31
