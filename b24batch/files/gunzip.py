"""Decompress a body that a server compressed without being asked to."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from b24batch.errors import AnswerLost

#: Bytes of the result at once: a small body may have a very large one.
_PIECE = 1_048_576
_GZIP = 16 + zlib.MAX_WBITS


@attrs.define(eq=False)
class Gunzip:
    """Decompresses gzip in parts. A body that is damaged or cut raises `AnswerLost`."""

    _member: Any = attrs.field(factory=lambda: zlib.decompressobj(_GZIP))

    def decompress(self, part: bytes) -> Iterator[bytes]:
        """Yield the content of a part, in pieces."""
        while part:
            if self._member.eof:  # a body may have several members
                self._member = zlib.decompressobj(_GZIP)
            yield self._call(self._member.decompress, part, _PIECE)
            part = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> bytes:
        """Return the rest of the content; the body must have been whole."""
        rest = self._call(self._member.flush)
        if not self._member.eof:
            raise AnswerLost("the compressed answer was cut")
        return rest

    def _call(self, function: Callable[..., bytes], *args: object) -> bytes:
        try:
            return function(*args)
        except zlib.error:
            failure = AnswerLost("the compressed answer is damaged")
        raise failure
