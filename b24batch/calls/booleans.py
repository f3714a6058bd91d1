"""Booleans: the form that each method expects, by the place of the value.

Sources: Bitrix24's REST documentation and, where available, the server's code (2026-05), which takes precedence:
1,327 boolean parameters. The rules cover all of them except those listed as exceptions. The portal may silently store a
wrong form as the opposite, so there is no form for places of which nothing is known.
"""

from __future__ import annotations

import functools
import itertools
import re
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias, get_args

#: ``letter``: Y and N. ``flag``: true and false, in a query 1 and 0. ``number``: 1 and 0. ``json``: true and false, not
#: possible in a query. ``text``: only the text "true" is true. ``presence``: any value is true. ``unknown``: not
#: documented.
Form: TypeAlias = Literal["letter", "flag", "number", "json", "text", "presence", "unknown"]
#: The method, then the names that lead to a value.
Place: TypeAlias = tuple[str, ...]

#: False and True in each form; None if it cannot be written.
SPELLINGS: Final[dict[Form, tuple[str | int | None, str | int | None]]] = {
    "letter": ("N", "Y"),
    "flag": (False, True),
    "number": (0, 1),
    "json": (False, True),
    "text": (None, None),
    "presence": (None, "Y"),
    "unknown": (None, None),
}
#: Why it cannot be written, and what to write instead.
NO_SPELLING: Final[dict[Form, str]] = {
    "text": "{method} reads only the text 'true' as true here: write the string 'true' or 'false'",
    "presence": "{method} reads any value here as true, even False: omit the name",
    "unknown": "it is not known which form of booleans {method} expects here, and a wrong one may be stored as the "
    "opposite: write 'Y' or 'N', or the number 1 or 0, as the method's documentation shows",
}

#: By the longest matching prefix of the method: the form at the top level, below it, and in a filter.
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

#: Parameters that do not follow the rule of their method; ``*`` matches anything. All names are in lower case.
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

#: A user field after the signs of a condition. Filters compare its integer column, where ``Y`` is read as 0, false.
_USER_FIELD = re.compile(r"[^\w]*(?:(?i:UF_)|uf[A-Z])")
_FILTERS = frozenset(["filter", "arfilter"])
#: Methods whose arguments are read by position, whatever their names, and the exception among them.
_POSITIONAL = "task."
_NAMED = "task.stages."


def is_positional(method: str) -> bool:
    """Return whether the portal reads the arguments of `method` by position and not by name."""
    folded = method.casefold()
    return folded.startswith(_POSITIONAL) and not folded.startswith(_NAMED)


def find_form(place: Place) -> Form:
    """Return the form of a boolean that the portal expects at `place`."""
    method, *names = (name.casefold() for name in place)
    path = ".".join(names)
    exceptions, (top, below, filtered) = _find_rules(method)
    for pattern, form in exceptions:
        if fnmatchcase(path, pattern):
            return form
    if len(names) == 1:
        return top
    if not _is_below_a_filter(method, names):
        return below
    return "number" if any(map(_USER_FIELD.match, place[2:])) else filtered


@functools.lru_cache
def _find_rules(method: str) -> tuple[list[tuple[str, Form]], tuple[Form, Form, Form]]:
    """Return the exceptions of a method, each with its path, and its rule."""
    exceptions = [(path, form) for pattern, path, form in _EXCEPTION_ROWS if fnmatchcase(method, pattern)]
    prefixes = itertools.accumulate(method.split("."), "{}.{}".format)
    rules = [_RULE_OF[prefix] for prefix in prefixes if prefix in _RULE_OF]
    return exceptions, rules[-1] if rules else ("unknown", "unknown", "unknown")


def _is_below_a_filter(method: str, names: list[str]) -> bool:
    """Return whether `names` lead into a filter; in a positional list method any argument may be one."""
    by_place = names[0].isdigit() and is_positional(method) and method.endswith("list")
    return by_place or names[0] in _FILTERS or (names[0] == "params" and names[1] in _FILTERS)
