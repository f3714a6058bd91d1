"""A response that enforces the deadline while it is read, and leaves no bytes for the next request."""

from __future__ import annotations

import io
import socket
import ssl
from http.client import CONTINUE, SWITCHING_PROTOCOLS, HTTPException, HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection

from b24batch.wire.delivery import get_time_left


class _Reader(io.RawIOBase):
    """Reads from a socket; each read is limited to the time left for the request."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, timeout: float | None) -> None:
        self._raw, self._sock, self._timeout, self._is_over = raw, sock, timeout, False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read into `buffer`; return None once reading has stopped."""
        if self._is_over:
            return None
        limit(self._sock, self._timeout)
        read: int | None = self._raw.readinto(buffer)
        return read

    def stop(self) -> bool:
        """Stop reading; return whether TLS has more data, which was not requested."""
        self._is_over = True
        return bool(isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def close(self) -> None:
        """Close the reader and the file of the socket."""
        super().close()
        self._raw.close()


class Response(HTTPResponse):
    """A response that skips interim answers and leaves no bytes for the next request."""

    fp: Any

    def __init__(self, connection: HTTPConnection, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._connection, self._had_interim = connection, False
        self._reader = _Reader(self.fp.detach(), sock, connection.timeout)
        self.fp = io.BufferedReader(self._reader)

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status like http.client, which skips 100 and reads on; skip the other interim answers too."""
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status == SWITCHING_PROTOCOLS:
            raise HTTPException("the answer switches protocols, which was not requested")
        self._had_interim = self._had_interim or status < 200
        return version, CONTINUE if status < 200 else status, reason

    def _close_conn(self) -> None:
        """Release the socket; close the connection if it has sent more than its answer."""
        reader, self.fp = self.fp, None
        try:
            clean = self.headers is None or not (self._had_interim or self._has_more(reader))
        finally:
            reader.close()
        if not clean:
            self._connection.close()

    def _has_more(self, reader: io.BufferedReader) -> bool:
        """Return whether more than the answer was read; unread bytes are detected before the next use."""
        return self._reader.stop() or bool(reader.peek())


def limit(sock: socket.socket, timeout: float | None) -> None:
    """Limit the next step of a socket to the time left for its request."""
    left = get_time_left(timeout)
    if sock.gettimeout() != left:
        sock.settimeout(left)
