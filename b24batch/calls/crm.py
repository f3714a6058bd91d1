"""The numbers of the CRM entity types."""

from __future__ import annotations

from enum import IntEnum


class EntityTypeId(IntEnum):
    """Values of ``entityTypeId``, in ``crm.item.*`` and elsewhere; smart processes have their own, from 128.

    ``OLD_INVOICE`` is ``crm.invoice.*``, which smart invoices replaced. ``crm.item.*`` accepts neither it nor
    ``REQUISITE``. Requisites, addresses and bindings use these numbers for the type of their owner.

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
