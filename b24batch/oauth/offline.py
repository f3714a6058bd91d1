"""Offline events: the portal keeps them in a queue, and an application fetches them when it has time.

Source of what the methods do: Bitrix24's module ``rest``, ``lib/api/event.php`` and ``lib/eventoffline.php``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from b24batch.aliases import JsonValue
from b24batch.errors import UnexpectedAnswer
from b24batch.oauth.offline_batch import Calls, OfflineBatch, OfflineEvent
from b24batch.wire.checks import check_number

#: What the portal hands out at once by default.
_LIMIT = 50
_GET, _LIST = "event.offline.get", "event.offline.list"
_Conditions: TypeAlias = dict[str, JsonValue]


def offline_events(
    session: Calls,
    *,
    filter: Mapping[str, JsonValue] | None = None,
    limit: int = _LIMIT,
    failed: bool = False,
    resume: bool = False,
) -> Iterator[OfflineBatch]:
    """Fetch the events in the portal's queue batch by batch, and remove each batch after it was handled.

    A batch is removed when the loop asks for the next one. If your code raises, or leaves the loop without
    `OfflineBatch.clear`, the batch stays in the queue, reserved: no other program gets it, until one asks with
    `resume`. So an event is handled at least once, and perhaps twice after a crash. The portal deletes what was
    reserved for 34 days. Several programs may run this at once; each gets other events.

    Bind each event first: ``event.bind`` with ``event_type=offline``. The queue has one entry for events with the same
    data, so a deal that was changed ten times comes once.

    Args:
        session: A session with the `OAuth` credentials of an administrator's application; a webhook has no queue.
        filter: Conditions on ``ID``, ``TIMESTAMP_X``, ``EVENT_NAME`` or ``MESSAGE_ID``, such as
            ``{"=EVENT_NAME": "ONCRMDEALADD"}``, also on what is reserved. Default: all events.
        limit: How many events a batch has at most. Default 50.
        failed: Whether to fetch the events that were set aside, instead of the others. Default False.
        resume: Whether to begin with what is reserved already, because an earlier program ended before it removed it.
            Only if no other program is at work, or both handle the same events. Default False.

    Yields:
        Batches with at least one event each; the loop ends when the queue is empty.

    Raises:
        AjaxError: The portal refuses: ``WRONG_AUTH_TYPE`` for a webhook, ``ACCESS_DENIED`` unless the user is an
            administrator, ``WRONG_LICENSE`` if its plan has no extended offline events.
        AnswerLost: Events may be reserved whose batch is unknown; `resume` finds it.
        UnexpectedAnswer: The answer does not have the documented shape. Its events may be reserved, too.
    """
    check_number("limit", limit)
    conditions = dict(filter or {})
    asked: dict[str, JsonValue] = {"clear": 0, "limit": limit, "error": int(failed)}
    return _hand_out_all(session, asked, conditions) if resume else _hand_out(session, asked, conditions)


def _hand_out_all(session: Calls, asked: dict[str, JsonValue], conditions: _Conditions) -> Iterator[OfflineBatch]:
    """Hand out what is reserved, and then what is free."""
    chosen = conditions | {"=ERROR": asked["error"]}
    process_id = _find_reserved(session, chosen)
    while process_id:
        yield from _hand_out_again(session, asked | {"process_id": process_id, "order": {"ID": "ASC"}}, conditions)
        process_id = _find_reserved(session, chosen | {"<PROCESS_ID": process_id})
    yield from _hand_out(session, asked, conditions)


def _hand_out_again(session: Calls, params: dict[str, JsonValue], conditions: _Conditions) -> Iterator[OfflineBatch]:
    """Hand out what one process id has reserved, each event once, also if it stays reserved."""
    while batch := _fetch(session, params, conditions):
        yield batch
        batch.clear()
        conditions = conditions | {">ID": batch[-1].id}


def _hand_out(session: Calls, params: dict[str, JsonValue], conditions: _Conditions) -> Iterator[OfflineBatch]:
    """Reserve and hand out what is free."""
    while batch := _fetch(session, params, conditions):
        yield batch
        batch.clear()


def _find_reserved(session: Calls, conditions: _Conditions) -> str:
    """Return the last process id among the events that the conditions choose; "" if none is reserved."""
    rows = session.call(_LIST, {"filter": conditions, "order": {"PROCESS_ID": "DESC"}}).data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _make_unexpected(_LIST, rows)
    return str(rows[0].get("PROCESS_ID") or "") if rows else ""


def _fetch(session: Calls, params: dict[str, JsonValue], conditions: _Conditions) -> OfflineBatch:
    """Reserve the next events, or fetch again those that are reserved."""
    again = "process_id" in params  # another request for free events would reserve others
    data = session.call(_GET, params | {"filter": conditions}, idempotent=again).data
    batch = _read_batch(session, data)
    if batch is None:
        raise _make_unexpected(_GET, data)
    return batch


def _read_batch(session: Calls, data: Any) -> OfflineBatch | None:
    if not isinstance(data, dict) or not isinstance(data.get("events"), list):
        return None
    process_id = data.get("process_id")
    try:
        events = tuple(map(_read_event, data["events"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if events and not (isinstance(process_id, str) and process_id):
        return None
    return OfflineBatch(str(process_id), events, session)


def _read_event(row: Any) -> OfflineEvent:
    additional = row.get("EVENT_ADDITIONAL")
    user_id = str(additional.get("user_id")) if isinstance(additional, dict) else ""
    return OfflineEvent(
        id=int(row["ID"]),
        event=str(row["EVENT_NAME"]),
        data=row["EVENT_DATA"],
        user_id=int(user_id) if user_id.isdecimal() else None,
        message_id=str(row["MESSAGE_ID"]),
        time=str(row["TIMESTAMP_X"]),
    )


def _make_unexpected(method: str, data: object) -> UnexpectedAnswer:
    """Return an error that does not show the answer, since a chat bot's events contain its tokens."""
    shape = f"an object with {', '.join(map(str, data))}" if isinstance(data, dict) else type(data).__name__
    return UnexpectedAnswer(f"{method}: expected a process_id and a list of events, got {shape}")
