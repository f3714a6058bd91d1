"""How each list method pages, as data from the documentation and the server's code.

Sources: all documentation pages that describe a list and, where available, the server's code (May 2026), which takes
precedence. Nothing is guessed: a method that is not listed is unknown.
"""

from __future__ import annotations

#: A line at the margin has the columns for the methods below it, ``-`` for none: how they page (``own``: with their own
#: parameters); the id in a row; the id in filter, order and select; the names of the filter parameter, the order
#: parameter and, if the order is only the direction, the parameter for the field to sort by; a property of the pages;
#: their own paging parameters, which methods of the kind ``whole`` use only if they are given. The properties:
#:
#: thinned: a page may have fewer than 50 rows although more follow, or this is not known;
#: silent: answers have no `next`, and no `total` that can be trusted;
#: sized: a parameter sets the size of the pages;
#: keyed: the rows are a map by id.
#:
#: After ``=``: the key of the result that holds the rows, if the result is not a list; ``?`` if the key is not known.
LIST_METHODS = """
cursor id id filter order - -
    catalog.catalog.list=catalogs catalog.document.element.list=documentElements catalog.document.list=documents
    catalog.documentcontractor.list=documentContractor catalog.extra.list=extras catalog.measure.list=measures
    catalog.price.list=prices catalog.priceType.list=priceTypes catalog.priceTypeGroup.list=priceTypeGroups
    catalog.product.list=products catalog.product.offer.list=offers catalog.product.service.list=services
    catalog.product.sku.list=units catalog.productProperty.list=productProperties
    catalog.productPropertyEnum.list=productPropertyEnums catalog.productPropertyFeature.list=productPropertyFeatures
    catalog.ratio.list=ratios catalog.roundingRule.list=roundingRules catalog.section.list=sections
    catalog.store.list=stores catalog.storeproduct.list=storeProducts catalog.vat.list=vats
    crm.automatedsolution.list=automatedSolutions crm.documentgenerator.document.list=documents crm.item.list=items
    crm.item.productrow.list=productRows crm.type.list=types documentgenerator.document.list=documents
    rpa.item.list=items rpa.type.list=types sale.basketitem.list=basketItems
    sale.basketproperties.list=basketProperties sale.order.list=orders sale.payment.list=payments
    sale.paymentitembasket.list=paymentItemsBasket sale.paymentItemShipment.list=paymentItemsShipment
    sale.persontype.list=personTypes sale.property.list=properties sale.propertygroup.list=propertyGroups
    sale.propertyvalue.list=propertyValues sale.propertyvariant.list=propertyVariants sale.shipment.list=shipments
    sale.shipmentitem.list=shipmentItems sale.shipmentproperty.list=properties
    sale.shipmentpropertyvalue.list=propertyValues sale.tradePlatform.list=tradePlatforms userfieldconfig.list=fields
cursor ID ID filter order - -
    crm.activity.list crm.company.list crm.contact.list crm.deal.list crm.lead.list crm.quote.list
    crm.requisite.bankdetail.list crm.requisite.list crm.requisite.preset.list crm.stagehistory.list=items
    crm.vat.list disk.folder.getChildren disk.storage.getChildren event.offline.list
cursor ID ID filter order - thinned
    crm.invoice.list crm.invoice.recurring.list crm.measure.list crm.product.list crm.productrow.list
    crm.productsection.list disk.storage.getList
cursor ID ID FILTER ORDER - -
    bizproc.task.list bizproc.workflow.template.list crm.calllist.list sonet_group.get
cursor id ID filter order - -
    crm.deal.recurring.list socialnetwork.api.workgroup.list=workgroups tasks.task.list=tasks
cursor ID ID FILTER SORT - -
    entity.item.get entity.section.get
cursor id ID filter order - thinned
    tasks.api.scrum.epic.list tasks.api.scrum.sprint.list
cursor ID ID FILTER order sort -
    user.get user.search
cursor ID ID FILTER ELEMENT_ORDER - -
    lists.element.get
cursor ID ID FILTER ORDER SORT -
    voximplant.statistic.get
start - - filter order - -
    catalog.priceTypeLang.list=priceTypeLangs catalog.productPropertySection.list=productPropertySections
    crm.orderentity.list=orderEntity crm.requisite.link.list
    sale.businessValuePersonDomain.list=businessValuePersonDomains sale.propertyRelation.list=propertyRelations
    sale.statusLang.list=statusLangs sale.tradeBinding.list=tradeBindings
start id - filter order - silent
    booking.v1.booking.list=booking booking.v1.resource.list=resource booking.v1.resourceType.list=resource
start id - - - - -
    crm.documentgenerator.numerator.list=numerators documentgenerator.numerator.list=numerators
    documentgenerator.role.list=roles
start ID - filter order - -
    crm.paysystem.list crm.timeline.comment.list
start ID - FILTER - - -
    disk.file.search lists.section.get
start id - - - - sized
    im.dialog.users.list im.search.department.list
start id - - - - silent
    rpa.stage.listForType=stages rpa.timeline.listForItem=?
start ID - FILTER ORDER - -
    bizproc.workflow.instances
start id - filter - - silent
    booking.v1.waitlist.list=waitList
start - - filter order - silent
    crm.address.list
start ID - FILTER - - silent
    crm.calllist.items.get
start - - filter order - keyed
    crm.documentgenerator.template.list=templates
start - - filter - - -
    crm.timeline.bindings.list
start ID - FILTER order sort -
    department.get
start ID - filter - - -
    disk.file.getVersions
start - - - - - sized
    im.department.colleagues.list
start - - - - - sized+keyed
    im.search.user.list
start ID - - IBLOCK_ORDER - -
    lists.get
start ID - - - - sized
    log.blogpost.get
start id - filter order - -
    sale.status.list=statuses
whole ID - - - - -
    calendar.event.get calendar.event.get.nearest calendar.resource.list crm.automation.trigger.list
    crm.calllist.statuslist crm.catalog.list crm.deal.productrows.get crm.dealcategory.list crm.enum.activitydirection
    crm.enum.activitynotifytype crm.enum.activitypriority crm.enum.activitystatus crm.enum.activitytype
    crm.enum.addresstype crm.enum.contenttype crm.enum.ownertype crm.enum.settings.mode crm.invoice.status.list
    crm.lead.productrows.get crm.quote.productrows.get crm.requisite.preset.countries crm.requisite.preset.field.list
    crm.userfield.types disk.rights.getTasks landing.demos.getList landing.repo.getList landing.repowidget.getlist
    landing.role.getList landing.site.getList landing.template.getlist mailservice.list sale.cashbox.handler.list
    sale.delivery.extra.service.get sale.delivery.handler.list sale.paysystem.handler.list task.elapseditem.get
    userconsent.agreement.list voximplant.user.get
whole - - - - - -
    booking.v1.booking.externalData.list=externalData booking.v1.clienttype.list=clientType
    booking.v1.waitlist.externalData.list=externalData catalog.priceTypeLang.getLanguages=languages
    crm.activity.badge.list=badges crm.activity.type.list crm.company.contact.items.get crm.contact.company.items.get
    crm.deal.contact.items.get crm.deal.details.configuration.get crm.dealcategory.stage.list
    crm.item.details.configuration.get crm.lead.contact.items.get crm.lead.details.configuration.get
    crm.quote.contact.items.get crm.status.entity.items crm.timeline.logo.list=logos entity.item.property.get
    event.get im.chat.user.list imbot.chat.user.list imopenlines.crm.chat.get landing.site.getGroupBindings
    landing.site.getMenuBindings messageservice.sender.list placement.get placement.list sale.delivery.config.get
    sale.statusLang.getListLangs=langs sonet_group.user.get sonet_group.user.groups task.logitem.list
    task.planner.getlist telephony.externalCall.searchCrmEntities telephony.externalLine.get timeman.networkrange.get
    userfieldtype.list
whole id - - - - -
    booking.v1.booking.client.list=bookingClient booking.v1.resource.slots.list=slots
    booking.v1.waitlist.client.list=waitListClient crm.category.list=categories crm.duplicate.volatileType.list
    crm.enum.getorderownertypes im.recent.get im.search.last.get im.user.list.get tasks.api.scrum.kanban.getStages
    tasks.task.result.list
whole ID - filter order - -
    crm.contact.userfield.list crm.deal.userfield.list crm.invoice.userfield.list crm.lead.userfield.list
    crm.product.property.list crm.quote.userfield.list crm.requisite.userfield.list crm.status.list
    user.userfield.list
whole id - filter order - -
    crm.item.delivery.list crm.item.payment.delivery.list crm.item.payment.list crm.item.payment.product.list
    tasks.task.history.list=list
whole ID - FILTER ORDER - -
    sale.cashbox.list sale.paysystem.list task.commentitem.getlist task.item.userfield.getlist
whole - - - - - keyed
    documentgenerator.region.list=regions imconnector.list task.item.userfield.getfields
whole ID - filter - - -
    calendar.resource.booking.list landing.site.getFolders
whole - - filter - - keyed
    landing.demos.getPageList landing.demos.getSiteList
whole - - - order - -
    crm.currency.list
whole ID - - ORDER - -
    task.checklistitem.getlist
whole - - filter order - keyed
    tasks.template.checklist.list=checkListItems
whole ID - FILTER ORDER - - PARAMS.NAV_PARAMS.nPageSize,iNumPage
    task.elapseditem.getlist
own id - - - - - limit,offset
    humanresources.hcmlink.company.list humanresources.hcmlink.company.user.list humanresources.hcmlink.employee.list
    sign.b2e.mysafe.tail sign.b2e.personal.tail
own id id filter order - - page
    biconnector.connector.list biconnector.dataset.list
own id - - - - - LAST_ID,LAST_TYPE,LIMIT
    im.notify.get=notifications im.notify.history.search=notifications
own id - filter - - - limit
    ai.engine.list
own id - - order - - offset
    crm.timeline.logmessage.list
own id - - - - - LAST_ID,FIRST_ID,LIMIT
    im.dialog.messages.get=messages
own id - - ORDER - - LAST_ID,FIRST_ID,LIMIT
    im.dialog.messages.search=messages
own id - filter - - - limit,offset
    imbot.v2.Bot.list=bots
own id - - order - - limit
    imbot.v2.Chat.User.list
own ID - - - - - PARAMS.limit,PARAMS.offset
    imopenlines.config.list.get
own id - - - - - -
    landing.block.getlist
own - - - - - - limit,offset
    sign.b2e.company.provider.list
own ID ID FILTER ORDER - - PARAMS.NAV_PARAMS / NAV_PARAMS (nPageSize, iNumPage)
    task.item.list
own ID - - - - - pageNavigation / pageSize
    vote.AttachedVote.getAnswerVoted=items
"""

#: Methods whose conditions may be given outside of `FILTER`, which overrides all of them if it is given; each with the
#: parameters that are not conditions.
CONDITIONS_OUTSIDE = {
    "user.get": "start sort order select admin_mode image_resize",
    "user.search": "start sort order select admin_mode image_resize",
    "department.get": "start",
}

#: Methods that read their arguments by position, whatever their names. A first argument with a question mark may be
#: omitted.
PLACES = {
    "task.checklistitem.getlist": "TASKID ORDER",
    "task.commentitem.getlist": "TASKID ORDER FILTER",
    "task.elapseditem.getlist": "TASKID? ORDER FILTER SELECT PARAMS",
    "task.item.userfield.getlist": "ORDER FILTER",
}
