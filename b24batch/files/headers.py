"""Headers of an answer: whether it is a file, and the file's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from urllib.parse import unquote

#: Types that pages and errors have, or none. A portal sends a file of such a type with a ``Content-Disposition``.
_NOT_FILES = re.compile(r"|text/.*|application/(.*\+)?(json|xml)|application/(x-)?javascript")
#: RFC 6266; the second form is in the encoding of RFC 5987, and goes before the first.
_NAME = re.compile(r"""(?i);\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";\s]+))""")
_ENCODED_NAME = re.compile(r"(?i);\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")


def is_file(headers: Mapping[str, str]) -> bool:
    """Return whether an answer with status 200 is a file: it is an attachment, has a name, or is of another type."""
    disposition = headers.get("Content-Disposition", "")
    if disposition.strip().lower().startswith("attachment") or get_name(headers):
        return True
    return not _NOT_FILES.fullmatch(headers.get("Content-Type", "").partition(";")[0].strip().lower())


def get_name(headers: Mapping[str, str]) -> str:
    """Return the name of the file without any folders; "" if there is none that is safe to use."""
    disposition = headers.get("Content-Disposition", "")
    if encoded := _ENCODED_NAME.search(disposition):
        return _to_safe(unquote(encoded[1], errors="replace"))
    plain = _NAME.search(disposition)
    if plain is None:
        return ""
    text = re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2]
    try:
        text = text.encode("latin-1").decode()  # http.client decodes the UTF-8 of a portal as Latin-1
    except UnicodeError:
        return _to_safe(text)
    return _to_safe(text)


def _to_safe(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1].strip()
    has_drive = PureWindowsPath(last).drive != ""  # c:a.txt is in a folder of its own
    return "" if last in (".", "..") or has_drive or _FORBIDDEN.search(last) else last
