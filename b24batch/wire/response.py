"""A response whose reads keep the deadline, and which leaves no byte of it behind for the next request."""

from __future__ import annotations

import io
import socket
import ssl
from http.client import CONTINUE, SWITCHING_PROTOCOLS, HTTPException, HTTPResponse
from typing import Any, Protocol

from b24batch.wire.delivery import left_of


class _Reader(io.RawIOBase):
    """Reads from a socket, each time for no longer than the request has left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, timeout: float | None) -> None:
        self._raw, self._sock, self._timeout, self._is_over = raw, sock, timeout, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._is_over:
            return None
        limit(self._sock, self._timeout)
        read: int | None = self._raw.readinto(buffer)
        return read

    def stop(self) -> bool:
        """Read nothing more; return whether TLS has something that was not asked for."""
        self._is_over = True
        return bool(isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def close(self) -> None:
        super().close()
        self._raw.close()


class Owner(Protocol):
    """What a response needs of its connection."""

    timeout: float | None

    def close(self) -> None:
        """Close it, so that no other request uses it."""


class Response(HTTPResponse):
    """A response that skips interim answers, and leaves no byte of it behind for the next request."""

    fp: Any

    def __init__(self, connection: Owner, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._connection, self._had_interim = connection, False
        self._reader = _Reader(self.fp.detach(), sock, connection.timeout)
        self.fp = io.BufferedReader(self._reader)

    def _read_status(self) -> tuple[str, int, str]:
        """Do as http.client does, which skips 100 and asks again; let it skip the other interim answers too."""
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status == SWITCHING_PROTOCOLS:
            raise HTTPException("the answer switches protocols, which nobody asked for")
        self._had_interim = self._had_interim or status < 200
        return version, CONTINUE if status < 200 else status, reason

    def _close_conn(self) -> None:
        """Let go of the socket; a connection that has said more than its answer is closed."""
        reader, self.fp = self.fp, None
        try:
            clean = self.headers is None or not (self._had_interim or self._has_more(reader))
        finally:
            reader.close()
        if not clean:
            self._connection.close()

    def _has_more(self, reader: io.BufferedReader) -> bool:
        """Return whether more than the answer was read; what was not read is found before the connection's next use."""
        return self._reader.stop() or bool(reader.peek(1))


def limit(sock: socket.socket, timeout: float | None) -> None:
    """Let the next step of a socket take no longer than its request has left."""
    left = left_of(timeout)
    if sock.gettimeout() != left:
        sock.settimeout(left)
