"""The file of ``run``: opened, in its format, and the part of it that is to be sent."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from b24batch.cli.csv_file import CsvFile
from b24batch.cli.mapping import ColumnMap
from b24batch.cli.outcomes_file import Remainder, find_remainder
from b24batch.cli.part import Part
from b24batch.cli.sources import JsonFile, Source
from b24batch.cli.terminal import open_file
from b24batch.errors import UsageError

#: The options that describe a table.
_OF_A_TABLE = ("method", "map", "key", "delimiter", "encoding")


@contextlib.contextmanager
def open_part(arguments: Namespace) -> Iterator[tuple[Part, Remainder | None]]:
    """Open the file, and yield the part of it that is to be sent, and what remains by the outcomes of an earlier run.

    Raises:
        UsageError: The file cannot be read, a table in it is invalid, or the arguments do not fit together.
    """
    _refuse_misfits(arguments)
    columns = _read_map(arguments) if arguments.csv else None
    with open_file(arguments.file) as file, contextlib.ExitStack() as stack:
        again = arguments.file != "-" and file.seekable()  # others may read standard input as well
        if not again and (arguments.csv or arguments.remaining):
            file, again = stack.enter_context(_copy(file)), True
        source: Source = JsonFile(file, again)
        if columns is not None:
            source = CsvFile(file, columns, arguments.delimiter or ",", arguments.encoding)
            source.check()
        remainder = find_remainder(arguments.remaining, source) if arguments.remaining else None
        only = None if remainder is None else remainder.remaining
        part = Part(source, arguments.first, only, arguments.limit)
        if arguments.csv:
            part.check()
        yield part, remainder


def _refuse_misfits(arguments: Namespace) -> None:
    if not arguments.csv:
        for name in _OF_A_TABLE:
            if getattr(arguments, name):
                raise UsageError(f"--{name} needs --csv")
        if arguments.params:
            raise UsageError(f"unrecognized arguments: {' '.join(arguments.params)}; key=value needs --csv")
    if arguments.file == arguments.remaining == "-":
        raise UsageError("FILE and --remaining are both standard input")
    if arguments.journal and (arguments.remaining or arguments.first > 1):
        option = "--remaining" if arguments.remaining else "--from"
        raise UsageError(
            f"{option} and --journal exclude each other: with a journal the same command goes on by itself"
        )


def _read_map(arguments: Namespace) -> ColumnMap:
    if arguments.method is None:
        raise UsageError("--csv needs --method, such as --method crm.deal.add")
    if not arguments.map:
        raise UsageError("--csv needs --map FIELD=COLUMN, such as --map TITLE=name")
    return ColumnMap.read(arguments.method, arguments.params, arguments.map, arguments.key)


@contextlib.contextmanager
def _copy(file: BinaryIO) -> Iterator[BinaryIO]:
    """Copy a file that can be read only once into one that can be read again."""
    with tempfile.TemporaryFile() as copy:
        _fill(copy, file)
        yield cast("BinaryIO", copy)


def _fill(copy: IO[bytes], file: BinaryIO) -> None:
    try:
        shutil.copyfileobj(file, copy)
    except OSError as error:
        reason = error.strerror
    else:
        return
    raise UsageError(f"the file cannot be read: {reason}")
