"""``disk.*``: storages, folders and files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from b24batch.sandbox.methods.arguments import read_array, read_integer
from b24batch.sandbox.methods.spellings import LEGACY
from b24batch.sandbox.oauth.tokens import CLIENT_ID
from b24batch.sandbox.php.values import FALSY, JSON, list_items, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Handler, Params
from b24batch.sandbox.rest.links import Links
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.queries import EXACT, Field, Query
from b24batch.sandbox.store.rows import Row, Table

_NUMBERS = ("ID", "STORAGE_ID", "PARENT_ID", "ROOT_OBJECT_ID", "SIZE")


#: Finds the folder or file that params name.
Find = Callable[[Params], Row]


@attrs.define
class Disk:
    """All storages, and all folders and files under ids of one kind; every user has a storage."""

    users: Table
    links: Links
    storages: Table = attrs.field(factory=Table, init=False)
    objects: Table = attrs.field(factory=Table, init=False)
    contents: dict[int, bytes] = attrs.field(factory=dict, init=False)
    _owners: set[int] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        """Make the storage that all users share."""
        self._add_storage("Shared", "common", "shared_files_s1")

    def list_storages(self, params: Params) -> JSON:
        """Return a page of storages; those of applications are dropped after the page was cut."""
        self._serve_users()
        page = _make_page(self.storages, params, Query())
        shown = [row for row in page.rows if row["ENTITY_TYPE"] != "restapp"]
        return Page([_show(row) for row in shown], page.next, page.total)

    def get_storage(self, params: Params) -> JSON:
        """Return one storage."""
        self._serve_users()
        return _show(_find_row(self.storages, params))

    def storage_of_app(self, params: Params) -> JSON:
        """Return the storage of the application, which is made when it is first asked for."""
        del params
        self._serve_users()
        found = [row for row in self.storages.rows.values() if row["ENTITY_TYPE"] == "restapp"]
        return _show(found[0] if found else self._add_storage("Application", "restapp", CLIENT_ID))

    def children(self, find: Find, params: Params) -> JSON:
        """Return a page of what lies in a folder, not deeper."""
        query = Query()
        query.where("=", ("PARENT_ID", "integer"), find(params)["ID"])
        page = _make_page(self.objects, params, query)
        return Page([self._show_object(row) for row in page.rows], page.next, page.total)

    def add_folder(self, find: Find, params: Params) -> JSON:
        """Make a folder in a folder."""
        parent, name = find(params), to_text(to_mapping(read_array(params, "data")).get("NAME"))
        return _show(self._add(parent, self._find_free_name(parent, name, params), "folder", 0))

    def get(self, find: Find, params: Params) -> JSON:
        """Return one folder or file."""
        return self._show_object(find(params))

    def delete(self, find: Find, params: Params) -> JSON:
        """Remove a folder or a file and its contents."""
        doomed = [find(params)["ID"]]
        for row_id in doomed:
            doomed += [row["ID"] for row in self.objects.rows.values() if row["PARENT_ID"] == row_id]
            self.objects.delete(row_id)
            self.contents.pop(row_id, None)
        return True

    def _serve_users(self) -> None:
        for user_id, user in self.users.rows.items():
            if user_id not in self._owners:
                self._owners.add(user_id)
                self._add_storage(f"{user.get('NAME', '')} {user.get('LAST_NAME', '')}".strip(), "user", str(user_id))

    def _add_storage(self, name: str, kind: str, owner: str) -> Row:
        about: Row = {"NAME": name, "CODE": None, "MODULE_ID": "disk", "ENTITY_TYPE": kind, "ENTITY_ID": owner}
        storage_id = self.storages.add(about)
        row = self.storages.rows[storage_id]
        row["ROOT_OBJECT_ID"] = self._add({"STORAGE_ID": storage_id, "PARENT_ID": 0, "ID": 0}, name, "folder", 0)["ID"]
        return row

    def root(self, params: Params) -> Row:
        """Return the folder that is all of a storage."""
        self._serve_users()
        return self.objects.rows[_find_row(self.storages, params)["ROOT_OBJECT_ID"]]

    def folder(self, params: Params) -> Row:
        """Return a folder."""
        return self._find_object(params, "folder")

    def file(self, params: Params) -> Row:
        """Return a file."""
        return self._find_object(params, "file")

    def _find_object(self, params: Params, kind: str) -> Row:
        row = _find_row(self.objects, params)
        if row["TYPE"] != kind:
            raise _make_missing(row["ID"])
        return row

    def _add(self, parent: Row, name: str, kind: str, size: int) -> Row:
        about: Row = {"NAME": name, "TYPE": kind, "STORAGE_ID": parent["STORAGE_ID"], "PARENT_ID": parent["ID"]}
        return self.objects.rows[self.objects.add({**about, "SIZE": size})]

    def store(self, parent: Row, name: str, content: bytes, params: Params) -> Row:
        """Store a file in a folder, and return it as it is shown."""
        row = self._add(parent, self._find_free_name(parent, name, params), "file", len(content))
        self.contents[row["ID"]] = content
        return self._show_object(row)

    def _show_object(self, row: Row) -> Row:
        link = {"DOWNLOAD_URL": self.links.make("download", {"id": row["ID"]})} if row["TYPE"] == "file" else {}
        return {**_show(row), **link}

    def _find_free_name(self, parent: Row, name: str, params: Params) -> str:
        """Return a name that is not taken there; any text for ``generateUniqueName`` means yes, even N."""
        if not name:
            raise PortalError("ERROR_ARGUMENT", "Required parameter NAME", extra={"argument": "NAME"})
        taken = {row["NAME"] for row in self.objects.rows.values() if row["PARENT_ID"] == parent["ID"]}
        if name in taken and params.get("generateUniqueName") in FALSY:
            raise PortalError("DISK_OBJ_22000", "An object with this name already exists")
        stem, dot, end = name.rpartition(".") if "." in name else (name, "", "")
        others = (f"{stem} ({number}){dot}{end}" for number in range(1, len(taken) + 2))
        return name if name not in taken else next(other for other in others if other not in taken)


def _make_missing(row_id: JSON) -> PortalError:
    return PortalError("ERROR_NOT_FOUND", f"Could not find entity with id `{row_id}`.")


def _find_row(table: Table, params: Params) -> Row:
    row_id = read_integer(params, "id")
    if row_id not in table.rows:
        raise _make_missing(row_id)
    return table.rows[row_id]


def _find_field(name: str) -> Field | None:
    return (name, "integer" if name in _NUMBERS else "string") if name.isupper() else None


def _make_page(table: Table, params: Params, query: Query) -> Page:
    for name, value in list_items(params.get("filter")):
        prefix, plain = filters.split(str(name))
        field = _find_field(plain)
        if field is not None:
            query.where(prefix, field, value)
    query.order_by(params.get("order"), _find_field)
    # A start of -1 does not avoid the count here.
    return EXACT.page(table, query, max(params.start, 0))


def _show(row: Row) -> Row:
    return {name: LEGACY.printed(value) for name, value in row.items()}


def install(dispatcher: Dispatcher, links: Links, users: Table) -> Disk:
    """Register the methods, and return what they work on."""
    disk = Disk(users, links)
    methods: dict[str, Handler] = {
        "storage.getlist": disk.list_storages,
        "storage.get": disk.get_storage,
        "storage.getforapp": disk.storage_of_app,
        "storage.getchildren": partial(disk.children, disk.root),
        "storage.addfolder": partial(disk.add_folder, disk.root),
        "folder.getchildren": partial(disk.children, disk.folder),
        "folder.addsubfolder": partial(disk.add_folder, disk.folder),
        "folder.get": partial(disk.get, disk.folder),
        "folder.deletetree": partial(disk.delete, disk.folder),
        "file.get": partial(disk.get, disk.file),
        "file.delete": partial(disk.delete, disk.file),
    }
    for name, handler in methods.items():
        dispatcher.add(f"disk.{name}", handler)
    return disk
