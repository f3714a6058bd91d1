"""Where the answer of a method that adds something is known to hold the new id.

Sources: the samples of answers in the Bitrix24 REST documentation. A method that is not here may answer an id all the
same, but nobody knows it before.
"""

from __future__ import annotations

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
