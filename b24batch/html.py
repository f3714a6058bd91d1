"""Results and sessions as HTML tables for notebooks, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TypeAlias

from b24batch.aliases import JsonValue
from b24batch.errors import to_message
from b24batch.redaction import redact, shown
from b24batch.statuses import count_outcomes, count_statuses

#: Maximum number of rows in a table.
MAX_ROWS = 20
#: Maximum number of characters in a cell.
_MAX_TEXT = 200
#: Maximum number of characters of a word that is not broken in a cell.
_MAX_WORD = 30
#: Maximum number of ranges of names, and of methods, of commands with equal errors.
_MAX_LISTED = 3
#: What is equal in a group of commands.
_OUTCOME = ("status", "error_type", "error", "description")
_ALL_ROWS = "all are in its .rows, and .to_records() makes a table of them"

#: Only the theme's own colours; left-aligned, because notebooks align cells to the right.
_CELL = "text-align:left;vertical-align:top;padding:.2em .8em;max-width:40em"
#: Only in a cell with a long word: beside a long value a browser would break every word there is.
_BREAK = f"{_CELL};overflow-wrap:anywhere"
_HEAD = f"{_CELL};border-bottom:1px solid currentColor"
_ONE_LINE = "min-width:max-content;text-wrap:nowrap"
_CAPTION = f"text-align:left;caption-side:top;{_ONE_LINE};font-weight:bold;color:inherit;padding:.2em .8em"
_REST = "padding:.2em .8em"

_Row: TypeAlias = Sequence[object]
_Group: TypeAlias = list[Mapping[str, JsonValue]]


def render_result(records: Sequence[Mapping[str, JsonValue]]) -> str:
    """Return the table of a run from `Result.to_records`: errors first, equal ones in one row, at most 20 rows."""
    ranked = sorted(_group(records), key=lambda group: (group[0]["error"] is None, group[0]["status"] != "skipped"))
    left_out = [record["status"] for group in ranked[MAX_ROWS:] for record in group]
    caption = count_outcomes(record["status"] for record in records)
    rest = f"{len(left_out)} more left out: {count_statuses(left_out)}; {_ALL_ROWS}" if left_out else ""
    head = ("command", "method", "status", "value or error")
    return _render_table(caption, head, [_make_row(group) for group in ranked[:MAX_ROWS]], rest)


def render_outcome(outcome: Mapping[str, JsonValue]) -> str:
    """Return the table of one command from `AjaxResult.to_dict`: its value field by field, or its error."""
    facts = [f"{name} {outcome[name]}" for name in ("total", "next") if outcome[name] is not None]
    caption = ", ".join([f"{outcome['method']}: {outcome['status']}", *facts])
    error, parts = outcome["error"], _list_parts(outcome["data"]) if outcome["status"] == "ok" else []
    first = [] if error is None else [("error", to_message(error["code"], error["description"]))]
    rows = [*first, *_choose(parts, MAX_ROWS - len(first))]
    left_out = len(first) + len(parts) - len(rows)
    rest = f"{left_out} more left out; all are in its .data" if left_out else ""
    return _render_table(caption, ("field", "value"), rows, rest)


def render_facts(caption: str, facts: Mapping[str, str]) -> str:
    """Return a table of names and texts."""
    return _render_table(caption, (), list(facts.items()))


def _group(records: Iterable[Mapping[str, JsonValue]]) -> list[_Group]:
    """Return the records in groups: those with equal errors, and those that were skipped; every other is alone."""
    groups: dict[object, _Group] = {}
    for record in records:
        is_alone = record["status"] == "ok" and record["error"] is None
        key = record["position"] if is_alone else tuple(record[name] for name in _OUTCOME)
        groups.setdefault(key, []).append(record)
    return list(groups.values())


def _make_row(group: _Group) -> _Row:
    record = group[0]
    command = _name(record) if len(group) == 1 else f"{len(group)} commands, {_name_ranges(group)}"
    value = shown(record["data"]) if record["status"] == "ok" else ""
    outcome = value if record["error"] is None else to_message(record["error"], record["description"])
    methods = _list_some(list(dict.fromkeys(record["method"] for record in group)))
    return command, methods, record["status"], outcome


def _name(record: Mapping[str, JsonValue]) -> str:
    return str(record["position"] if record["name"] is None else record["name"])


def _name_ranges(group: _Group) -> str:
    """Return the names of commands, such as ``3, 50 to 99``."""
    starts = [n for n, record in enumerate(group) if not n or record["position"] != group[n - 1]["position"] + 1]
    ranges = [group[start:end] for start, end in zip(starts, [*starts[1:], len(group)], strict=True)]
    return _list_some(
        [_name(part[0]) if len(part) == 1 else f"{_name(part[0])} to {_name(part[-1])}" for part in ranges]
    )


def _list_some(texts: list[str]) -> str:
    return ", ".join(texts[:_MAX_LISTED] + ["..."] * (len(texts) > _MAX_LISTED))


def _list_parts(data: JsonValue, prefix: str = "") -> list[tuple[str, str]]:
    """Return the parts of a value with their names; those of an object alone in an object, as ``item.id``."""
    if isinstance(data, dict) and len(data) == 1:
        name, value = next(iter(data.items()))
        if isinstance(value, dict) and value and not prefix:
            return _list_parts(value, f"{name}.")
    if isinstance(data, dict | list) and data:
        pairs = data.items() if isinstance(data, dict) else enumerate(data)
        return [(f"{prefix}{name}", shown(value)) for name, value in pairs]
    return [("data", shown(data))]


def _choose(parts: list[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """Return at most so many parts, in order: half are the first ones, then user fields go before others."""

    def rank(place: int) -> tuple[bool, int]:
        """Return the sort key of a part: the lower, the sooner it is kept."""
        is_own = parts[place][0].rpartition(".")[2].casefold().startswith("uf")
        return place >= MAX_ROWS // 2 and not is_own, place

    return [parts[place] for place in sorted(sorted(range(len(parts)), key=rank)[:most])]


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
    return "".join(_render_cell(_to_text(value)) for value in row)


def _render_cell(text: str) -> str:
    has_long_word = any(len(word) > _MAX_WORD for word in text.split())
    return f'<td style="{_BREAK if has_long_word else _CELL}">{escape(text)}</td>'


def _to_html(value: object) -> str:
    return escape(_to_text(value))


def _to_text(value: object) -> str:
    text = redact(str(value))
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."
