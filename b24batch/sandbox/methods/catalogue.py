"""The kinds of records that differ in nothing but what stands here.

A line has the paging, the beginning of the methods' names with the keys of the answers (rows, a written row, a read one
where that differs), and fields: ``?`` takes Y or N, ``!`` is true for whatever PHP does not hold to be empty, ``#`` is
a whole number, ``~`` a moment, ``^`` the field that rows come by; ``*`` must and ``+`` alone can be in a filter; ``=``
gives a default.  ``-get`` says that there is no such method, ``{}`` that rows
come as a map by their ids.

``sign.b2e.personal.add`` is the one method here that no portal has: without it there would be nothing to list.
"""

from __future__ import annotations

import functools

from b24batch.sandbox.methods.records import About, Records
from b24batch.sandbox.methods.records import install as install_records
from b24batch.sandbox.methods.spellings import CONTROLLER, FLAT, LEGACY
from b24batch.sandbox.rest.dispatcher import Dispatcher

_LEGACY = """
cursor crm.activity COMPLETED?=N NOTIFY_VALUE# START_TIME~ END_TIME~ DEADLINE~ OWNER_ID# RESPONSIBLE_ID#=1 CREATED~=now
all    crm.dealcategory IS_LOCKED?=N SORT#=10
cursor crm.measure IS_DEFAULT?=N CODE#
cursor crm.product ACTIVE?=Y VAT_INCLUDED?=N SORT# CATALOG_ID# SECTION_ID#
cursor crm.productsection CATALOG_ID# SECTION_ID#
cursor crm.requisite ACTIVE?=Y SORT#^=500 ENTITY_TYPE_ID# ENTITY_ID# PRESET_ID#
cursor crm.requisite.bankdetail ACTIVE?=Y SORT#^=500 ENTITY_ID#
cursor crm.requisite.preset ACTIVE?=Y SORT#^=500 ENTITY_TYPE_ID# COUNTRY_ID#
whole  crm.status SORT#^=10 SYSTEM?=N CATEGORY_ID#
start  crm.timeline.comment ENTITY_ID#+ ENTITY_TYPE+ AUTHOR_ID#=1 CREATED~=now
cursor crm.vat ACTIVE?=Y C_SORT#^=100
"""

_CONTROLLER = """
page   biconnector.connector=/connector
silent booking.v1.booking=booking/booking
silent booking.v1.resource=resource/resource isMain?=Y
silent booking.v1.resourceType=resource/resourceType
silent booking.v1.waitlist=waitList/waitList
cursor catalog.document=documents/document -get
cursor catalog.document.element=documentElements/documentElement -get
cursor catalog.measure=measures/measure isDefault?=N
cursor catalog.price=prices/price
cursor catalog.priceType=priceTypes/priceType base?=N
cursor catalog.product=products/element/product iblockId#* active?=Y available?=Y vatIncluded?=N
cursor catalog.product.offer=offers/offer iblockId#* active?=Y
cursor catalog.product.service=services/service iblockId#* active?=Y
cursor catalog.product.sku=units/sku iblockId#* active?=Y
cursor catalog.productProperty=productProperties/productProperty active?=Y multiple?=N isRequired?=N
cursor catalog.productPropertyEnum=productPropertyEnums/productPropertyEnum def?=N
cursor catalog.roundingRule=roundingRules/roundingRule
cursor catalog.section=sections/section iblockId#* active?=Y sort#^
cursor catalog.store=stores/store active?=Y issuingCenter?=Y shippingCenter?=Y
cursor catalog.vat=vats/vat active?=Y
start  crm.documentgenerator.template=templates/template {} active?=Y withStamps?=N
cursor crm.type=types/type
start  documentgenerator.numerator=numerators/numerator
cursor rpa.type=types/type
cursor sale.basketitem=basketItems/basketItem
cursor sale.order=orders/order canceled?=N payed?=N deducted?=N
cursor sale.payment=payments/payment paid?=N
cursor sale.persontype=personTypes/personType active?=Y
cursor sale.property=properties/property active?=Y required?=N multiple?=N
cursor sale.propertygroup=propertyGroups/propertyGroup
cursor sale.propertyvariant=propertyVariants/propertyVariant
cursor sale.shipment=shipments/shipment deducted?=N allowDelivery?=N
cursor sale.shipmentitem=shipmentItems/shipmentItem
offset sign.b2e.personal
cursor userfieldconfig=fields/field mandatory?=N multiple?=N
"""

_FLAT = {
    "all sale.delivery ACTIVE?=Y SORT#=100": "add update delete getlist:list",
    "cursor sonet_group VISIBLE?=Y OPENED?=N CLOSED?=N": "create:add get:list",
}


@functools.cache
def _read_kinds() -> list[tuple[About, str]]:
    """Return what is known of each kind, and the suffixes of its methods."""
    kinds = [(About.read(FLAT, line), suffixes) for line, suffixes in _FLAT.items()]
    for spelling, table in ((LEGACY, _LEGACY), (CONTROLLER, _CONTROLLER)):
        for line in table.strip().splitlines():
            names = "add tail:list" if line.startswith("offset") else "add get update delete list"
            left = " ".join(name for name in names.split() if f"-{name}" not in line.split())
            kinds.append((About.read(spelling, line), left))
    return kinds


def install(dispatcher: Dispatcher) -> None:
    """Register the methods of all kinds."""
    for about, suffixes in _read_kinds():
        install_records(dispatcher, Records(about, dispatcher.clock.time), suffixes)
