"""The commands of a CSV file: one of each row. The file is checked as a whole before the first row is used."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import attrs

from b24batch.cli.mapping import ColumnMap
from b24batch.cli.sources import Numbered
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: Byte order marks, and the encodings they stand for.
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
#: The first bytes of files that are no text, and what to do.
_NOT_TEXT = (
    (b"PK\x03\x04", "is a workbook or a zip archive: save the sheet as CSV"),
    (b"\x1f\x8b", "is compressed: gunzip it"),
)
#: The longest cell, in characters. A longer one is rather a quotation mark that is never closed.
_LONGEST = 1 << 24
#: How many names of columns a message lists.
_MOST_LISTED = 10
#: Characters that separate cells elsewhere, and how a shell writes them.
_OTHER_DELIMITERS = {";": "';'", "\t": "tab", ",": "','", "|": "'|'"}


@attrs.define
class CsvFile:
    """A table whose first line has the names of its columns.

    Attributes:
        file: The file, which can be read again.
        columns: How the columns become parameters.
        delimiter: The character between two cells.
        encoding: The encoding; None for UTF-8, or what a byte order mark at the beginning says.
        unit: What the numbers count. A row has the number of its first line.
    """

    file: BinaryIO
    columns: ColumnMap
    delimiter: str
    encoding: str | None
    unit: str = attrs.field(default="line", init=False)

    def __iter__(self) -> Iterator[Numbered]:
        """Read the commands."""
        for number, row in self._rows():
            yield number, self.columns.make_command(row)

    def numbers(self) -> Iterator[int]:
        """Return the numbers of all commands."""
        return (number for number, _ in self._rows())

    def check(self) -> None:
        """Read the whole file; raise `UsageError` for the first thing in it that is wrong, with its line."""
        key, lines = self.columns.key, dict[str, int]()
        for number, row in self._rows():
            if key is None:
                continue
            if not row[key]:
                raise UsageError(f"line {number}: the key column {shown(key)} is empty")
            if row[key] in lines:
                raise UsageError(f"line {number}: the key {shown(row[key])} is in line {lines[row[key]]} already")
            lines[row[key]] = number

    def _rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        names: list[str] = []
        for number, cells in self._read():
            if not names:
                names = cells
                self._check_header(number, names)
                continue
            if len(cells) != len(names):
                raise UsageError(f"line {number}: has {_count(cells)}, but the header has {_count(names)}")
            yield number, dict(zip(names, cells, strict=True))
        if not names:
            raise UsageError("line 1: expected a header with the names of the columns, got an empty file")

    def _check_header(self, number: int, names: list[str]) -> None:
        times = Counter(names)
        for column in self.columns.columns:
            if times[column] > 1:
                raise UsageError(f"line {number}: has the column {shown(column)} {times[column]} times")
            if not times[column]:
                raise UsageError(f"line {number}: has no column {shown(column)}, only {self._list_names(names)}")

    def _list_names(self, names: list[str]) -> str:
        more = len(names) - _MOST_LISTED
        listed = ", ".join(map(shown, names[:_MOST_LISTED])) + (f" and {more} more" if more > 0 else "")
        other = next((mark for mark in _OTHER_DELIMITERS if len(names) == 1 and mark in names[0]), None)
        return listed if other is None else f"{listed}: try --delimiter {_OTHER_DELIMITERS[other]}"

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not blank, with the numbers of their first lines."""
        encoding = self._find_encoding()
        self.file.seek(0)
        text = io.TextIOWrapper(self.file, encoding, newline="")
        csv.field_size_limit(_LONGEST)
        rows = csv.reader(text, delimiter=self.delimiter, strict=True)
        number = 1
        try:
            for cells in rows:
                if any(map(str.strip, cells)):
                    yield number, cells
                number = rows.line_num + 1
            return
        except UnicodeError:
            number, reason = self._find_undecodable(encoding), f"is not {encoding}{self._get_hint()}"
        except csv.Error as error:
            reason = f"is not CSV: {error}"
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
        finally:
            if not self.file.closed:  # as it is after Ctrl-C
                text.detach()
        raise UsageError(f"line {number}: {reason}")

    def _get_hint(self) -> str:
        return "" if self.encoding else "; name its encoding: --encoding cp1251"

    def _find_encoding(self) -> str:
        """Return the encoding; raise `UsageError` if the first bytes are not text, or are text in another one."""
        self.file.seek(0)
        begin = self.file.read(4)
        for mark, reason in _NOT_TEXT:
            if begin.startswith(mark):
                raise UsageError(f"the table {reason}")
        marked = next((name for mark, name in _MARKS if begin.startswith(mark)), None)
        if marked is None or self.encoding is None:
            return self.encoding or marked or "utf-8"
        own, family = (codecs.lookup(name).name.removesuffix("-sig") for name in (self.encoding, marked))
        if own.startswith(family):
            return marked
        raise UsageError(f"the table begins with the byte order mark of {family}: omit --encoding {self.encoding}")

    def _find_undecodable(self, encoding: str) -> int:
        """Return the number of the first line that is not in this encoding."""
        decoder = codecs.getincrementaldecoder(encoding)()
        self.file.seek(0)
        number = 1
        with contextlib.suppress(UnicodeError):
            for line in self.file:
                decoder.decode(line)
                number += 1
        return number


def _count(cells: list[str]) -> str:
    return f"{len(cells)} cell{'s' * (len(cells) != 1)}"
