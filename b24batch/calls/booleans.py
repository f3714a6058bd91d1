"""How the portal spells yes and no: the form that each method reads, by the place of the value.

The source is Bitrix24's REST documentation, and where it was read the server's own code (2026-05), which goes before
the page: 1,327 parameters of yes or no. The rules give all of them but the exceptions. A wrong form is stored as the
opposite without a word, so where nothing is known there is no form.
"""

from __future__ import annotations

import functools
import re
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias, get_args

#: ``letter``: Y and N. ``flag``: true and false, in a query 1 and 0. ``number``: 1 and 0. ``json``: true and false, and
#: nothing that a query can say. ``text``: only the text "true" is yes. ``presence``: whatever is there is yes.
#: ``unknown``: not documented.
Form: TypeAlias = Literal["letter", "flag", "number", "json", "text", "presence", "unknown"]
#: The method, then the names that lead to a value.
Place: TypeAlias = tuple[str, ...]

#: No and yes in each form; None where there is no way to say it.
SPELLINGS: Final[dict[Form, tuple[str | int | None, str | int | None]]] = {
    "letter": ("N", "Y"),
    "flag": (False, True),
    "number": (0, 1),
    "json": (False, True),
    "text": (None, None),
    "presence": (None, "Y"),
    "unknown": (None, None),
}
#: Why there is none, and what to write.
NO_SPELLING: Final[dict[Form, str]] = {
    "text": "{method} takes only the text 'true' for yes here: write 'true' or 'false', as text",
    "presence": "{method} takes whatever stands here for yes, False too: leave the name out",
    "unknown": "how {method} spells yes and no here is not known, and a wrong form can be stored as the opposite: "
    "write 'Y' or 'N', or the number 1 or 0, whichever the method's documentation shows",
}

#: By the longest beginning of the method's name: at the top level, below it, below a filter.
_RULES: Final = """
biconnector                       -       flag    flag
bizproc                           letter  letter  -
booking                           -       letter  letter
calendar                          letter  flag    -
calendar.event.get                flag    -       -
calendar.user                     -       letter  -
catalog                           -       letter  letter
crm                               letter  letter  letter
crm.activity.configurable         -       flag    -
crm.activity.layout               -       flag    -
crm.company.details               -       flag    -
crm.contact.details               -       flag    -
crm.deal.details                  -       flag    -
crm.documentgenerator             flag    letter  letter
crm.documentgenerator.numerator   -       flag    -
crm.item.details                  -       flag    -
crm.lead.details                  -       flag    -
crm.timeline.layout               -       flag    -
disk                              flag    -       -
documentgenerator                 flag    letter  letter
documentgenerator.numerator       -       flag    -
entity                            letter  -       letter
im                                letter  letter  -
imbot                             letter  letter  -
imbot.v2                          letter  letter  -
imbot.v2.event                    flag    -       -
imconnector                       flag    letter  -
imopenlines                       letter  letter  letter
landing                           flag    letter  letter
landing.block                     flag    flag    -
landing.landing.getlist           -       flag    letter
lists                             -       letter  letter
log                               letter  -       -
mailservice                       letter  -       -
placement                         flag    -       -
rpa                               letter  -       -
sale                              letter  letter  letter
socialnetwork                     -       letter  letter
sonet_group                       letter  -       letter
task                              flag    letter  letter
tasks                             -       letter  letter
telephony.externalcall            flag    -       -
telephony.externalline            letter  -       -
timeman                           flag    -       -
user                              flag    letter  letter
userfieldconfig                   -       letter  letter
vote                              flag    flag    -
voximplant                        -       -       letter
"""

#: The parameters that do not follow the rule of their method; ``*`` is anything. Method and names without case.
_EXCEPTIONS: Final = """
calendar.user.settings.set             settings.denybusyinvitation       flag
calendar.user.settings.set             settings.showdeclined             flag
catalog.userfield.document.update      fields.field*                     number
crm.*.add                              params.import                     flag
crm.requisite.add                      fields.uf_*                       number
crm.requisite.update                   fields.uf_*                       number
crm.type.add                           fields.isexternal                 text
crm.type.add                           fields.linkeduserfields.*         text
crm.type.add                           fields.relations.*                text
crm.type.update                        fields.isexternal                 text
crm.type.update                        fields.linkeduserfields.*         text
crm.type.update                        fields.relations.*                text
imbot.command.answer                   attach.blocks.*delimiter          flag
imconnector.register                   *                                 json
landing.landing.addbytemplate          fields.prepare_blocks             flag
tasks.task.get                         params.with_*                     presence
tasks.task.list                        params.with_*                     presence
userfieldconfig.add                    *.default_value                   number
userfieldconfig.update                 *.default_value                   number
*.userfield.add                        *.default_value                   number
*.userfield.update                     *.default_value                   number
"""

_FORMS: Final[dict[str, Form]] = {"-": "unknown", **{form: form for form in get_args(Form)}}
_RULE_OF: Final = {
    prefix: (_FORMS[top], _FORMS[below], _FORMS[filtered])
    for prefix, top, below, filtered in map(str.split, _RULES.strip().splitlines())
}
_EXCEPTION_ROWS: Final = [
    (method, path, _FORMS[form]) for method, path, form in map(str.split, _EXCEPTIONS.strip().splitlines())
]

#: A user field behind the signs of a condition. Filters read its column of integers: ``Y`` is 0 to them, which is No.
_USER_FIELD = re.compile(r"[^\w]*(?:(?i:UF_)|uf[A-Z])")
_FILTERS = frozenset(["filter", "arfilter"])
#: The arguments of these are taken in their order, whatever they are called; those of the others by their names.
_POSITIONAL = "task."
_NAMED = "task.stages."


def is_positional(method: str) -> bool:
    """Return whether the portal takes the arguments of `method` by their places and not by their names."""
    folded = method.casefold()
    return folded.startswith(_POSITIONAL) and not folded.startswith(_NAMED)


@functools.lru_cache(maxsize=4096)
def form_at(place: Place) -> Form:
    """Return the form of yes and no that the portal reads at `place`."""
    method, *names = (name.casefold() for name in place)
    path = ".".join(names)
    for pattern, form in _exceptions_of(method):
        if fnmatchcase(path, pattern):
            return form
    top, below, filtered = _rule_of(method)
    if len(names) == 1:
        return top
    if not _is_below_a_filter(method, names):
        return below
    return "number" if any(map(_USER_FIELD.match, place[2:])) else filtered


@functools.lru_cache(maxsize=1024)
def _exceptions_of(method: str) -> tuple[tuple[str, Form], ...]:
    return tuple((path, form) for pattern, path, form in _EXCEPTION_ROWS if fnmatchcase(method, pattern))


@functools.lru_cache(maxsize=1024)
def _rule_of(method: str) -> tuple[Form, Form, Form]:
    words = method.split(".")
    prefixes = (".".join(words[:count]) for count in range(len(words), 0, -1))
    return next((_RULE_OF[prefix] for prefix in prefixes if prefix in _RULE_OF), ("unknown", "unknown", "unknown"))


def _is_below_a_filter(method: str, names: list[str]) -> bool:
    """Return whether `names` lead into a filter; that of a list without names may be any of its arguments."""
    by_place = names[0].isdigit() and is_positional(method) and method.endswith("list")
    return by_place or names[0] in _FILTERS or (names[0] == "params" and names[1] in _FILTERS)
