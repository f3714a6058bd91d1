"""Numbers the CRM knows its entities by."""

from __future__ import annotations

from enum import IntEnum


class EntityTypeId(IntEnum):
    """Values of ``entityTypeId``, in ``crm.item.*`` and elsewhere; a smart process has one of its own, from 128 up.

    ``OLD_INVOICE`` is ``crm.invoice.*``, which smart invoices replaced. ``crm.item.*`` takes neither it nor
    ``REQUISITE``; requisites, addresses and bindings name their owner by one.

    Sources: the data types page of the Bitrix24 REST documentation, ``EnumCrmEntityTypeId`` of b24jssdk.
    """

    LEAD = 1
    DEAL = 2
    CONTACT = 3
    COMPANY = 4
    OLD_INVOICE = 5
    QUOTE = 7
    REQUISITE = 8
    ORDER = 14
    SMART_INVOICE = 31
