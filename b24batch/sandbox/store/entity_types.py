"""Types of entities: what their fields are called in capitals and in camel case."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

import attrs

from b24batch.sandbox.store.queries import Field
from b24batch.sandbox.store.rows import Table

#: The names of camel case that no rule gives.
_IRREGULAR = {
    "DATE_CREATE": "createdTime",
    "DATE_MODIFY": "updatedTime",
    "CREATED_BY_ID": "createdBy",
    "MODIFY_BY_ID": "updatedBy",
    "MOVED_BY_ID": "movedBy",
}

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])")

_USER_FIELD = re.compile(r"UF_\w+", re.ASCII)
_USER_ITEM_FIELD = re.compile(r"uf[A-Z]\w*", re.ASCII)


@functools.lru_cache(maxsize=1024)
def to_camel(name: str) -> str:
    """Return ``stageId`` for ``STAGE_ID``; a number at the end keeps its underscore, as in ``ufCrm5_17``."""
    first, *words = name.lower().split("_")
    joined = first + "".join(word.capitalize() for word in words[:-1])
    last = words[-1] if words else ""
    return joined + (f"_{last}" if last.isdigit() else last.capitalize())


def to_upper(name: str) -> str:
    """Return ``UF_CRM_5_17`` for ``ufCrm5_17``."""
    return _WORDS.sub("_", name).upper()


@attrs.define
class EntityType:
    """One type of entity: its rows, the kinds of its fields, and the user fields seen so far."""

    fields: Mapping[str, str]
    type_id: int = 0
    table: Table = attrs.field(factory=Table, init=False)
    names: dict[str, tuple[str, str]] = attrs.field(init=False)
    declared: dict[str, str] = attrs.field(factory=dict, init=False)
    _by_item_name: dict[str, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Work out the second spelling of every field."""
        self.names = {name: (name, _IRREGULAR.get(name) or to_camel(name)) for name in self.fields}
        self._by_item_name = {item_name: name for name, (_, item_name) in self.names.items()}

    def find_upper(self, name: str) -> Field | None:
        """Resolve a name in capitals to the key in a row and the kind of field."""
        if name in self.fields:
            return name, self.fields[name]
        return self._make_user_field(name, upper_name=name) if _USER_FIELD.fullmatch(name) else None

    def find_camel(self, name: str) -> Field | None:
        """Resolve a name in camel case."""
        if name in self._by_item_name:
            key = self._by_item_name[name]
            return key, self.fields[key]
        return self._make_user_field(name, upper_name=to_upper(name)) if _USER_ITEM_FIELD.fullmatch(name) else None

    def _make_user_field(self, name: str, *, upper_name: str) -> Field:
        # Both spellings lead to one key, and each comes back as it was first written.
        key = name.replace("_", "").lower()
        if key not in self.names:
            self.names[key] = (upper_name, to_camel(upper_name) if name == upper_name else name)
        return key, self.get_kind(key)

    def get_kind(self, key: str) -> str:
        """Return the kind of a field; undeclared user fields have the kind ``user``."""
        return self.fields.get(key) or self.declared.get(key, "user")

    def declare(self, name: str, kind: str) -> None:
        """Tell the kind of a user field, by its name in capitals."""
        self._make_user_field(name, upper_name=name)
        self.declared[name.replace("_", "").lower()] = kind

    def user_fields(self) -> list[str]:
        """Return the keys of all user fields that were ever named."""
        return [key for key in self.names if self.is_user_field(key)]

    def is_user_field(self, key: str) -> bool:
        """Return whether the key of a row belongs to a user field."""
        return key not in self.fields
