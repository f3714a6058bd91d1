"""All built-in methods."""

from __future__ import annotations

from b24batch.sandbox.application.state import Application
from b24batch.sandbox.methods import (
    application,
    calendars,
    catalogue,
    crm_items,
    crm_legacy,
    crm_links,
    crm_lookup,
    crm_products,
    disk,
    disk_files,
    messenger,
    staff,
    storage_items,
    storages,
    task_items,
    tasks,
    telephony,
    universal_lists,
)
from b24batch.sandbox.methods.crm_store import CrmStore
from b24batch.sandbox.rest.dispatcher import Dispatcher
from b24batch.sandbox.rest.links import Links


def install(dispatcher: Dispatcher, links: Links, installed: Application) -> None:
    """Register every built-in method, over one new store and the portal's application."""
    crm = CrmStore(dispatcher.clock.time)
    data = storages.Storages()
    users = staff.users()
    staff.install(dispatcher, users)
    for module in (crm_legacy, crm_items, crm_links, crm_lookup, crm_products):
        module.install(dispatcher, crm)
    storages.install(dispatcher, data)
    storage_items.install(dispatcher, data)
    disk_files.install(dispatcher, disk.install(dispatcher, links, users))
    task_items.install(dispatcher, tasks.install(dispatcher))
    application.install(dispatcher, installed)
    for part in (calendars, catalogue, messenger, telephony, universal_lists):
        part.install(dispatcher)
