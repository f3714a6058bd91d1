"""A file while it is received: it has another name until it is whole."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import attrs

from b24batch.errors import UnexpectedAnswer
from b24batch.files.gunzip import Gunzip
from b24batch.files.headers import get_name, is_file


@attrs.define(eq=False)
class Partial:
    """A file that is being received. Use it in this order: `open`, `begin` for each answer, `keep`, `discard`.

    Attributes:
        path: The path of the new file, or the folder where it gets the name that the answer has.
        overwrite: Whether to replace an existing file.
        size: The size that the file must have in bytes; None if it is not known.
        max_size: The most bytes that it may have.
        is_begun: Whether the last answer was a file.
    """

    path: Path
    overwrite: bool
    size: int | None
    max_size: int
    is_begun: bool = False
    _file: BinaryIO | None = None
    _temporary: Path | None = None
    _target: Path = attrs.field(init=False)
    _written: int = attrs.field(init=False)
    _gunzip: Gunzip | None = None

    def open(self) -> None:
        """Create the temporary file beside the place of the new one."""
        is_folder = self.path.is_dir()
        if not is_folder:
            self._aim(self.path)
        folder = self.path if is_folder else self.path.parent
        self._temporary = folder / f".b24batch-{secrets.token_hex(8)}.part"
        self._file = self._temporary.open("xb")

    def begin(self, status: int, headers: Mapping[str, str]) -> Callable[[bytes], None] | None:
        """Return what takes the parts of the body if an answer is a file, else None.

        Raises:
            UnexpectedAnswer: The file has another size, is too large, or has no name.
            FileExistsError: There is a file of this name.
        """
        self.is_begun = status == 200 and is_file(headers)
        if not self.is_begun or self._file is None:
            return None
        self._check_headers(headers)
        if self.path.is_dir():
            name = get_name(headers)
            if not name:
                raise UnexpectedAnswer("the answer does not name the file; pass the path of a file, not of a folder")
            self._aim(self.path / name)
        self._file.seek(0)
        self._file.truncate()
        self._written = 0
        return self._write

    def finish(self) -> None:
        """Check that the file is whole, and let the system write it to the disk."""
        if self._gunzip is not None:
            self._store(self._gunzip.finish())
        self._check_size(self._written)
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def keep(self) -> Path:
        """Give the file its name, and return its path."""
        if self._file is None or self._temporary is None:
            raise RuntimeError("the file is not open")
        self._file.close()
        if self.overwrite:
            self._temporary.replace(self._target)
        else:
            _move(self._temporary, self._target)
        return self._target

    def discard(self) -> None:
        """Remove the temporary file, if it is still there."""
        try:
            if self._file is not None:
                self._file.close()
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def _aim(self, target: Path) -> None:
        if os.path.lexists(target) and not self.overwrite:
            raise _make_existing(target)
        if target.exists() and not target.is_file():
            raise FileExistsError(errno.EEXIST, "this is not a file, so it is not replaced", str(target))
        self._target = target

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        encoding = headers.get("Content-Encoding", "").strip().lower().removeprefix("identity")
        transfer = headers.get("Transfer-Encoding", "").strip().lower()
        self._gunzip = Gunzip() if encoding in ("gzip", "x-gzip") else None
        for name, is_known in ((encoding, self._gunzip is not None), (transfer, transfer == "chunked")):
            if name and not is_known:
                raise UnexpectedAnswer(f"the file has the encoding {name[:20]!r}, which was not requested")
        length = headers.get("Content-Length", "").strip()
        if not (encoding or transfer or length.isdecimal() or self.size is not None):
            raise UnexpectedAnswer("the answer does not state its length, so a cut would go unnoticed; pass size=")
        if length.isdecimal() and not (encoding or transfer):
            self._check_most(int(length))
            self._check_size(int(length))

    def _check_size(self, size: int) -> None:
        if self.size is not None and size != self.size:
            raise UnexpectedAnswer(f"expected a file of {self.size} bytes, got {size}")

    def _check_most(self, size: int) -> None:
        if size > self.max_size:
            raise UnexpectedAnswer(f"the file has more than {self.max_size} bytes; a larger max_size allows it")

    def _write(self, part: bytes) -> None:
        for piece in [part] if self._gunzip is None else self._gunzip.decompress(part):
            self._store(piece)

    def _store(self, piece: bytes) -> None:
        self._written += len(piece)
        self._check_most(self._written)
        if self._file is not None:
            self._file.write(piece)


def _move(temporary: Path, target: Path) -> None:
    """Rename a file, but never over another one; systems of files without hard links cannot do it in one step."""
    try:
        target.hardlink_to(temporary)
    except OSError:
        if os.path.lexists(target):
            raise _make_existing(target) from None
        temporary.rename(target)


def _make_existing(target: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "there is a file already; overwrite=True replaces it", str(target))
