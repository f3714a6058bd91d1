"""How the bytes of an answer are sent to the client, or not sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

#: The part of an answer that is sent.
Part = Literal["whole", "half_head", "half_body", "body", "nothing"]

#: What happens to the connection then.
Then = Literal["keep", "close", "reset", "hang"]

#: The share of the head and of the body that is sent.
_SHARES: dict[Part, tuple[float, float]] = {
    "whole": (1, 1),
    "half_head": (0.5, 0),
    "half_body": (1, 0.5),
    "body": (0, 1),
    "nothing": (0, 0),
}


@attrs.frozen
class Travel:
    """How an answer is sent to the client.

    Args:
        part: The part to send: ``"whole"`` (default); ``"half_head"``, the status line and some headers;
            ``"half_body"``, all headers with the right length and half of the body; ``"body"``, no head, for bytes
            that are not HTTP; ``"nothing"``.
        then: What to do with the connection: ``"keep"`` it (default); ``"close"`` it; ``"reset"`` it (RST instead of
            FIN); ``"hang"``: send no more, and leave it open until the client or the portal closes it.
        piece: The size in bytes of the pieces in which to send the body; default 0, all at once.
        pause: Seconds by the portal's clock before each piece; default 0.

    """

    part: Part = attrs.field(default="whole", validator=attrs.validators.in_(_SHARES))
    then: Then = attrs.field(default="keep", validator=attrs.validators.in_(("keep", "close", "reset", "hang")))
    piece: int = attrs.field(default=0, kw_only=True, validator=attrs.validators.ge(0))
    pause: float = attrs.field(default=0.0, kw_only=True, validator=attrs.validators.ge(0))

    def pieces(self, head: bytes, body: bytes) -> Iterator[bytes]:
        """Yield the bytes to send, in order; there is a pause before each piece except the first."""
        of_head, of_body = _SHARES[self.part]
        head, body = head[: int(len(head) * of_head)], body[: int(len(body) * of_body)]
        if not self.piece:
            yield head + body
            return
        yield head
        for start in range(0, len(body), self.piece):
            yield body[start : start + self.piece]


#: The usual way, and the ways to send nothing.
USUAL = Travel()
CLOSED = Travel("nothing", "close")
RESET = Travel("nothing", "reset")
HUNG = Travel("nothing", "hang")
