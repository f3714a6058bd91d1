"""The contents of the files of ``disk.*``: how they are uploaded and downloaded."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from functools import partial
from urllib.parse import quote

import attrs

from b24batch.sandbox.methods.disk import Disk, Find
from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.php.values import FALSY, JSON, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import Answer, PortalError
from b24batch.sandbox.server.incoming import Upload


@attrs.frozen
class DiskFiles:
    """The files of a disk."""

    disk: Disk

    def upload(self, find: Find, params: Params) -> JSON:
        """Store the file in ``fileContent``: a list of name and base64, or base64 with a name in ``data``."""
        parent, content = find(params), params.get("fileContent")
        is_pair = isinstance(content, (list, dict))
        given, encoded, *_ = [*to_mapping(content).values(), None, None] if is_pair else [None, content]
        name = to_text(to_mapping(params.get("data")).get("NAME") or given)
        decoded = _decode(to_text(encoded))
        if not decoded:
            raise PortalError("", "Could not save file.")
        return self.disk.store(parent, name, decoded, params)

    def upload_or_link(self, params: Params) -> JSON:
        """Store the file in ``fileContent``; without it, return a link to upload one, to whatever folder."""
        if params.get("fileContent") is not None:
            return self.upload(self.disk.folder, params)
        unique = int(params.get("generateUniqueName") not in FALSY)
        link = self.disk.links.make("upload", {"id": to_text(params.get("id")), "generateUniqueName": str(unique)})
        return {"field": "file", "uploadUrl": link}

    def follow_upload(self, params: Params, upload: Upload | None) -> Answer:
        """Store the file that was sent to a link."""
        folder = self.disk.folder(params)
        if upload is None:
            reason = "Error: required parameter file (DISK_BASE_SERVICE_22001)."
            raise PortalError("DISK_BASE_SERVICE_22001", reason)
        row = self.disk.store(folder, upload.name, upload.content, params)
        return Answer(php_json.dumps({"result": row}))

    def follow_download(self, params: Params, upload: Upload | None) -> Answer:
        """Return the content of a file."""
        del upload
        row = self.disk.file(params)
        name = to_text(row["NAME"])
        latin, encoded = name.replace('"', r"\"").encode().decode("latin-1"), quote(name, safe="")
        place = f"attachment; filename=\"{latin}\"; filename*=utf-8''{encoded}"
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {"Content-Type": kind, "Content-Disposition": place}
        return Answer(self.disk.contents[row["ID"]], headers=headers)


def install(dispatcher: Dispatcher, disk: Disk) -> None:
    """Register the methods."""
    files = DiskFiles(disk)
    dispatcher.add("disk.storage.uploadfile", partial(files.upload, disk.root))
    dispatcher.add("disk.folder.uploadfile", files.upload_or_link)
    disk.links.add("download", files.follow_download)
    disk.links.add("upload", files.follow_upload)


def _decode(text: str) -> bytes:
    """Decode base64 like PHP, which skips invalid characters."""
    kept = "".join(mark for mark in text if mark.isascii() and (mark.isalnum() or mark in "+/"))
    try:
        return base64.b64decode(kept + "=" * (-len(kept) % 4))
    except binascii.Error:
        return b""
