"""How the bytes of an answer get to the client, or do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

#: What is sent of an answer.
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
    """The way of an answer to the client.

    Args:
        part: ``"whole"``; ``"half_head"``, status line and some headers; ``"half_body"`` with the right length in
            the head; ``"body"`` without a head, for bytes that are not HTTP; ``"nothing"``.
        then: ``"keep"`` the connection; ``"close"`` it; ``"reset"`` it (RST instead of FIN); ``"hang"``: send no
            more, and leave it open until the client hangs up or the portal closes.
        piece: Send the body in pieces of so many bytes; 0 sends it at once.
        pause: Seconds of the portal's clock before each piece.

    """

    part: Part = attrs.field(default="whole", validator=attrs.validators.in_(_SHARES))
    then: Then = attrs.field(default="keep", validator=attrs.validators.in_(("keep", "close", "reset", "hang")))
    piece: int = attrs.field(default=0, kw_only=True, validator=attrs.validators.ge(0))
    pause: float = attrs.field(default=0.0, kw_only=True, validator=attrs.validators.ge(0))

    def pieces(self, head: bytes, body: bytes) -> Iterator[bytes]:
        """Yield what is sent, in order; before each piece but the first there is the pause."""
        of_head, of_body = _SHARES[self.part]
        head, body = head[: int(len(head) * of_head)], body[: int(len(body) * of_body)]
        if not self.piece:
            yield head + body
            return
        yield head
        for start in range(0, len(body), self.piece):
            yield body[start : start + self.piece]


#: The usual way, and the ways of an answer of which nothing is sent.
USUAL = Travel()
CLOSED = Travel("nothing", "close")
RESET = Travel("nothing", "reset")
HUNG = Travel("nothing", "hang")
