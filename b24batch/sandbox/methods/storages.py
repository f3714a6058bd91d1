"""``entity.*``: data storages of an application."""

from __future__ import annotations

import re

import attrs

from b24batch.sandbox.methods.arguments import require, to_capitals
from b24batch.sandbox.oauth.tokens import CLIENT_ID
from b24batch.sandbox.php.values import JSON, to_int, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.rows import Row, Table

#: The portal stores a code behind the application's id, in a column of 50 characters.
MAX_CODE = 50 - len(f"APP_{CLIENT_ID}_")

_FOREIGN = re.compile(r"[^A-Za-z0-9_]")

#: The documented types of a property: text, number, file.
_TYPES = ("S", "N", "F")


@attrs.define
class Storage:
    """One storage: its description, the properties of its items, and the items."""

    about: Row
    properties: dict[str, Row] = attrs.field(factory=dict)
    items: Table = attrs.field(factory=Table)


@attrs.define
class Storages:
    """All storages by code."""

    _storages: dict[str, Storage] = attrs.field(factory=dict, init=False)
    _ids: Table = attrs.field(factory=Table, init=False)

    def of(self, arguments: dict[str, JSON]) -> Storage:
        """Return the storage that ``ENTITY`` names.

        Raises:
            PortalError: It is missing, too long, or names no storage.

        """
        storage = self._storages.get(_read_code(arguments))
        if storage is None:
            raise PortalError("ERROR_ENTITY_NOT_FOUND", "Entity not found")
        return storage

    def add(self, params: Params) -> JSON:
        """Make a storage; its code must be new."""
        arguments = to_capitals(params)
        code, name = _read_code(arguments), require(arguments, "NAME")
        if code in self._storages:
            raise PortalError("ERROR_ENTITY_ALREADY_EXISTS", "Entity already exists")
        storage_id = str(self._ids.add({}))
        about = {"ID": storage_id, "IBLOCK_TYPE_ID": "rest_entity", "ENTITY": code, "NAME": name}
        self._storages[code] = Storage(about)
        return True

    def get(self, params: Params) -> JSON:
        """Describe one storage, or all of them when none is named."""
        arguments = to_capitals(params)
        if "ENTITY" in arguments:
            return self.of(arguments).about
        return [storage.about for storage in self._storages.values()]

    def delete(self, params: Params) -> JSON:
        """Remove a storage and its contents."""
        storage = self.of(to_capitals(params))
        del self._storages[storage.about["ENTITY"]]
        return True

    def add_property(self, params: Params) -> JSON:
        """Give the items of a storage one more property; its code must be new."""
        arguments = to_capitals(params)
        properties = self.of(arguments).properties
        code, kind = require(arguments, "PROPERTY"), to_text(arguments.get("TYPE", "S"))
        if code in properties:
            raise PortalError("ERROR_PROPERTY_ALREADY_EXISTS", "Property already exists")
        if kind not in _TYPES:
            raise PortalError("ERROR_ARGUMENT", "Wrong entity item property type", extra={"argument": "TYPE"})
        name, sort = to_text(arguments.get("NAME", code)), str(to_int(arguments.get("SORT", 500)))
        properties[code] = {"PROPERTY": code, "NAME": name, "TYPE": kind, "SORT": sort}
        return True

    def get_property(self, params: Params) -> JSON:
        """Describe one property, or all of them when none is named."""
        arguments = to_capitals(params)
        properties = self.of(arguments).properties
        if "PROPERTY" not in arguments:
            return list(properties.values())
        code = require(arguments, "PROPERTY")
        if code not in properties:
            raise PortalError("ERROR_PROPERTY_NOT_FOUND", "Property not found")
        return properties[code]


def _read_code(arguments: dict[str, JSON]) -> str:
    code = require({"ENTITY": _FOREIGN.sub("", to_text(arguments.get("ENTITY")))}, "ENTITY")
    if len(code) > MAX_CODE:
        text = f"Entity code is too long. Max length is {MAX_CODE} characters."
        raise PortalError("ERROR_ARGUMENT", text, extra={"argument": ""})
    return code


def install(dispatcher: Dispatcher, storages: Storages) -> None:
    """Register the methods."""
    dispatcher.add("entity.add", storages.add)
    dispatcher.add("entity.get", storages.get)
    dispatcher.add("entity.delete", storages.delete)
    dispatcher.add("entity.item.property.add", storages.add_property)
    dispatcher.add("entity.item.property.get", storages.get_property)
