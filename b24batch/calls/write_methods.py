"""Methods that are known to write, as data from the documentation's 1657 methods."""

from __future__ import annotations

import re

#: The last parts of their names, where no method that reads ends in one.
_WRITE_NAMES = frozenset(
    """
    activate activatephone add addattachmentbycontent addattachmentsfromdisk addblock addbytemplate addcard
    addcatalogproduct addfile addfolder addfromchatmessage addfromcomment addstage addsubfolder addtask
    addtofavorite adduser answer apply approve attachrecord attachtranscription batchimport bind bindingtogroup
    bindingtomenu cancel cancellist changeanchor changenodename clear clonecard close commit complete conduct
    conductlist confirm copy copyblock copyto create createcalendarevent createchat createcrmactivity createfeedpost
    createfrombooking createfromwaitlist createtask deactivatephone defer delegate delete deleteblock deletebyfilter
    deletefile deleteforlanding deleteforsite deletefromcomment deletefromfavorite deletelist deletestage deletetask
    deletetree disapprove do downblock edit enable enablepublicurl end execute expose favoriteblock fillaccesses
    finish forcecommonscopeforall forward getforapp hide hideblock intercept invite join kill leave
    markdelete markdeleted markdeletedblock markfolderdelete markfolderundelete markundelete markundeletedblock
    mergebatch modify move moveafter moveafteritem movebefore moveblock movetask moveto movetofolder mute pause pay
    pin pinall publicationfolder remove removeattachments removecard removecrmactivity removeentities rename renew
    reply reset restore restorefromversion resume save send sendmessage sendtyping set setaccesscodes setdelivery
    setlandingref setmanager setowner setquantity setrights setsettings setsiteref setvisibilitysettings share
    sharetouser showblock skip spam start startexecution startwatch startwithsound startwithtext stop stopwatch
    subscribe terminate transfer trigger unbind unbindingfromgroup unbindingfrommenu unconfirm unfavoriteblock
    unmute unpay unpin unpinall unpublic unpublicfolder unread unregister unset unsubscribe upblock update
    updateattrs updateavatar updatecards updatecatalogproduct updatecolor updatecontent updatedeadline
    updatedescription updatefolder updateisfixed updatenodes updateresponsibleuser updatestage updatestyles
    updatetitle upload uploadfile uploadversion
    """.split()
)
#: Those that end in a word by which others read, or may; some look like reads, but take events or notifications away,
#: create a folder, or hand out a password or a login.
_WRITES = frozenset(
    """
    ai.engine.register bizproc.activity.log call.videoconf.password.check crm.duplicate.volatiletype.register
    crm.item.import crm.requisite.link.register entity.rights event.offline.error event.offline.get im.dialog.read
    im.dialog.read.all im.dialog.writing im.disk.folder.get im.message.command im.message.like im.notify
    im.notify.read im.notify.read.all im.notify.read.list im.v2.event.get im.videoconf.password.check
    imbot.app.register imbot.command.register imbot.message.like imbot.register imbot.v2.bot.register
    imbot.v2.chat.inputaction.notify imbot.v2.chat.message.read imbot.v2.chat.textfield.enabled
    imbot.v2.command.register imbot.v2.event.get imconnector.delete.messages imconnector.register
    imconnector.send.messages imconnector.send.status.delivery imconnector.send.status.reading
    imconnector.update.messages imopenlines.bot.session.operator imopenlines.session.head.vote
    imopenlines.session.mode.silent imopenlines.session.open landing.demos.register landing.landing.publication
    landing.repo.register landing.repowidget.debug landing.repowidget.register landing.site.publication
    mobile.disk.getuploadedfilesfolder note.collection.archive note.document.archive sale.paysystem.pay.invoice
    sale.paysystem.pay.payment sonet_group.user.request tasks.task.file.attach
    tasks.task.files.attach telephony.externalcall.register telephony.externalcall.show timeman.open
    vote.attachedvote.recall vote.attachedvote.vote voximplant.authorization.get
    """.split()
)
#: Last parts that look like reads, but create what they do not find: a link, or anything (``getOrCreate``).
_CREATING_PATTERN = re.compile(r"getexternallink|getpublicurl|getor.+")
#: Documented reads with such a last part.
_READS_ALL_THE_SAME = frozenset(
    ["crm.enum.getorderownertypes", "landing.landing.getpublicurl", "landing.site.getpublicurl"]
)


def is_known_write(method: str) -> bool:
    """Return whether `method` is known to change something, or to take it away."""
    name = method.casefold()
    last = name.rpartition(".")[2]
    if name in _WRITES or last in _WRITE_NAMES:
        return True
    return _CREATING_PATTERN.fullmatch(last) is not None and name not in _READS_ALL_THE_SAME
