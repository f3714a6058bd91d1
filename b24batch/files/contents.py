"""Contents of files, as the params of a call take them."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import TypeAlias

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.options import hide_arguments
from b24batch.redaction import shown

#: A path, or the name and the content.
Source: TypeAlias = str | os.PathLike[str] | tuple[str, bytes]

_EXPECTED = "expected the path of a file or (name, content)"
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f\ud800-\udfff]")


@hide_arguments
def file_value(source: Source) -> list[str]:
    """Return a file as ``[name, base64]``.

    Most methods take it so: ``crm.item.*``, ``user.*``, ``lists.element.*``, ``entity.item.*``; ``fileContent`` of
    ``disk.*``; and, in a list of files, ``FILES`` of ``crm.timeline.comment.*`` and ``log.blogpost.*``. A field that
    takes another form may silently stay empty: see `file_data`.

    Args:
        source: The path of a file, or a tuple of its name and its content in bytes.

    Raises:
        UsageError: It is neither, the name is invalid, or the file is empty, which the portal takes for no file.
        OSError: The file cannot be read.
    """
    name, content = to_named(source)
    read = content.read_bytes() if isinstance(content, Path) else content
    if not read:
        raise UsageError(f"file: {shown(name)} is empty, and the portal ignores an empty file")
    return [name, base64.b64encode(read).decode("ascii")]


@hide_arguments
def file_data(source: Source) -> dict[str, JsonValue]:
    """Return a file as ``{"fileData": [name, base64]}``.

    The older methods of the CRM take it so (``crm.lead.*``, ``crm.deal.*``, ``crm.contact.*``, ``crm.company.*``), and
    the pictures of ``catalog.product.*``.

    Args:
        source: As for `file_value`.

    Raises:
        UsageError: As for `file_value`.
        OSError: The file cannot be read.
    """
    return {"fileData": file_value(source)}


def to_named(source: Source) -> tuple[str, Path | bytes]:
    """Return the name of a file, and its path or its content; raise `UsageError` for anything else."""
    name, content = source if isinstance(source, tuple) and len(source) == 2 else (None, source)
    if name is None and isinstance(content, str | os.PathLike):
        path = to_path(content, f"file: {_EXPECTED}", "; download the file first")
        return _check_name(path.name), path
    if name is not None and isinstance(content, bytes | bytearray | memoryview):
        return _check_name(name), bytes(content)
    what = type(content).__name__ if name is None else f"(name, {type(content).__name__})"
    read = "; of an open file pass (name, file.read())" if hasattr(content, "read") else ""
    raise UsageError(f"file: {_EXPECTED}, got {what}{read}")


def to_path(path: object, expected: str, advice: str = "") -> Path:
    """Return a path; raise `UsageError` for anything else.

    That includes a URL, which an `OSError` would show with its secret; `advice` follows its message.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UsageError(f"{expected}, got {type(path).__name__}")
    if "\x00" in text:
        raise UsageError(f"{expected}, got {shown(text)}")
    made = Path(text)
    if made.parts and made.parts[0].lower() in ("http:", "https:"):
        raise UsageError(f"{expected}, got a URL{advice}")
    return made


def _check_name(name: object) -> str:
    if isinstance(name, str) and name not in ("", ".", "..") and not _FORBIDDEN.search(name):
        return name
    raise UsageError(f"file: expected the name of a file, without slashes and control characters, got {shown(name)}")
