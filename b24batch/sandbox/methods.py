"""All built-in methods."""

from __future__ import annotations

from b24batch.sandbox import crm_items, crm_legacy, staff, storage_items, storages, tasks
from b24batch.sandbox.crm_store import CrmStore
from b24batch.sandbox.dispatcher import Dispatcher


def install(dispatcher: Dispatcher) -> None:
    """Register every built-in method, over one new store."""
    crm = CrmStore(dispatcher.clock.time)
    data = storages.Storages()
    staff.install(dispatcher)
    crm_legacy.install(dispatcher, crm)
    crm_items.install(dispatcher, crm)
    storages.install(dispatcher, data)
    storage_items.install(dispatcher, data)
    tasks.install(dispatcher)
