"""``crm.deal.userfield.*`` and the like: user fields with a type, for all methods of an entity."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.methods.records import About, Records
from b24batch.sandbox.methods.records import install as install_records
from b24batch.sandbox.methods.spellings import LEGACY
from b24batch.sandbox.php.values import JSON, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.rows import Row

#: The types of user fields with their own storage format; others store values as they are.
_KINDS = ("string", "integer", "double", "boolean", "datetime", "date")

_FIELDS = "MULTIPLE?=N MANDATORY?=N SHOW_FILTER?=N SHOW_IN_LIST?=Y EDIT_IN_LIST?=Y IS_SEARCHABLE?=N SORT#=100"

#: Takes the name of a new field and the kind of its values.
Declare = Callable[[str, str], None]


@attrs.define
class UserFields(Records):
    """The user fields of one entity. Their names are unique and have the same prefix."""

    prefix: str = attrs.field(kw_only=True)
    declare: Declare = attrs.field(kw_only=True)

    def add(self, params: Params) -> JSON:
        """Create a field; the prefix is added to its name if it is missing."""
        fields = self.values(LEGACY.fields(params))
        name, kind = to_text(fields.get("FIELD_NAME")).upper(), to_text(fields.get("USER_TYPE_ID"))
        if not name or not kind:
            raise PortalError("ERROR_ARGUMENT", "A field needs a name and a type", extra={"argument": "fields"})
        full = self.prefix + name.removeprefix(self.prefix)
        if any(row["FIELD_NAME"] == full for row in self.table.rows.values()):
            raise PortalError("ERROR_CORE", f"The field {full} already exists.")
        made: Row = {**self.about.defaults, **fields, "FIELD_NAME": full}
        self.declare(full, kind if kind in _KINDS and made["MULTIPLE"] != "Y" else "user")
        return self.table.add(made)


def install(dispatcher: Dispatcher, methods: str, prefix: str, declare: Declare) -> None:
    """Register the methods of one entity, such as ``crm.deal``; users have one less."""
    entity, get = methods.upper().replace(".", "_"), "" if methods == "user" else "get"
    about = About.read(LEGACY, f"whole {methods}.userfield ENTITY_ID={entity} {_FIELDS}")
    fields = UserFields(about, dispatcher.clock.time, prefix=prefix, declare=declare)
    install_records(dispatcher, fields, f"add {get} update delete list")
