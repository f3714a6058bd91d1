"""Results and sessions as HTML tables for notebooks, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TypeAlias

from b24batch.aliases import JsonValue
from b24batch.errors import to_message
from b24batch.redaction import redact, shown
from b24batch.statuses import counted

#: Maximum number of rows in a table.
MAX_ROWS = 20
#: Maximum number of characters in a cell.
_MAX_TEXT = 200

#: Only the theme's own colours; left-aligned, because notebooks align cells to the right.
_CELL = "text-align:left;vertical-align:top;padding:.2em .8em;overflow-wrap:anywhere;max-width:40em"
_HEAD = f"{_CELL};border-bottom:1px solid currentColor"
_CAPTION = "text-align:left;caption-side:top;font-weight:bold;color:inherit;padding:.2em .8em"
_REST = "padding:.2em .8em"

_Row: TypeAlias = Sequence[object]


def render_result(records: Sequence[Mapping[str, JsonValue]]) -> str:
    """Return the table of a run from `Result.to_records`: errors first, at most 20 rows."""
    ranked = sorted(records, key=lambda record: (record["error"] is None, record["status"] != "skipped"))
    rows, left_out = [_make_row(record) for record in ranked[:MAX_ROWS]], ranked[MAX_ROWS:]
    caption = f"{len(records)} commands: {counted(record['status'] for record in records)}"
    rest = f"{len(left_out)} more are left out: {counted(record['status'] for record in left_out)}" if left_out else ""
    return _render_table(caption, ("command", "method", "status", "value or error"), rows, rest)


def render_outcome(outcome: Mapping[str, JsonValue]) -> str:
    """Return the table of one command from `AjaxResult.to_dict`: its value field by field, or its error."""
    facts = [f"{name} {outcome[name]}" for name in ("total", "next") if outcome[name] is not None]
    caption = ", ".join([f"{outcome['method']}: {outcome['status']}", *facts])
    error, rows = outcome["error"], _list_parts(outcome["data"]) if outcome["status"] == "ok" else []
    if error is not None:
        rows.insert(0, ("error", to_message(error["code"], error["description"])))
    left_out = len(rows) - MAX_ROWS
    rest = f"{left_out} more are left out" if left_out > 0 else ""
    return _render_table(caption, ("field", "value"), rows[:MAX_ROWS], rest)


def render_facts(caption: str, facts: Mapping[str, str]) -> str:
    """Return a table of names and texts."""
    return _render_table(caption, (), list(facts.items()))


def _make_row(record: Mapping[str, JsonValue]) -> _Row:
    command = record["position"] if record["name"] is None else record["name"]
    value = shown(record["data"]) if record["status"] == "ok" else ""
    outcome = value if record["error"] is None else to_message(record["error"], record["description"])
    return command, record["method"], record["status"], outcome


def _list_parts(data: JsonValue) -> list[_Row]:
    if isinstance(data, dict | list) and data:
        pairs = data.items() if isinstance(data, dict) else enumerate(data)
        return [(name, shown(value)) for name, value in pairs]
    return [("data", shown(data))]


def _render_table(caption: str, head: Sequence[str], rows: Sequence[_Row], rest: str = "") -> str:
    """Return a table; all texts are escaped."""
    lines = "".join(f"<tr>{_render_cells(row)}</tr>" for row in rows)
    return (
        '<table style="border-collapse:collapse;color:inherit;margin:0">'
        f'<caption style="{_CAPTION}">{_to_html(caption)}</caption>{_render_heads(head)}<tbody>{lines}</tbody></table>'
    ) + (f'<div style="{_REST}">{_to_html(rest)}</div>' if rest else "")


def _render_heads(names: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col" style="{_HEAD}">{_to_html(name)}</th>' for name in names)
    return f"<thead><tr>{heads}</tr></thead>" if heads else ""


def _render_cells(row: Iterable[object]) -> str:
    return "".join(f'<td style="{_CELL}">{_to_html(value)}</td>' for value in row)


def _to_html(value: object) -> str:
    text = redact(str(value))
    return escape(text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}...")
