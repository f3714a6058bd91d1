"""Facts about methods: which only read, where an answer has a new id, and which exist only in REST 3.0."""

from __future__ import annotations

import functools
import re

from b24batch.calls.write_methods import is_known_write

#: Last parts of method names that only read, besides ``get...`` and ``is...``; found in the documentation's 1657
#: methods. Any other part is a write.
_READ_NAMES = frozenset(
    """
    access admin availabletoadd canmovetask check checkcontent children count countries current download fields
    findbycomm fullexport get getlist groups id important info instances items list listcontacts listemployees
    listforitem listfortype mode multidepartment name nearest resolveidbypublicurl search searchcrmentities senders
    settings status statuslist subordinates tail text thread time types url
    """.split()
)
_READ_PATTERN = re.compile(r"(?:get|is).+")
#: Methods that read and have one part only.
_READS_OF_ONE_PART = frozenset(["profile", "scope", "methods", "events"])


@functools.lru_cache
def is_read(method: str) -> bool:
    """Return whether `method` only reads. If this is not certain, it is treated as a write."""
    name = method.casefold()
    last = name.rpartition(".")[2]
    if is_known_write(name):
        return False
    if last in _READ_NAMES or name in _READS_OF_ONE_PART or name.startswith("crm.enum."):
        return True
    return _READ_PATTERN.fullmatch(last) is not None


# Where the answer of a method that adds something has the new id, from the sample answers in the REST documentation.
# Other methods may return an id too, but its place is not documented.

#: Their whole answer is the id.
_WHOLE = """
    calendar.event.add calendar.section.add
    crm.activity.add crm.company.add crm.company.userfield.add crm.contact.add crm.contact.userfield.add crm.deal.add
    crm.deal.userfield.add crm.dealcategory.add crm.invoice.add crm.invoice.userfield.add crm.item.payment.add
    crm.lead.add crm.lead.userfield.add crm.measure.add crm.product.add crm.product.property.add crm.productsection.add
    crm.quote.add crm.quote.userfield.add crm.requisite.add crm.requisite.bankdetail.add crm.requisite.preset.add
    crm.requisite.userfield.add crm.status.add crm.timeline.comment.add crm.vat.add
    department.add entity.item.add entity.section.add im.chat.add im.message.add landing.landing.add landing.site.add
    lists.add lists.element.add lists.section.add log.blogpost.add sonet_group.create
    task.checklistitem.add task.commentitem.add task.elapseditem.add task.item.add task.stages.add
    user.add user.userfield.add
"""
#: Methods whose answer is one object, or has it under a name; the id is in it.
_INSIDE = {
    "catalog.document.add": ("document", "id"),
    "catalog.document.element.add": ("documentElement", "id"),
    "catalog.measure.add": ("measure", "id"),
    "catalog.price.add": ("price", "id"),
    "catalog.pricetype.add": ("priceType", "id"),
    "catalog.product.add": ("element", "id"),
    "catalog.product.offer.add": ("offer", "id"),
    "catalog.product.service.add": ("service", "id"),
    "catalog.product.sku.add": ("sku", "id"),
    "catalog.productproperty.add": ("productProperty", "id"),
    "catalog.productpropertyenum.add": ("productPropertyEnum", "id"),
    "catalog.section.add": ("section", "id"),
    "catalog.store.add": ("store", "id"),
    "catalog.vat.add": ("vat", "id"),
    "crm.activity.configurable.add": ("activity", "id"),
    "crm.activity.todo.add": ("id",),
    "crm.category.add": ("category", "id"),
    "crm.item.add": ("item", "id"),
    "crm.item.productrow.add": ("productRow", "id"),
    "crm.type.add": ("type", "id"),
    "disk.folder.addsubfolder": ("ID",),
    "disk.folder.uploadfile": ("ID",),
    "disk.storage.addfolder": ("ID",),
    "disk.storage.uploadfile": ("ID",),
    "rpa.item.add": ("item", "id"),
    "rpa.type.add": ("type", "id"),
    "sale.basketitem.add": ("basketItem", "id"),
    "sale.order.add": ("order", "id"),
    "sale.payment.add": ("payment", "id"),
    "sale.property.add": ("property", "id"),
    "sale.shipment.add": ("shipment", "id"),
    "tasks.task.add": ("task", "id"),
    "userfieldconfig.add": ("field", "id"),
}
#: The way to the new id by the method, in lower case.
NEW_IDS: dict[str, tuple[str, ...]] = {**dict.fromkeys(_WHOLE.split(), ()), **_INSIDE}

#: The methods that only REST 3.0 has, which b24batch does not speak: a portal has them at no address of version 2.
#: In lower case. Source: the method pages of the Bitrix24 REST documentation and the portal's own controllers.
V3_ONLY = frozenset(
    """
    call.followup.field.get call.followup.field.list call.followup.get call.followup.list documentation
    humanresources.employee.count humanresources.employee.field.get humanresources.employee.field.list
    humanresources.employee.multidepartment humanresources.employee.search humanresources.employee.subordinates
    humanresources.node.add humanresources.node.children humanresources.node.communication.edit
    humanresources.node.communication.list humanresources.node.count humanresources.node.edit
    humanresources.node.field.get humanresources.node.field.list humanresources.node.get humanresources.node.list
    humanresources.node.member.add humanresources.node.member.field.get humanresources.node.member.field.list
    humanresources.node.member.move humanresources.node.member.remove humanresources.node.member.set
    humanresources.node.move humanresources.node.search mail.mailbox.field.get mail.mailbox.field.list
    mail.mailbox.get mail.mailbox.list mail.mailbox.senders mail.message.createcalendarevent mail.message.createchat
    mail.message.createcrmactivity mail.message.createfeedpost mail.message.createtask mail.message.field.get
    mail.message.field.list mail.message.forward mail.message.get mail.message.list mail.message.movetofolder
    mail.message.removecrmactivity mail.message.reply mail.message.send mail.message.thread mail.recipient.field.get
    mail.recipient.field.list mail.recipient.listcontacts mail.recipient.listemployees main.eventlog.aggregate
    main.eventlog.field.get main.eventlog.field.list main.eventlog.get main.eventlog.list main.eventlog.tail
    note.collection.add note.collection.archive note.collection.delete note.collection.field.get
    note.collection.field.list note.collection.get note.collection.list note.collection.update note.document.add
    note.document.archive note.document.delete note.document.field.get note.document.field.list note.document.get
    note.document.search.field.get note.document.search.field.list note.document.search.list
    note.document.tree.field.get note.document.tree.field.list note.document.tree.list note.document.update
    note.file.add note.file.field.get note.file.field.list note.file.get rest.documentation.openapi
    tasks.task.access.field.get tasks.task.access.field.list tasks.task.access.get tasks.task.chat.message.field.get
    tasks.task.chat.message.field.list tasks.task.chat.message.send tasks.task.field.get tasks.task.field.list
    tasks.task.file.attach tasks.task.file.field.get tasks.task.file.field.list tasks.task.result.add
    tasks.task.result.addfromchatmessage tasks.task.result.delete tasks.task.result.update timeman.record.field.get
    timeman.record.field.list timeman.record.list
    """.split()
)
