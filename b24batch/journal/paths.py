"""The paths of a journal's files: checks them, and creates files that only their owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from b24batch.errors import JournalError, UsageError
from b24batch.redaction import shown

_EXPECTED = "journal: expected the path of a file, got"
#: What SQLite would not take for a file, and a path that is none.
_NO_FILES = ("", ":memory:")


def to_path(given: str | os.PathLike[str]) -> Path:
    """Return an absolute path without symbolic links, so that a file has one lock, however it is reached.

    Raises:
        UsageError: It is something else, such as a URL.
    """
    if not isinstance(given, str | os.PathLike):
        raise UsageError(f"{_EXPECTED} {shown(given)}")
    text = os.fsdecode(given)
    if "://" in text or text.startswith("file:"):
        raise UsageError(f"{_EXPECTED} a URL")  # which may hold a secret
    if text in _NO_FILES or "\0" in text:
        raise UsageError(f"{_EXPECTED} {shown(text)}")
    return Path(os.path.realpath(text))


def create(path: Path) -> None:
    """Create a file that only its owner can read, unless it exists.

    Raises:
        UsageError: It exists and is a directory or another thing that is not a file.
        JournalError: It cannot be created.
    """
    # A file that exists is not opened here: closing it would drop the locks this process has on it.
    reason = ""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        reason = _reason_of(error)
    if reason:
        raise JournalError(f"{path.name} cannot be created ({reason}); nothing was sent")
    if _is_other(path):
        raise UsageError(f"{path.name} is not a regular file; nothing was sent")


def find(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes a file from another one at the same path; None if it is not there."""
    try:
        status = path.stat()
    except OSError as error:
        _reason_of(error)
        return None
    return status.st_dev, status.st_ino


def remove(path: Path) -> None:
    """Remove a file if possible."""
    try:
        path.unlink()
    except OSError as error:
        _reason_of(error)


def _is_other(path: Path) -> bool:
    """Return whether there is something that is not a file. In one step: another process may remove a file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        _reason_of(error)
        return False


def _reason_of(error: OSError) -> str:
    """Return the system's words; raise what is not from the system, such as the `TimeoutError` of a signal handler."""
    if error.errno is None:
        raise error
    return error.strerror or type(error).__name__
