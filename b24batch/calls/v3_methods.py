"""The methods that only REST 3.0 has, which b24batch does not speak: a portal has them at no address of version 2."""

from __future__ import annotations

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
