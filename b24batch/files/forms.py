"""Forms: a file as the body of a request, read in parts while it is sent."""

from __future__ import annotations

import io
import mimetypes
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import attrs

from b24batch.errors import NotSent
from b24batch.wire.messages import FileFailed

#: Bytes of a file to read at once: more than a connection collects before it sends.
_PART = 262_144


@attrs.define(eq=False)
class Form:
    """A form of type ``multipart/form-data`` with one file. It can be sent again.

    Attributes:
        name: The name of the file.
        content: The path of the file, or its content.
        field: The name of the field.
        boundary: The text between the parts of the form.
        size: The size of the file in bytes.
    """

    name: str
    content: Path | bytes = attrs.field(repr=False)
    field: str = "file"
    boundary: str = attrs.field(factory=lambda: secrets.token_hex(16))
    size: int = attrs.field(init=False)

    @size.default
    def _measure(self) -> int:
        with self._open() as file:
            return file.seek(0, io.SEEK_END)

    def __len__(self) -> int:
        return len(self._head()) + self.size + len(self._tail())

    def __iter__(self) -> Iterator[bytes]:
        yield self._head()
        left = self.size
        for part in self._read():
            left -= len(part)
            if left < 0:
                break
            yield part
        if left:
            raise NotSent(f"{self.name!r} has changed while it was sent; it was not stored", code="FILE_CHANGED")
        yield self._tail()

    def _read(self) -> Iterator[bytes]:
        try:
            with self._open() as file:
                while part := file.read(_PART):
                    yield part
        except OSError as error:
            failure = error
        else:
            return
        raise FileFailed(failure)

    def _open(self) -> BinaryIO:
        return self.content.open("rb") if isinstance(self.content, Path) else io.BytesIO(self.content)

    def _head(self) -> bytes:
        quoted = self.name.replace('"', r"\"")  # as PHP reads it
        kind = mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        place = f'form-data; name="{self.field}"; filename="{quoted}"'
        return f"--{self.boundary}\r\nContent-Disposition: {place}\r\nContent-Type: {kind}\r\n\r\n".encode()

    def _tail(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode()
