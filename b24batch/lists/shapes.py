"""Shapes of answers: finds the rows of a list in a result, and describes a result that has none."""

from __future__ import annotations

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UnexpectedAnswer
from b24batch.redaction import shown


@attrs.frozen
class Shape:
    """The shape of the results of a list method.

    Attributes:
        result_key: The key of the result that holds the rows; None if the result is the list itself.
        keyed: Whether the rows are a map by id, whatever its keys look like.
        open: Whether the only list in a result is taken as the rows, if the result is not a list itself.
    """

    result_key: str | None
    keyed: bool = False
    open: bool = False

    def find(self, method: str, result: JsonValue) -> Rows:
        """Return the rows in the result of `method`; raise `UnexpectedAnswer` if there are none."""
        found = self._find_at_key(result) if self.result_key is not None else self._find_anywhere(result)
        if found is None:
            raise UnexpectedAnswer(f"{method}: {_describe(result, self.result_key)}", data=result)
        return found

    def _find_at_key(self, result: JsonValue) -> Rows | None:
        if result == []:  # PHP writes an empty object as a list
            return Rows([], self.result_key)
        return self._to_rows(result.get(self.result_key), self.result_key) if isinstance(result, dict) else None

    def _find_anywhere(self, result: JsonValue) -> Rows | None:
        found = self._to_rows(result, None)
        if found is not None or not self.open or not isinstance(result, dict):
            return found
        held = [rows for rows in (self._to_rows(value, key) for key, value in result.items()) if rows is not None]
        lists = [rows for rows in held if rows.listed] or held
        return lists[0] if len(lists) == 1 and (len(held) == 1 or lists[0].of_objects) else None

    def _to_rows(self, value: JsonValue, key: str | None) -> Rows | None:
        if isinstance(value, list):
            return Rows(value, key)
        if isinstance(value, dict) and (self.keyed or _is_map_by_id(value)):
            return Rows(list(value.values()), key, listed=False)
        return None


@attrs.frozen
class Rows:
    """The rows of one answer.

    Attributes:
        rows: In the order of the answer.
        key: The key of the result that held them; None if they were the result itself.
        listed: Whether they were a list; otherwise a map by id.
    """

    rows: list[JsonValue]
    key: str | None
    listed: bool = True

    @property
    def of_objects(self) -> bool:
        """Whether there are rows, and they are objects; an empty list beside a map of rows does not hold the rows."""
        return bool(self.rows) and isinstance(self.rows[0], dict)


def _is_map_by_id(value: dict[str, JsonValue]) -> bool:
    """Return whether the values are rows and the keys their ids: PHP writes a list with gaps as an object."""
    return bool(value) and all(
        isinstance(row, dict) and (name.isdecimal() or name == str(row.get("id", row.get("ID"))))
        for name, row in value.items()
    )


def _describe(result: JsonValue, result_key: str | None) -> str:
    if isinstance(result, list):
        return f"the result is a list and has no {result_key}: omit result_key"
    if not isinstance(result, dict):
        return f"expected a list, got {shown(result)}"
    lists = [name for name, value in result.items() if isinstance(value, list)]
    held = f"a list in {' and in '.join(lists)}" if lists else f"no list, only {', '.join(list(result)[:10])}"
    expected = "is not a list" if result_key is None else f"has no list in {result_key}"
    return f"the result {expected}; it has {held}: give the key of the rows with result_key="
