"""A batch of offline events: what the portal has reserved for a program, until it is cleared or set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, overload

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError


class Answer(Protocol):
    """What is used of a `b24batch.AjaxResult`."""

    @property
    def data(self) -> Any:
        """The result."""


class Calls(Protocol):
    """What is used of a `b24batch.Session`."""

    def call(self, method: str, params: dict[str, JsonValue], *, idempotent: bool | None = None) -> Answer:
        """Call one method."""


@attrs.frozen(kw_only=True)
class OfflineEvent:
    """An event from the portal's queue.

    Attributes:
        id: Its number in the queue.
        event: The name of the event, ``ONCRMDEALADD``.
        data: The data of the event: ``{"FIELDS": {"ID": "7"}}``. The repr does not show them, because a chat bot's
            events contain its tokens.
        user_id: The user who caused it; None if the portal does not say.
        message_id: The portal's key for events with the same name and data.
        time: When it was queued, or last happened again, as the portal writes it (ISO 8601).
    """

    id: int
    event: str
    data: JsonValue = attrs.field(repr=False)
    user_id: int | None
    message_id: str
    time: str


@attrs.define(eq=False)
class OfflineBatch(Sequence[OfflineEvent]):
    """Events that the portal has reserved for this program, in their order.

    Attributes:
        process_id: The portal's name of this batch.
        events: Its events.
    """

    process_id: str
    events: tuple[OfflineEvent, ...] = attrs.field(repr=False)
    _session: Calls = attrs.field(repr=False)
    _open: list[OfflineEvent] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Take all events for open."""
        self._open = list(self.events)

    @overload
    def __getitem__(self, index: int) -> OfflineEvent: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[OfflineEvent, ...]: ...
    def __getitem__(self, index: int | slice) -> OfflineEvent | tuple[OfflineEvent, ...]:
        return self.events[index]

    def __len__(self) -> int:
        return len(self.events)

    def clear(self) -> None:
        """Remove the events from the queue, but for those that are set aside. The second time it does nothing.

        The loop over `offline_events` does so when it goes on to the next batch. Call it before you leave the loop.

        Raises:
            SdkError: The portal did not confirm; the events stay reserved.
        """
        if self._open:
            ids: list[JsonValue] = [event.id for event in self._open]
            # An id is given to one event only, so removing it twice is harmless.
            self._session.call("event.offline.clear", {"process_id": self.process_id, "id": ids}, idempotent=True)
            self._open = []

    def set_aside(self, *events: OfflineEvent) -> None:
        """Leave events in the queue as failed: only ``offline_events(..., failed=True)`` returns them again.

        If the same event happens while it is there, the portal only renews it: that one comes by ``failed=True`` too.
        Events that come from there and are set aside again stay reserved.

        Args:
            events: Events of this batch that are not cleared yet.

        Raises:
            UsageError: An event is not among them. Nothing was sent.
        """
        for event in events:
            if event not in self._open:
                raise UsageError(f"expected events of the batch {self.process_id} that are not cleared, got {event!r}")
        if events:
            messages: list[JsonValue] = [event.message_id for event in events]
            self._session.call(
                "event.offline.error", {"process_id": self.process_id, "message_id": messages}, idempotent=True
            )
            self._open = [event for event in self._open if event not in events]
