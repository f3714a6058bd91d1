"""Write the rows of a list as JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Protocol, TextIO

import attrs

from b24batch.aliases import JsonValue
from b24batch.cli.interrupts import hold_back
from b24batch.cli.terminal import above_live, say, to_json_line, write
from b24batch.errors import UsageError
from b24batch.lists.families import Row
from b24batch.redaction import shown


class Rows(Protocol):
    """Takes the rows of a list, page by page."""

    def add(self, page: list[Row]) -> None:
        """Take one page."""

    def close(self) -> None:
        """Write everything that is not written yet."""


@attrs.define
class JsonLines:
    """Writes rows as JSON, one per line, each page at once."""

    output: TextIO

    def add(self, page: list[Row]) -> None:
        """Write one page."""
        with hold_back():
            write(self.output, "".join(map(to_json_line, page)))

    def close(self) -> None:
        """Do nothing: everything is written."""


@attrs.define
class Table:
    """Writes rows as CSV at the end, when all columns are known. Until then they are in a temporary file.

    Attributes:
        output: Gets the table.
        delimiter: The character between two cells.
        mark: Whether the table begins with a byte order mark.
    """

    output: TextIO
    delimiter: str = ","
    mark: bool = attrs.field(default=False, kw_only=True)
    _columns: dict[str, None] = attrs.field(factory=dict, init=False)
    _spool: IO[str] = attrs.field(init=False)

    @_spool.default
    def _open(self) -> IO[str]:
        return tempfile.TemporaryFile("w+", encoding="ascii")

    def add(self, page: list[Row]) -> None:
        """Keep one page for later; raise `UsageError` for a row without columns."""
        for row in page:
            cells: JsonValue = row
            if cells == []:  # PHP writes an empty object so
                cells = {}
            if not isinstance(cells, dict):
                raise UsageError(f"--csv: expected rows with the names of columns, got {shown(row)}; omit --csv")
            self._columns.update(dict.fromkeys(cells))
            self._spool.write(f"{json.dumps(cells)}\n")

    def close(self) -> None:
        """Write the names of the columns, and all rows."""
        with self._spool, above_live(self.output):
            self._spool.seek(0)
            table = csv.DictWriter(self.output, list(self._columns), delimiter=self.delimiter)
            if self._columns:
                self.output.write("\ufeff" * self.mark)
                table.writeheader()
            table.writerows(self._read_cells())
            self.output.flush()

    def _read_cells(self) -> Iterator[dict[str, str]]:
        for line in self._spool:
            yield {name: _format_cell(value) for name, value in json.loads(line).items()}


def _format_cell(value: JsonValue) -> str:
    """Return the text of a cell: empty for null, JSON for anything that is not text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def count_rows(count: int) -> str:
    """Return such as ``2 rows``."""
    return f"{count} row{'s' * (count != 1)}"


def copy_rows(pages: Iterable[list[Row]], rows: Rows) -> int:
    """Copy all pages and return the number of rows; if it ends early, say so and keep the rows so far."""
    count = 0
    try:
        for page in pages:
            rows.add(page)
            count += len(page)
    except BaseException:
        say(f"the list is incomplete: it ended after {count_rows(count)}")
        rows.close()
        raise
    rows.close()
    return count
