"""Which methods only read."""

from __future__ import annotations

import functools
import re

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


#: Last parts that look like reads, but create what they do not find: a link, or anything (``getOrCreate``).
_CREATING_PATTERN = re.compile(r"getexternallink|getpublicurl|getor.+")


#: Documented reads with such a last part.
_READS_ALL_THE_SAME = frozenset(
    ["crm.enum.getorderownertypes", "landing.landing.getpublicurl", "landing.site.getpublicurl"]
)


#: These look like reads, but take events or notifications away, create a folder, or hand out a password or a login.
_WRITES_IN_DISGUISE = frozenset(
    """
    call.videoconf.password.check disk.storage.getforapp event.offline.get im.disk.folder.get im.notify.read.list
    im.v2.event.get im.videoconf.password.check imbot.v2.event.get mobile.disk.getuploadedfilesfolder
    voximplant.authorization.get
    """.split()
)


@functools.lru_cache(maxsize=1024)
def is_read(method: str) -> bool:
    """Return whether `method` certainly changes nothing on the portal; in doubt it is a write."""
    name = method.casefold()
    last = name.rpartition(".")[2]
    if name in _WRITES_IN_DISGUISE or (_CREATING_PATTERN.fullmatch(last) and name not in _READS_ALL_THE_SAME):
        return False
    if last in _READ_NAMES or name in _READS_OF_ONE_PART or name.startswith("crm.enum."):
        return True
    return _READ_PATTERN.fullmatch(last) is not None
